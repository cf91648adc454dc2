import { readdirSync, readFileSync } from 'node:fs';

/**
 * Sends a signal to a child and to everything that it has started, the deepest first, as a terminal does: a shell that
 * waits for a program ends only when that does.
 */
export function signalTree(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  for (const one of [...descendants(pid), pid]) {
    try {
      process.kill(one, signal);
    } catch {
      // it has ended meanwhile
    }
  }
}

/** PIDs of the processes below one, also those in PID namespaces of their own. */
function descendants(pid: number): number[] {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return children.flatMap((child) => [...descendants(child), child]);
  } catch {
    return []; // it has ended
  }
}
