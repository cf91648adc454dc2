/** Where the instances of a user are kept: one directory, node-local, gone with the next boot. */
import { lstatSync } from '../observed-fs';

const SITE_DIR = '/run/davit';
/** The site's directory is one for all users, as /tmp is: sticky and writable by all. */
const SHARED_MODE = 0o1777;

/**
 * `$DAVIT_STATE_DIR`; else below /run/davit where the site made it for all users; else /run/davit for root and
 * /tmp/davit-UID for others. Nothing is created or checked here: that is native().ensureStateDir's.
 * @param uid whose directory
 * @param env DAVIT_STATE_DIR is read
 */
export function stateDirectory(uid: number, env: Readonly<Record<string, string | undefined>>): string {
  const given = env.DAVIT_STATE_DIR;
  if (given !== undefined && given.trim() !== '') return absoluteDirectory(given);
  return defaultStateDirectory(uid);
}

/** A relative one is below the working directory: records and plans outlive the directory that a command was typed in. */
export function absoluteDirectory(given: string): string {
  if (given.startsWith('/')) return given;
  try {
    return `${process.cwd()}/${given}`;
  } catch {
    return given; // below a directory that has been removed: nothing can be made there
  }
}

/** The state directory of a user who has not set DAVIT_STATE_DIR. */
export function defaultStateDirectory(uid: number, siteDir = SITE_DIR): string {
  // Root's own directory (0700) and the site's (1777) have one name; below the site's, root too has one of its own.
  if (isSharedDirectory(siteDir)) return `${siteDir}/${uid}`;
  return uid === 0 ? siteDir : `/tmp/davit-${uid}`;
}

/** A directory of root's that all may write to, and in which nobody can remove what is another's. */
function isSharedDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === 0 && (stat.mode & 0o7777) === SHARED_MODE;
}
