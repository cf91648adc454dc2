/**
 * What is in an archive of images, and where: names, sizes and offsets, so that single files can be read. Only what such
 * archives have is known: plain files, links between them, long names (POSIX pax, GNU).
 */
import { RuntimeError } from '../../errors';

export interface TarFile {
  /** Of the content in the archive. */
  offsetBytes: number;
  sizeBytes: number;
}

export type TarMember = { kind: 'file'; file: TarFile } | { kind: 'link'; target: string };

export interface TarHeader {
  name: string;
  sizeBytes: number;
  type: string;
  linkName: string;
}

export const BLOCK_BYTES = 512;

/**
 * Decodes a header block.
 * @returns `undefined` for a block of zeros, which ends an archive
 * @throws RuntimeError IMAGE_FORMAT
 */
export function decodeTarHeader(block: Uint8Array): TarHeader | undefined {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
  if (bytes.every((byte) => byte === 0)) return undefined;
  if (bytes.length < BLOCK_BYTES || checksum(bytes) !== number(bytes, 148, 8)) {
    throw new RuntimeError('IMAGE_FORMAT', 'it is no tar archive, or a damaged one');
  }
  const prefix = text(bytes, 257, 5) === 'ustar' && bytes[262] === 0 ? text(bytes, 345, 155) : '';
  const name = text(bytes, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    sizeBytes: number(bytes, 124, 12),
    type: bytes[156] === 0 ? '0' : String.fromCharCode(bytes[156] as number),
    linkName: text(bytes, 157, 100),
  };
}

/** The sum of all bytes, the checksum's own counted as blanks. */
function checksum(bytes: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += bytes[at] as number;
  return sum;
}

function text(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** Octal digits, or GNU's big-endian form with the highest bit set. */
function number(bytes: Buffer, at: number, length: number): number {
  const first = bytes[at] as number;
  if ((first & 0x80) === 0) {
    const digits = text(bytes, at, length).trim();
    if (/^[0-7]*$/.test(digits)) return digits === '' ? 0 : Number.parseInt(digits, 8);
    throw new RuntimeError('IMAGE_FORMAT', 'it is no tar archive, or a damaged one');
  }
  let value = first & 0x7f;
  for (let index = at + 1; index < at + length; index++) value = value * 256 + (bytes[index] as number);
  if (!Number.isSafeInteger(value)) throw new RuntimeError('IMAGE_FORMAT', 'the archive claims an absurd size');
  return value;
}

/** Records of an extended header: `LENGTH KEY=VALUE\n`, the length in bytes and of the whole record (pax(1)). */
export function decodePax(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < buffer.length; ) {
    const blank = buffer.indexOf(0x20, at);
    const length = blank < 0 ? Number.NaN : Number(buffer.toString('latin1', at, blank));
    const end = at + length;
    const equals = buffer.indexOf(0x3d, blank);
    if (!Number.isInteger(length) || length <= 0 || end > buffer.length || equals < 0 || equals >= end) {
      throw new RuntimeError('IMAGE_FORMAT', 'the archive has a damaged extended header');
    }
    records.set(buffer.toString('utf8', blank + 1, equals), buffer.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** `./a//b/../c` → `a/c`; nothing leads out. */
export function normalName(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
