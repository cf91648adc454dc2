/**
 * The processes in which tasks run (host.ts), for whoever must end them at once: on a signal, before what they have made
 * is removed. Imports nothing heavy.
 */
import { lstatSync, readFileSync, renameSync, rmSync } from 'node:fs';

/** A file or directory that means nothing until its task has ended well. */
export interface Partial {
  path: string;
  /** Inode, when it was there before the task began: another file under that name is somebody else's. */
  ino?: number;
}

export interface Host {
  pid: number;
  partial?: Partial;
}

const live = new Set<Host>();
const PATIENCE_MS = 5000;
const STEP_MS = 1;
const TRIES = 20;
const GONE = '.gone';

/** @returns a function that forgets it again */
export function rememberHost(host: Host): () => void {
  live.add(host);
  return () => live.delete(host);
}

/** Kills all hosts, waits until they are gone, and removes what they were making. Blocks; a few milliseconds. */
export function endHosts(): void {
  for (const { pid } of live) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone already
    }
  }
  for (const { pid } of live) waitForEnd(pid);
  for (const { partial } of live) removePartial(partial);
  live.clear();
}

/** A child that has ended is a zombie until the event loop runs again. */
function waitForEnd(pid: number): void {
  const pause = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  for (let waitedMs = 0; isRunning(pid) && waitedMs < PATIENCE_MS; waitedMs += STEP_MS) {
    Atomics.wait(pause, 0, 0, STEP_MS);
  }
}

function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return false;
  }
}

/** What stands under a path now, as something that a task may replace or fill. */
export function partialAt(path: string): Partial {
  const ino = lstatSync(path, { throwIfNoEntry: false })?.ino;
  return ino === undefined ? { path } : { path, ino };
}

/**
 * Removes it. Its task may still be at work on it, and about to give it its final name: it loses the present one first,
 * so that nothing half removed can get another. What is made below it meanwhile vanishes as well.
 */
export function removePartial(partial: Partial | undefined): void {
  if (!partial) return;
  const { path, ino } = partial;
  if (ino !== undefined && lstatSync(path, { throwIfNoEntry: false })?.ino !== ino) return;
  const gone = `${path}${GONE}`;
  const from = renamed(path, gone) ? gone : path;
  for (let tries = TRIES; tries > 0; tries--) {
    try {
      rmSync(from, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') return;
    }
  }
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false; // it is not there (any more), or another file system
  }
}
