/** Removes what is in the image cache. Files that running containers use are removed as well; they keep them open. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import { removeEntry } from './entry';
import { kindDirectory, type ListedKind, listKind, listPartial } from './list';
import { type TryLock, tryToAcquire } from './lock';

export interface CleanRequest {
  directory: string;
  kinds: readonly ListedKind[];
  /** Only what is older. */
  olderThanDays: number;
  dryRun: boolean;
  tryLock: TryLock;
  onInfo: (text: string) => void;
  nowMs?: number;
}

export const DAY_MS = 24 * 60 * 60 * 1000;

/** @throws RuntimeError CACHE when something cannot be removed */
export function cleanCache(request: CleanRequest): void {
  const { directory, kinds, olderThanDays, onInfo, nowMs = Date.now() } = request;
  const before = nowMs - olderThanDays * DAY_MS;
  for (const kind of kinds) {
    const all = listKind(directory, kind);
    if (all.length === 0) onInfo(`No cached files to remove at ${kindDirectory(directory, kind)}`);
    for (const { name, path, modifiedMs } of all) {
      if (olderThanDays > 0 && modifiedMs > before) continue;
      onInfo(`Removing ${kind} cache entry: ${name}`);
      if (!request.dryRun) removing(path, () => removeEntry(path));
    }
  }
  if (olderThanDays === 0) cleanPartial(request);
}

/** What is being downloaded right now is left alone: its lock is held. */
function cleanPartial({ directory, kinds, dryRun, tryLock, onInfo }: CleanRequest): void {
  for (const { name, path } of listPartial(directory)) {
    if (!kinds.some((kind) => name.startsWith(`${kind}-`))) continue;
    const lock = join(directory, 'locks', `${name}.lock`);
    const release = removing(lock, () => tryToAcquire(lock, tryLock));
    if (!release) continue;
    try {
      if (!existsSync(path)) continue; // it became complete, or somebody else has removed it
      onInfo(`Removing incomplete download: ${name}`);
      if (!dryRun) removing(path, () => rmSync(path, { force: true }));
    } finally {
      release();
    }
  }
}

/** @throws RuntimeError CACHE, with the errno of a system error */
export function removing<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('CACHE', `remove "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
  }
}
