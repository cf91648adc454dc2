/** Parts of a content (RFC 9110, section 14). */
import { headerOf, type HttpResponse } from './message';

/** From a byte on, to the end or to a last byte that belongs to it. */
export interface ByteRange {
  from: number;
  last?: number;
}

/** The header that asks for it; none for the whole. */
export function rangeHeader({ from, last }: ByteRange): Record<string, string> {
  if (from === 0 && last === undefined) return {};
  return { range: `bytes=${from}-${last ?? ''}` };
}

/** What an answer with status 206 has: `bytes 100-199/200`. `undefined` when it does not say. */
export function contentRange(response: HttpResponse): { from: number; last: number; total?: number } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headerOf(response, 'content-range') ?? '');
  if (!match) return undefined;
  const [, from, last, total] = match;
  return { from: Number(from), last: Number(last), ...(total === '*' ? {} : { total: Number(total) }) };
}
