/** What runs, is mounted and is attached on this machine, as far as the tests' user may see it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';

export interface ProcessFacts {
  pid: number;
  parent: number;
  /** Letter of proc(5): R, S, D, T …; zombies (Z, X) are left out everywhere here. */
  state: string;
  name: string;
  commandLine: string;
}

/** All live processes. An orphan may stay a zombie for seconds where process 1 is slow: zombies are dead. */
export function liveProcesses(): ProcessFacts[] {
  const found: ProcessFacts[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readText(`/proc/${entry}/stat`);
    const match = /^(\d+) \((.*)\) (\S) (\d+)/s.exec(stat);
    if (!match || match[3] === 'Z' || match[3] === 'X') continue;
    const commandLine = readText(`/proc/${entry}/cmdline`).replaceAll('\0', ' ').trim();
    found.push({
      pid: Number(match[1]),
      name: match[2] as string,
      state: match[3] as string,
      parent: Number(match[4]),
      commandLine,
    });
  }
  return found;
}

/**
 * Processes that belong to a directory: they name it on the command line or in the environment, hold a file below it
 * open or live in it, or descend from one that does. The caller's own process and its ancestors are left out.
 */
export function processesOf(directory: string): ProcessFacts[] {
  const all = liveProcesses();
  const own = ancestors(all, process.pid);
  const ours = new Set(all.filter((entry) => !own.has(entry.pid) && belongs(entry, directory)).map(({ pid }) => pid));
  for (let size = -1; size !== ours.size; ) {
    size = ours.size;
    for (const { pid, parent } of all) if (ours.has(parent) && !own.has(pid)) ours.add(pid);
  }
  return all.filter(({ pid }) => ours.has(pid));
}

/** Whether a process has a handler for a signal, or ignores it: bit N-1 of a mask in proc(5). */
export function minds(pid: number, signal: NodeJS.Signals, how: 'SigCgt' | 'SigIgn'): boolean {
  const mask = new RegExp(`^${how}:\\t(\\w+)$`, 'm').exec(readText(`/proc/${pid}/status`))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

/** What the descriptors of a process lead to. One that is closed meanwhile is left out. */
export function descriptorsOf(pid: number): string[] {
  return descriptors(pid).map(readLink).filter(Boolean);
}

/** Lines of this process's mount table that name the directory. */
export function mountsBelow(directory: string): string[] {
  return readText('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(directory));
}

/** Loop devices whose file lies below the directory, deleted or not. */
export function loopsBelow(directory: string): string[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .filter((name) => readText(`/sys/block/${name}/loop/backing_file`).startsWith(`${directory}/`));
}

function belongs({ pid, commandLine }: ProcessFacts, directory: string): boolean {
  if (commandLine.includes(directory)) return true;
  if (readText(`/proc/${pid}/environ`).includes(directory)) return true;
  const links = [`/proc/${pid}/cwd`, `/proc/${pid}/root`, `/proc/${pid}/exe`, ...descriptors(pid)];
  return links.some((link) => readLink(link).startsWith(`${directory}/`));
}

function ancestors(all: readonly ProcessFacts[], start: number): Set<number> {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const found = new Set<number>();
  for (let pid: number | undefined = start; pid !== undefined && pid > 0 && !found.has(pid); pid = parents.get(pid))
    found.add(pid);
  return found;
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Waits for `text` in what a process prints. */
export function printed(stream: NodeJS.ReadableStream, text: string): Promise<void> {
  let seen = '';
  return new Promise((resolve) => {
    stream.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
      if (seen.includes(text)) resolve();
    });
  });
}

/** PIDs of the children of `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}
