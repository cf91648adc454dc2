/** References to images in libraries: `library://[HOST[:PORT]/][ENTITY/COLLECTION/]NAME[:TAG[,TAG]]`. */
import { RuntimeError } from '../../../errors';

export interface LibraryReference {
  /** Where it lies, when that was said; otherwise the configured library. */
  host?: string;
  /** Without a slash in front. */
  path: string;
  tags: string[];
}

const PART = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/i;
const TAG = /^[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*$/;

/**
 * Reads a reference, without `library://`. One or three parts are a path alone (formats.md section 17.1); three slashes
 * in front of it say so in any case.
 * @throws RuntimeError IMAGE_OPEN
 */
export function parseLibraryReference(text: string): LibraryReference {
  const { host, rest } = splitHost(text);
  const [path = '', tagText, ...more] = rest.split(':');
  const parts = path.split('/');
  if (more.length > 0 || parts.length > 3 || !parts.every((part) => PART.test(part))) throw malformed(text);
  const tags = tagText === undefined ? [] : tagText.split(',');
  if (!tags.every((tag) => TAG.test(tag))) throw malformed(text);
  return { ...(host === undefined ? undefined : { host }), path, tags };
}

function splitHost(text: string): { host?: string; rest: string } {
  if (text.startsWith('/')) return { rest: text.slice(1) };
  const parts = text.split('/');
  // A colon that is not in the last part is a port's.
  if (parts.length === 1 || (parts.length === 3 && !parts.slice(0, -1).some((part) => part.includes(':')))) {
    return { rest: text };
  }
  const [host, ...rest] = parts;
  if (!/^[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?$/.test(host as string)) throw malformed(text);
  return { host, rest: rest.join('/') };
}

function malformed(text: string): RuntimeError {
  return new RuntimeError('IMAGE_OPEN', `malformed library reference: library://${text}`, {
    path: text,
    hint: 'write library://[HOST/][ENTITY/COLLECTION/]NAME[:TAG]',
  });
}
