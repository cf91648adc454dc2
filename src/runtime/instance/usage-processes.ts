/** What the processes of an instance use, by /proc (proc(5)). */
import { type ProcessList, parseStat, readText } from './instance-processes';

/** USER_HZ: the unit of times in /proc/PID/stat, whatever CONFIG_HZ is (time(7)). */
export const NS_PER_TICK = 1e9 / 100;
/** How often times are read again because a process ended in between. */
const TRIES = 3;

export interface ProcessTimes {
  userNs: number;
  systemNs: number;
  /** Threads, as a control group counts them. */
  tasks: number;
  /** From and to block devices; `null` where the kernel does not count it. */
  blockIo: { readBytes: number; writtenBytes: number } | null;
}

export interface ProcessMemory {
  usageBytes: number;
  /** Parts of it, and what is beside it (swap), by the names of the kernel's memory.stat. */
  details: Record<string, number>;
  /** Pages of hugetlbfs, which are in none of the others; shared ones count for each process. */
  hugepagesBytes: number;
  /** Each process has its share of what it shares (PSS), or where that cannot be read, all of it (RSS). */
  measure: 'pss' | 'rss';
}

/**
 * Times and transfers of all processes together, with those of their children that have ended: what nobody reaped is
 * process 1's. Not in them is what ended without a parent inside (a command of `exec instance://`) or as a child of one
 * that ignores SIGCHLD.
 */
export function readTimes(list: ProcessList): ProcessTimes {
  for (let tries = 1; ; tries++) {
    const pids = list.pids();
    const { times, complete } = sumOfTimes(list.directory, pids);
    // A child that is reaped in between would count twice, or not at all, by the order of reading.
    if (tries === TRIES || (complete && includesAll(list.pids(), pids))) return times;
  }
}

function sumOfTimes(directory: string, pids: readonly number[]): { times: ProcessTimes; complete: boolean } {
  const times: ProcessTimes = { userNs: 0, systemNs: 0, tasks: 0, blockIo: null };
  let complete = true;
  for (const pid of pids) {
    const stat = parseStat(readText(`${directory}/${pid}/stat`));
    if (stat === undefined) {
      complete = false;
      continue;
    }
    times.userNs += stat.user * NS_PER_TICK;
    times.systemNs += stat.system * NS_PER_TICK;
    times.tasks += stat.tasks;
    // As with times, a child's transfers become its parent's.
    const io = readText(`${directory}/${pid}/io`);
    if (io === undefined) continue;
    times.blockIo ??= { readBytes: 0, writtenBytes: 0 };
    times.blockIo.readBytes += numberBehind(io, 'read_bytes') ?? 0;
    times.blockIo.writtenBytes += numberBehind(io, 'write_bytes') ?? 0;
  }
  return { times, complete };
}

function includesAll(all: readonly number[], some: readonly number[]): boolean {
  const set = new Set(all);
  return some.every((pid) => set.has(pid));
}

/** The number behind `name:` in a file of lines; kB are the caller's to convert. */
export function numberBehind(text: string, name: string): number | undefined {
  const at = `\n${text}`.indexOf(`\n${name}:`);
  if (at < 0) return undefined;
  const value = Number.parseInt(text.slice(at + name.length + 1), 10);
  return Number.isNaN(value) ? undefined : value;
}

/** Lines of smaps_rollup, and what memory.stat calls them. */
const SHARES: readonly (readonly [string, string])[] = [
  ['Pss_Anon', 'anon'],
  ['Pss_File', 'file'],
  ['Pss_Shmem', 'shmem'],
  ['SwapPss', 'swap'],
];
const RESIDENT: readonly (readonly [string, string])[] = [
  ['RssAnon', 'anon'],
  ['RssFile', 'file'],
  ['RssShmem', 'shmem'],
  ['VmSwap', 'swap'],
];

/** Memory of all processes together; what several of them share counts once, where the kernel says so. */
export function readMemory(list: ProcessList): ProcessMemory {
  const memory: ProcessMemory = { usageBytes: 0, details: {}, hugepagesBytes: 0, measure: 'pss' };
  for (const pid of list.pids()) {
    const directory = `${list.directory}/${pid}`;
    const rollup = readText(`${directory}/smaps_rollup`);
    const pss = rollup === undefined ? undefined : numberBehind(rollup, 'Pss');
    if (rollup !== undefined && pss !== undefined) {
      add(memory, rollup, pss, SHARES);
      const huge = (numberBehind(rollup, 'Shared_Hugetlb') ?? 0) + (numberBehind(rollup, 'Private_Hugetlb') ?? 0);
      memory.hugepagesBytes += huge * 1024;
      continue;
    }
    // Gone, or without memory because it has ended, or an old kernel (before 4.14).
    const status = readText(`${directory}/status`);
    const rss = status === undefined ? undefined : numberBehind(status, 'VmRSS');
    if (status === undefined || rss === undefined) continue;
    memory.measure = 'rss';
    add(memory, status, rss, RESIDENT);
    memory.hugepagesBytes += (numberBehind(status, 'HugetlbPages') ?? 0) * 1024;
  }
  return memory;
}

function add(memory: ProcessMemory, text: string, usage: number, parts: typeof SHARES): void {
  memory.usageBytes += usage * 1024;
  for (const [line, name] of parts) {
    const value = numberBehind(text, line);
    if (value !== undefined) memory.details[name] = (memory.details[name] ?? 0) + value * 1024;
  }
}
