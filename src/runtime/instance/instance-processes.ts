/** Which processes are an instance's: those in its PID namespace and in namespaces below it, whoever started them. */
import { closeSync, constants, openSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';

/** statfs(2). */
const PROC_SUPER_MAGIC = 0x9fa0;
/** The kernel's flag of a task in exit(2). */
const PF_EXITING = 0x4;

/** A directory with one directory for each process, and which of them are the instance's. */
export interface ProcessList {
  /** `/proc`, or that of the instance. */
  readonly directory: string;
  pids(): number[];
  close(): void;
}

/** A file of /proc, by the one encoding that Node reads in one call; `undefined` when its process is gone or may not be looked at. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * The processes of the instance whose process 1 is `init`. Its own /proc lists nothing else, which is much quicker than
 * looking at every process of the machine; that is done where there is none, or `trusted` is false: what an instance has
 * mounted is its owner's, who may mount something else.
 */
export function instanceProcesses(proc: string, init: number, trusted: boolean): ProcessList {
  return (trusted ? ownList(proc, init) : undefined) ?? scannedList(proc, init);
}

function ownList(proc: string, init: number): ProcessList | undefined {
  let fd: number;
  try {
    fd = openSync(`${proc}/${init}/root/proc`, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
  const directory = `/proc/self/fd/${fd}`;
  const inside = namespaceOf(proc, init);
  if (!isProcfs(directory) || inside === undefined || namespaceOf(directory, 1) !== inside) {
    closeSync(fd);
    return undefined;
  }
  return { directory, pids: () => numbersIn(directory), close: () => closeSync(fd) };
}

function isProcfs(directory: string): boolean {
  try {
    return statfsSync(directory).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}

function scannedList(proc: string, init: number): ProcessList {
  return {
    directory: proc,
    pids: () => {
      const members = new Members(proc, init);
      return numbersIn(proc).filter((pid) => members.has(pid));
    },
    close: () => {},
  };
}

function numbersIn(directory: string): number[] {
  return readdirSync(directory)
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Inode of the PID namespace (namespaces(7)). */
function namespaceOf(proc: string, pid: number | 'self'): number | undefined {
  try {
    return statSync(`${proc}/${pid}/ns/pid`, { throwIfNoEntry: false })?.ino;
  } catch {
    return undefined; // another user's
  }
}

/** Whether processes belong to an instance. */
export class Members {
  /** By namespace: the instance's own, the caller's, and what was found about others. */
  private readonly known = new Map<number, boolean>();

  constructor(
    private readonly proc: string,
    init: number,
  ) {
    const [inside, outside] = [namespaceOf(proc, init), namespaceOf(proc, 'self')];
    if (outside !== undefined) this.known.set(outside, false);
    if (inside !== undefined && inside !== outside) this.known.set(inside, true);
  }

  /** False also for a process that is gone or may not be looked at. */
  has(pid: number): boolean {
    const namespace = namespaceOf(this.proc, pid);
    if (namespace === undefined) return false;
    const known = this.known.get(namespace);
    if (known !== undefined) return known;
    // A namespace lies within that of its first process's parent.
    this.known.set(namespace, false);
    let parent = pid;
    do parent = this.parentOf(parent);
    while (parent > 0 && namespaceOf(this.proc, parent) === namespace);
    const within = parent > 0 && this.has(parent);
    this.known.set(namespace, within);
    return within;
  }

  private parentOf(pid: number): number {
    return parseStat(readText(`${this.proc}/${pid}/stat`))?.parent ?? 0;
  }
}

/** Of /proc/PID/stat what is of use here. Times are ticks. */
export interface ProcessStat {
  /** It has ended, or is about to. */
  ending: boolean;
  parent: number;
  user: number;
  system: number;
  tasks: number;
  startTime: number;
}

/** The name stands in parentheses and may hold any character; what follows is numbered from 3 on in proc_pid_stat(5). */
export function parseStat(text: string | undefined): ProcessStat | undefined {
  const from = text?.lastIndexOf(')') ?? -1;
  if (text === undefined || from < 0) return undefined;
  const fields = text.slice(from + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    ending: (field(9) & PF_EXITING) !== 0 || /[ZX]/.test(fields[0] as string),
    parent: field(4),
    // The kernel adds the times of a child to its parent's when the parent reaps it (cutime, cstime), with those of all
    // that the child has reaped. A child that has ended is in its own file until then, and never in both.
    user: field(14) + field(16),
    system: field(15) + field(17),
    tasks: field(20),
    startTime: field(22),
  };
}
