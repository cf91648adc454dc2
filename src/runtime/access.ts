/** What the caller may do with files, as access(2) says; what cannot be looked at may not be used. */
import { accessSync, constants, statSync } from '../observed-fs';

/** @param mode R_OK, W_OK and X_OK of node:fs, added up */
export function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/**
 * The first of these programs that is there: one name after the other is looked for in all directories. Those that are
 * not absolute are passed over, as is what lies in a directory that the caller may not enter: `su` keeps root's PATH.
 */
export function findProgram(names: readonly string[], directories: readonly string[]): string | undefined {
  for (const name of names) {
    for (const directory of directories) {
      const path = `${directory}/${name}`;
      if (directory.startsWith('/') && isProgram(path)) return path;
    }
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
