/** What builds that were killed have left where the next one works, and how that one knows that nobody is at work there. */
import { closeSync, existsSync, fstatSync, lstatSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { removeTree } from './target';

/** Begins the name of every private directory of a build. */
export const PREFIX = 'build-temp-';
/** Of those that are locked: an empty one was left by a build that was killed in its first moment. */
const LOCKED_PREFIX = `${PREFIX}davit-`;
/** Another build may take the new directory for an abandoned one until it is locked. */
const TRIES = 100;

/** Locked for as long as the process lives that has made the directory; there is none with `--no-cleanup`. */
const LOCK_FILE = 'davit.lock';
/** Locked for as long as the process lives that is at work in the directory. */
const WORK_LOCK_FILE = 'davit.work.lock';
export const TASK_FILE = 'task.json';
export const ERROR_FILE = 'error.json';
/** What is there before anything is built, and stays until the end. */
export const OWN_FILES: readonly string[] = [LOCK_FILE, WORK_LOCK_FILE, TASK_FILE, ERROR_FILE];

/**
 * A new directory, locked by this process for as long as it lives. Where the file system knows no locks it has none, and
 * nobody else can lock it either: it is left alone.
 * @throws a system error
 */
export function makeLocked(parent: string): string {
  const { tryLockFile } = native();
  for (let tries = 1; ; tries++) {
    const directory = mkdtempSync(join(parent, LOCKED_PREFIX));
    const file = join(directory, LOCK_FILE);
    try {
      const lock = tryLockFile(file);
      if (lock >= 0 && isAt(file, lock)) return directory;
      if (lock >= 0) closeSync(lock);
      if (tries === TRIES) throw new RuntimeError('IMAGE_BUILD', `other builds remove "${directory}" again and again`);
    } catch (error) {
      if (existsSync(file) && !(error instanceof RuntimeError)) return directory;
      if (existsSync(directory)) removeTree(directory);
      else if (tries < TRIES) continue;
      throw error;
    }
  }
}

/** Whether the locked file is the one of that name: two builds that clear up may leave another one there for a moment. */
function isAt(file: string, lock: number): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.ino === fstatSync(lock).ino;
}

/** Says, for as long as this process lives, that it is at work in `directory`. */
export function lockForWork(directory: string): void {
  try {
    native().tryLockFile(join(directory, WORK_LOCK_FILE));
  } catch {
    // no locks there: nobody can lock the directory's own either
  }
}

/**
 * Removes what killed builds have left of this user's, where they had not begun to build.
 * @returns the directories of those that had: this process holds their locks, and has to clear them up by a process like
 *   the one that was at work there
 */
export function removeAbandoned(parent: string): string[] {
  const begun: string[] = [];
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = join(parent, name);
    try {
      if (lstatSync(directory).uid !== process.geteuid?.()) continue;
      const found = readdirSync(directory);
      if (found.length === 0 && name.startsWith(LOCKED_PREFIX)) rmdirSync(directory);
      const isBegun = found.some((file) => !OWN_FILES.includes(file));
      if (!found.includes(LOCK_FILE) || (isBegun && !found.includes(WORK_LOCK_FILE))) continue;
      const locks = lockAll(
        [LOCK_FILE, WORK_LOCK_FILE].filter((file) => found.includes(file)).map((file) => join(directory, file)),
      );
      if (locks && isBegun) begun.push(directory);
      else if (locks) {
        removeTree(directory);
        locks.forEach(closeSync);
      }
    } catch {
      // removed meanwhile, or not ours to look into
    }
  }
  return begun;
}

/** Locks all of these files, or none. */
function lockAll(paths: string[]): number[] | undefined {
  const locks: number[] = [];
  for (const path of paths) {
    const lock = native().tryLockFile(path);
    if (lock < 0) {
      locks.forEach(closeSync);
      return undefined;
    }
    locks.push(lock);
  }
  return locks;
}
