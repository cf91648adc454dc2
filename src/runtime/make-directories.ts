import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../errors';

/**
 * Makes a directory and those above it that are missing; one that is there is as well.
 * Node's own (`recursive`, Node 20) says ENOENT of a read-only file system, and never ends where the kernel says ENOENT
 * of a directory that is there, such as /proc/self.
 * @throws NodeJS.ErrnoException as of mkdir(2)
 */
export function makeDirectories(path: string, mode: number): void {
  if (made(path, mode)) return;
  makeDirectories(dirname(path), mode);
  if (!made(path, mode)) mkdirSync(path, { mode });
}

/** @returns `false` when something above it seems to be missing */
function made(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return true;
    if (errno === 'ENOENT' && dirname(path) !== path) return false;
    throw error;
  }
}
