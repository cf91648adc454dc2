/** Output of a command in a file without a name: no limit of a pipe to wait for, nothing to clean up. */
import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** open(2): O_TMPFILE, which node:fs does not name (x86 and ARM: 020000000 | O_DIRECTORY). */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

export class Capture {
  readonly fd: number;

  constructor(directory = process.env.TMPDIR || '/tmp') {
    this.fd = openNameless(directory);
  }

  /** All that has been written. */
  read(): Buffer {
    const bytes = Buffer.alloc(fstatSync(this.fd).size);
    let at = 0;
    while (at < bytes.length) {
      const length = readSync(this.fd, bytes, at, bytes.length - at, at);
      if (length === 0) break;
      at += length;
    }
    return bytes.subarray(0, at);
  }

  close(): void {
    closeSync(this.fd);
  }
}

function openNameless(directory: string): number {
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR | constants.O_APPEND, 0o600);
  } catch {
    // A file system without O_TMPFILE (NFS): a name for a moment.
    const temporary = mkdtempSync(join(directory, 'davit-'));
    try {
      return openSync(join(temporary, 'output'), 'ax+', 0o600);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
}
