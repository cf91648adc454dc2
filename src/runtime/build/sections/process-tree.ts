import { readdirSync, readFileSync } from 'node:fs';

/** Rounds of looking for processes that were made while the others were being stopped. */
const MAX_ROUNDS = 100;
const PAUSE_MS = 2;

/**
 * Sends a signal to a child and to everything that it has started, the deepest first, as a terminal does: a shell that
 * waits for a program ends only when that does. All are stopped before: none can start another one meanwhile, which
 * would never hear of the signal.
 */
export function signalTree(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  for (const one of stoppedTree(pid)) {
    send(one, signal);
    send(one, 'SIGCONT');
  }
}

/** PIDs of a process and of those below it, the deepest first; all are stopped, unless that takes too long. */
function stoppedTree(pid: number): number[] {
  let tree: number[] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = tree.length;
    tree = [...descendants(pid), pid];
    if (tree.length === before && tree.every(isHalted)) break;
    for (const one of tree) send(one, 'SIGSTOP');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
  return tree;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended meanwhile
  }
}

/** Stopped, or dead (proc(5)). Process 1 of a PID namespace does not stop; it makes no processes of its own accord. */
function isHalted(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    if ('TtZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2))) return true;
    return /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return true;
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
