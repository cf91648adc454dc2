/** Whole reads at a place in an open file: read(2) may do less than it is asked to. */
import { readSync } from '../../observed-fs';

/** Reads `length` bytes at `offset`; fewer at the end of the file. @throws errno */
export function readUpTo(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
