/**
 * The instances of one user, as their state directory shows them. A held lock is what makes an instance alive; the record
 * only describes it. A damaged record hides nothing but itself, and what is dead is removed when it is met.
 */
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import type { NativeAddon } from '../../native';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openRecordSync,
  openSync,
  readdirSync,
  readSync,
} from '../../observed-fs';
import { isInstanceName } from './names';
import { decodeRecord, type InstanceRecord } from './record';

export type StoreAddon = Pick<NativeAddon, 'instanceLocked' | 'removeDeadInstance'>;

/** A live instance: whole; still being started (there is no record yet); or with a record that cannot be used. */
export type Found =
  | { name: string; state: 'alive'; record: InstanceRecord }
  | { name: string; state: 'starting' }
  | { name: string; state: 'damaged'; problem: string };

export interface StoreOptions {
  /** Who must own the directory; the user whose instances these are. */
  uid: number;
  /** Another user looks at them (root): nothing is removed, and no link in them is followed. */
  foreign?: boolean;
}

/** Far above any record; more is not read. */
const RECORD_LIMIT_BYTES = 4 * 1024 * 1024;

export class InstanceStore {
  constructor(
    readonly stateDir: string,
    private readonly addon: StoreAddon,
    private readonly options: StoreOptions,
  ) {}

  /**
   * All live instances, sorted by name; an empty list where there is no state directory.
   * @throws RuntimeError STATE when the directory is not the user's own or cannot be read
   */
  list(matches: (name: string) => boolean = () => true): Found[] {
    if (!this.check()) return [];
    let names: string[];
    try {
      names = readdirSync(join(this.stateDir, 'instances'));
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return [];
      throw new RuntimeError('STATE', `list "${join(this.stateDir, 'instances')}": ${errnoOf(cause) ?? cause}`, {
        path: this.stateDir,
        errno: errnoOf(cause),
        cause,
      });
    }
    return names
      .filter((name) => isInstanceName(name) && matches(name))
      .sort()
      .map((name) => this.examine(name))
      .filter((found) => found !== undefined);
  }

  /** One live instance by its name, or `undefined`. @throws RuntimeError STATE as list() does. */
  find(name: string): Found | undefined {
    return isInstanceName(name) && this.check() ? this.examine(name) : undefined;
  }

  /** Removes what a dead instance left; false when it is alive, or could not be removed. */
  remove(name: string): boolean {
    if (this.options.foreign) return false;
    try {
      return this.addon.removeDeadInstance(this.stateDir, name);
    } catch {
      return false; // a read-only directory: it stays, and is as dead as before
    }
  }

  private examine(name: string): Found | undefined {
    try {
      if (!this.addon.instanceLocked(this.stateDir, name)) {
        this.remove(name);
        // Somebody may have taken the name between the two calls.
        if (!this.addon.instanceLocked(this.stateDir, name)) return undefined;
      }
      const bytes = this.readRecord(name);
      if (bytes !== undefined) return { name, state: 'alive', record: decodeRecord(bytes, name) };
      // Ended between the question and the reading, or not started yet.
      return this.addon.instanceLocked(this.stateDir, name) ? { name, state: 'starting' } : undefined;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      return { name, state: 'damaged', problem: problemOf(name, error) };
    }
  }

  private readRecord(name: string): Uint8Array | undefined {
    try {
      // What lies in one's own directory (see check) is one's own; the addon has just opened it without following links.
      if (!this.options.foreign) return readRegular(`${this.stateDir}/instances/${name}/record.pb`);
      return readBelow(this.stateDir, ['instances', name, 'record.pb'], this.options.uid);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** False where there is nothing. @throws RuntimeError STATE where there is something that must not be used. */
  private check(): boolean {
    const stat = lstatSync(this.stateDir, { throwIfNoEntry: false });
    if (stat === undefined) return false;
    const refuse = (what: string): never => {
      throw new RuntimeError('STATE', `use state directory "${this.stateDir}": ${what}`, {
        path: this.stateDir,
        hint: 'remove it, or set DAVIT_STATE_DIR to a directory of your own',
      });
    };
    if (stat.isSymbolicLink()) refuse('it is a symbolic link');
    if (!stat.isDirectory()) refuse('it is not a directory');
    if (stat.uid !== this.options.uid) refuse(`it belongs to uid ${stat.uid}`);
    if ((stat.mode & 0o077) !== 0) refuse('others can enter it: its mode must be 0700');
    return true;
  }
}

/** What is wrong with a record; the words of a system call do not say whose it is. */
function problemOf(name: string, error: unknown): string {
  if (error instanceof RuntimeError) return error.message;
  const errno = errnoOf(error);
  return `record of instance ${name}: ${errno === 'ELOOP' ? 'a symbolic link' : (errno ?? (error as Error).message)}`;
}

/**
 * Reads a small regular file below `root`, following no link on the way: every directory is opened and its successor is
 * reached through the open descriptor. With `uid`, the file must belong to that user.
 * @throws Error of the system call (ELOOP for a link), RuntimeError STATE for a file that is none, or too large
 */
export function readBelow(root: string, names: readonly string[], uid?: number): Uint8Array {
  const open: number[] = [];
  const step = (path: string, flags: number): number => {
    const fd = openSync(path, flags | constants.O_NOFOLLOW);
    open.push(fd);
    return fd;
  };
  try {
    let at = step(root, constants.O_RDONLY | constants.O_DIRECTORY);
    for (const name of names.slice(0, -1)) {
      at = step(`/proc/self/fd/${at}/${name}`, constants.O_RDONLY | constants.O_DIRECTORY);
    }
    return readRegular(`/proc/self/fd/${at}/${names[names.length - 1]}`, join(root, ...names), uid);
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/** Reads a file that is no link; `shown` is its name in messages. @throws as readBelow() */
function readRegular(path: string, shown = path, uid?: number): Uint8Array {
  // O_NONBLOCK: a FIFO must not stop us.
  const fd = openRecordSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const stat = fstatSync(fd);
    const wrong = !stat.isFile() ? 'it is not a file' : stat.size > RECORD_LIMIT_BYTES ? 'it is too large' : undefined;
    if (wrong !== undefined) throw new RuntimeError('STATE', `read "${shown}": ${wrong}`);
    if (uid !== undefined && stat.uid !== uid) {
      throw new RuntimeError('STATE', `read "${shown}": it belongs to uid ${stat.uid}`);
    }
    return readSized(fd, stat.size);
  } finally {
    closeSync(fd);
  }
}

/** A record is replaced, never changed: its size stands. A small buffer is a piece of Node's pool, which costs nothing. */
function readSized(fd: number, size: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(size);
  let at = 0;
  for (let count = -1; at < size && count !== 0; at += count) count = readSync(fd, buffer, at, size - at, null);
  return buffer.subarray(0, at);
}
