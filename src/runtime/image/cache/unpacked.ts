/** Removes images that were unpacked into the cache. */
import { closeSync, existsSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CleanRequest, DAY_MS, removing } from './clean';

/** `olderThanDays` is about when an image was unpacked. */
export type CleanUnpackedRequest = Omit<CleanRequest, 'kinds'>;

const LOCK_ENDING = '.lock';

/**
 * Removes directories below `rootfs/`, also what an unpacking that was killed has left. One that is being made right now
 * is left alone. Nobody can tell whether a container runs in one: that is for the caller to know.
 * @throws RuntimeError CACHE when something cannot be removed
 */
export function cleanUnpacked({
  directory,
  olderThanDays,
  dryRun,
  tryLock,
  onInfo,
  nowMs = Date.now(),
}: CleanUnpackedRequest): void {
  const root = join(directory, 'rootfs');
  const before = nowMs - olderThanDays * DAY_MS;
  for (const name of directoriesIn(root)) {
    const path = join(root, name);
    const [key = name] = name.split('.');
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat || (olderThanDays > 0 && stat.ctimeMs > before)) continue;
    onInfo(`Removing rootfs cache entry: ${name}`);
    if (dryRun) continue;
    const lock = removing(path, () => tryLock(join(root, key + LOCK_ENDING)));
    if (lock < 0) continue; // it is being unpacked
    try {
      if (!existsSync(path)) continue; // somebody else has removed it, or given it its final name
      // Under a name that no launch looks for, before anything in it goes. The lock file stays: others may wait for it.
      const gone = name === key ? `${path}.gone.partial` : path;
      removing(path, () => gone !== path && renameSync(path, gone));
      removing(path, () => rmSync(gone, { recursive: true, force: true }));
    } finally {
      closeSync(lock);
    }
  }
}

function directoriesIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // nothing was ever unpacked
  }
}
