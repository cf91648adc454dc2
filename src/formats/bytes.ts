/** Little-endian integers and padded text, as binary formats hold them. */

const TWO_32 = 4294967296;

/**
 * A signed 64-bit integer as a number. Beyond 2^53 it is rounded, never wrapped: a size that absurd stays absurd,
 * so range checks on the result are safe. All ones is -1.
 */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32LE(at + 4) * TWO_32 + bytes.readUInt32LE(at);
}

/** Writes a whole number of at most 53 bits as a signed 64-bit integer. */
export function writeInt64(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  bytes.writeUInt32LE(value - high * TWO_32, at);
  bytes.writeInt32LE(high, at + 4);
}

/** The text in `length` bytes, up to the first NUL. */
export function readText(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** Writes text, NUL padded; the last byte stays NUL. Returns false when it does not fit. */
export function writeText(bytes: Buffer, at: number, length: number, text: string): boolean {
  if (Buffer.byteLength(text) >= length) return false;
  bytes.fill(0, at, at + length);
  bytes.write(text, at, 'utf8');
  return true;
}
