/** Whole writes at a place in an open file: write(2) may do less than it is asked to. */
import { readSync, writeSync } from 'node:fs';

/** Of the memory that goes from file to file. */
export const COPY_BYTES = 1 << 20;

/** Writes all of `bytes` at `offset`. @returns how many there were @throws errno */
export function writeAll(fd: number, bytes: Uint8Array, offset: number): number {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
  return bytes.length;
}

/** Copies what is left of the file `from` to `offset` of `to`. @returns how many bytes that were @throws errno */
export function copyAll(from: number, to: number, offset: number): number {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (let done = 0; ; ) {
    const count = readSync(from, buffer, 0, buffer.length, null);
    if (count === 0) return done;
    writeAll(to, buffer.subarray(0, count), offset + done);
    done += count;
  }
}
