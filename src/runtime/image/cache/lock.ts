/** One process at a time: a lock the kernel takes back when its holder ends, however it ends. */
import { closeSync, fstatSync, lstatSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../../../errors';
import { pause } from '../transfer/retry';

/** See NativeAddon.tryLockFile(). */
export type TryLock = (path: string) => number;

/** Pauses between two tries: short at first, since most waits are for a rename. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 50;
/** When somebody who watches would like to know what is going on. */
const TELL_AFTER_MS = 1000;

/** File systems without locks: simultaneous downloads then cost time, not correctness (files come by rename). */
const NO_LOCKS = new Set(['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/**
 * Takes the lock, waiting for it as long as it takes.
 * @param onWait called once when the wait is long
 * @returns what gives the lock back
 * @throws the signal's reason, or a system error of the file
 */
export async function acquireLock(
  path: string,
  tryLock: TryLock,
  options: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<() => void> {
  const start = Date.now();
  let told = false;
  for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(ms * 2, LONGEST_PAUSE_MS)) {
    options.signal?.throwIfAborted();
    const release = tryToAcquire(path, tryLock);
    if (release) return release;
    if (!told && Date.now() - start > TELL_AFTER_MS) {
      told = true;
      options.onWait?.();
    }
    await pause(ms, options.signal);
  }
}

/**
 * Takes the lock, unless somebody else has it.
 * @returns what gives the lock back; `undefined` when it is held, or its file was just removed
 * @throws a system error of the file
 */
export function tryToAcquire(path: string, tryLock: TryLock): (() => void) | undefined {
  let fd: number;
  try {
    fd = tryLock(path);
  } catch (error) {
    if (NO_LOCKS.has(errnoOf(error) ?? '')) return () => undefined;
    throw error;
  }
  if (fd < 0) return undefined;
  if (isStill(path, fd)) return () => release(path, fd);
  closeSync(fd);
  return undefined;
}

/** The last holder may have removed the file between our opening and locking it: then ours is a lock on nothing. */
function isStill(path: string, fd: number): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const ours = fstatSync(fd);
  return there?.ino === ours.ino && there.dev === ours.dev;
}

function release(path: string, fd: number): void {
  try {
    unlinkSync(path);
  } catch {
    // a file too many does no harm
  }
  closeSync(fd);
}
