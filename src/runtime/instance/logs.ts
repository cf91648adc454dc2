/** What an instance has written: NAME.out and NAME.err, also after it has ended, and while they are rotated. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import type { InstanceRecord } from './record';

export type LogStream = 'out' | 'err';

/** Where the log of an instance lies: its record says it, or, when it has ended, the place where logs are by default. */
export function logPath(stateDir: string, name: string, stream: LogStream, record?: InstanceRecord): string {
  if (record) return stream === 'out' ? record.logOut : record.logErr;
  return join(stateDir, 'logs', `${name}.${stream}`);
}

const CHUNK_BYTES = 64 * 1024;
/** Between two looks at a file that is followed. */
const POLL_MS = 100;

/** A log file that may grow, be truncated, or be replaced by a new one of the same name. */
export class LogReader {
  private fd: number | undefined;
  private offset = 0;

  /** @param uid whose file it must be, where another user reads it */
  constructor(
    private readonly path: string,
    private readonly uid?: number,
  ) {}

  /**
   * What was written since the last call. After a rotation, the rest of the old file comes before the new one.
   * @throws RuntimeError STATE when the file cannot be read; a missing file has nothing
   */
  *readNew(): Generator<Uint8Array> {
    if (this.fd === undefined && !this.open()) return;
    yield* this.readRest();
    if (!this.wasReplaced()) return;
    yield* this.readRest();
    this.close();
    if (this.open()) yield* this.readRest();
  }

  exists(): boolean {
    return statSync(this.path, { throwIfNoEntry: false }) !== undefined;
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
    this.offset = 0;
  }

  private *readRest(): Generator<Uint8Array> {
    const fd = this.fd as number;
    if (fstatSync(fd).size < this.offset) this.offset = 0; // truncated (copytruncate): from the start again
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, this.offset);
      if (length === 0) return;
      this.offset += length;
      yield chunk.subarray(0, length);
    }
  }

  private wasReplaced(): boolean {
    const now = statSync(this.path, { throwIfNoEntry: false });
    const open = fstatSync(this.fd as number);
    return now !== undefined && (now.ino !== open.ino || now.dev !== open.dev);
  }

  private open(): boolean {
    try {
      // O_NONBLOCK: a FIFO in its place must not stop us.
      const noFollow = this.uid === undefined ? 0 : constants.O_NOFOLLOW;
      this.fd = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK | noFollow);
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === 'ENOENT') return false;
      throw new RuntimeError('STATE', `open log "${this.path}": ${errno}`, { path: this.path, errno, cause });
    }
    const stat = fstatSync(this.fd);
    if (!stat.isFile() || (this.uid !== undefined && stat.uid !== this.uid)) {
      this.close();
      throw new RuntimeError('STATE', `open log "${this.path}": it is not a file of that user`, { path: this.path });
    }
    return true;
  }
}

export interface FollowOptions {
  /** Following ends when this says no and everything has been read. */
  isAlive: () => boolean;
  /** Ends the following at once. */
  signal?: AbortSignal;
}

/** What is in the log and what will be written to it, until the instance has ended. */
export async function* followLog(reader: LogReader, options: FollowOptions): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      // Asked before reading: what was written before the end is read behind the answer.
      const alive = options.isAlive();
      yield* reader.readNew();
      if (!alive || options.signal?.aborted) return;
      await pause(POLL_MS, options.signal);
    }
  } finally {
    reader.close();
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
