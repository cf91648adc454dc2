/** Mounts that something has left below a directory: they must be gone before it is removed. */
import { readFileSync } from 'node:fs';

/** Mount points at or below a directory, the innermost first. */
export function mountsBelow(directory: string): string[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return []; // no /proc: nothing can be told
  }
  return text
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((path) => path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((path) => path === directory || path.startsWith(`${directory}/`))
    .reverse();
}

/**
 * Detaches them: what lies beneath belongs to somebody else.
 * @returns whether none is left
 */
export function detachMounts(directory: string): boolean {
  const mounts = mountsBelow(directory);
  if (mounts.length === 0) return true;
  const { spawnSync } = require('node:child_process') as typeof import('node:child_process');
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  for (const path of mounts) spawnSync('umount', ['-l', '--', path], { stdio: 'ignore', env });
  return mountsBelow(directory).length === 0;
}
