/** What a runtime's own processes hold in memory: all that it has started and left running, but the payloads. */
import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '../errors';

export interface OwnProcess {
  pid: number;
  name: string;
  /** Proportional set size; `undefined` when this user may not look at it. */
  kib?: number;
}

/**
 * The descendants of a process. A runner is a child subreaper, so that nothing it has started can leave them.
 * @param isPayload tells payloads, which are left out, by their arguments
 */
export function ownProcesses(ancestor: number, isPayload: (words: readonly string[]) => boolean): OwnProcess[] {
  const found: OwnProcess[] = [];
  for (const { pid, name } of descendants(ancestor)) {
    if (isPayload(readText(`/proc/${pid}/cmdline`).split('\0').slice(0, -1))) continue;
    const kib = pssKib(pid);
    if (kib !== null) found.push({ pid, name, ...(kib === undefined ? undefined : { kib }) });
  }
  return found;
}

/** How many descendants a process has, zombies not counted. */
export function countDescendants(ancestor: number): number {
  return descendants(ancestor).length;
}

function descendants(ancestor: number): { pid: number; name: string }[] {
  const children = new Map<number, { pid: number; name: string }[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const match = /^(\d+) \((.*)\) (\S) (\d+)/s.exec(readText(`/proc/${entry}/stat`));
    if (!match || match[3] === 'Z' || match[3] === 'X') continue;
    const parent = Number(match[4]);
    const siblings = children.get(parent);
    const child = { pid: Number(match[1]), name: match[2] as string };
    if (siblings) siblings.push(child);
    else children.set(parent, [child]);
  }
  const found = children.get(ancestor) ?? [];
  for (let at = 0; at < found.length; at++) found.push(...(children.get((found[at] as { pid: number }).pid) ?? []));
  return found;
}

/**
 * Shared pages count in equal parts (kernel documentation, filesystems/proc, smaps_rollup).
 * @returns `undefined` when it may not be read, `null` when the process has gone
 */
function pssKib(pid: number): number | undefined | null {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
  } catch (error) {
    return errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM' ? undefined : null;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
