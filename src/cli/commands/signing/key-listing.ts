/** Keys in words: entries of a keyring, and what a key server found. */
import type { Key } from '../../../runtime/signing/openpgp';
import { bitLength, fingerprint, identities } from '../../../runtime/signing/openpgp';
import { formatTable } from '../../terminal/render';
import { goTime } from './go-time';

const PADDING = 2;

/** One key of `key list`, with an empty line behind it. */
export async function formatKey(index: number, key: Key): Promise<string> {
  const users = (await identities(key)).map(({ name, comment, email }) => ['User:', `${name} (${comment}) <${email}>`]);
  const rows = [
    ...users,
    ['Creation time:', goTime(key.getCreationTime())],
    ['Fingerprint:', fingerprint(key)],
    ['Length (in bits):', String(bitLength(key))],
  ];
  return `${formatTable(
    rows.map((row, at) => [at === 0 ? `${index})` : '', ...row]),
    PADDING,
  )}\n`;
}

/** One key of the list from which `sign` lets choose. */
export async function formatChoice(index: number, key: Key): Promise<string> {
  const users = await identities(key);
  return [
    ...users.map(({ name, comment, email }) => `${index}) U: ${name} (${comment}) <${email}>`),
    `   C: ${goTime(key.getCreationTime())}`,
    `   F: ${fingerprint(key)}`,
    `   L: ${bitLength(key)}`,
    '   --------',
    '',
  ].join('\n');
}

export interface SearchListing {
  count: number;
  /** How many the server announced; 0 when it did not say. */
  announced: number;
  text: string;
}

const SHORT_HEAD = ['KEY ID', 'BITS'];
const LONG_HEAD = ['FINGERPRINT', 'ALGORITHM', 'BITS', 'CREATION DATE', 'EXPIRATION DATE', 'STATUS'];
const SHORT_ID = 8;

/** The machine-readable index of a key server as a table; each key's rows are aligned by themselves. */
export function formatSearch(index: string, long: boolean): SearchListing {
  const listing = { count: 0, announced: 0 };
  const head = long ? LONG_HEAD : SHORT_HEAD;
  const blocks: string[][][] = [[[...head, 'NAME/EMAIL']]];
  let named = true;
  for (const line of index.split('\n')) {
    const [tag, ...fields] = line.trim().split(':');
    const block = blocks.at(-1) as string[][];
    if (tag === 'info') listing.announced = Number(fields[1] ?? 0);
    if (tag === 'pub') {
      const row = [...(long ? longCells(fields) : shortCells(fields)), ''];
      if (listing.count === 0) block.push(row);
      else blocks.push([row]);
      listing.count += 1;
      named = false;
    }
    if (tag === 'uid') {
      if (named) block.push([...head.map(() => ''), '']);
      ((blocks.at(-1) as string[][]).at(-1) as string[])[head.length] = unescapeName(fields[0] ?? '');
      named = true;
    }
  }
  return { ...listing, text: blocks.map((rows) => formatTable(rows, PADDING)).join('\n') };
}

function shortCells([id = '', , bits = '']: string[]): string[] {
  return [id.slice(-SHORT_ID), bits];
}

function longCells([id = '', algorithm = '', bits = '', created = '', expires = '', flags = '']: string[]): string[] {
  const date = (seconds: string): string =>
    /^\d+$/.test(seconds) ? goTime(new Date(Number(seconds) * 1000)) : seconds;
  return [id, algorithmName(Number(algorithm)), bits, date(created), date(expires), status(flags)];
}

function status(flags: string): string {
  if (flags.includes('r')) return '[revoked]';
  if (flags.includes('d')) return '[disabled]';
  return flags.includes('e') ? '[expired]' : '[enabled]';
}

/** Names by code (RFC 9580, 9.1), as far as the reference has them. */
function algorithmName(code: number): string {
  if (code >= 1 && code <= 3) return 'RSA';
  const names: Record<number, string> = {
    16: 'Elgamal',
    17: 'DSA',
    18: 'Elliptic Curve',
    19: 'ECDSA',
    20: 'Reserved',
    21: 'Diffie-Hellman',
  };
  return names[code] ?? 'unknown';
}

/** What a server says is shown, not obeyed: control characters go. */
function unescapeName(text: string): string {
  let name = text.replace(/\+/g, ' ');
  try {
    name = decodeURIComponent(name);
  } catch {
    name = text;
  }
  return name.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
