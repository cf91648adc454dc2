/**
 * What an instance uses: processor time, memory, block devices, tasks. From its own control group where it has one, else
 * from its processes; each part says which. The instance's keeper and FUSE servers are not the instance.
 */
import { statSync } from 'node:fs';
import { RuntimeError } from '../../errors';
import { instanceProcesses, parseStat, readText } from './instance-processes';
import type { InstanceRecord } from './record';
import { type DeviceTransfers, type GroupUsage, readGroups, type Throttling } from './usage-groups';
import { type ProcessMemory, type ProcessTimes, readMemory, readTimes, numberBehind } from './usage-processes';

/** `cgroup`: the instance's own control group; `proc`: its processes in /proc. */
export type UsageSource = 'cgroup' | 'proc';

export interface InstanceUsage {
  name: string;
  /** Host PID of process 1. */
  pid: number;
  /** When it was read, by a clock that only goes forward. */
  atMs: number;
  cpu: {
    /** Time of all processors since the start; of the group, with what ran in it before. */
    totalNs: number;
    userNs: number;
    systemNs: number;
    /** The same by /proc, in steps of 10 ms; without `exec instance://` commands that have ended. */
    processesNs: number;
    /** Of the group, when it has a limit. */
    throttling?: Throttling;
    source: UsageSource;
  };
  memory: {
    usageBytes: number;
    /** The least of the limits of its control groups and of the machine's memory. */
    limitBytes: number;
    maxUsageBytes?: number;
    /** How often a limit was reached. */
    failures?: number;
    /** By the kernel's names: all of the group's memory.stat; of processes anon, file, shmem, and swap, which is beside. */
    details: Record<string, number>;
    /** `pss`, `rss`: sums over the processes, with their share of shared pages (proc(5)), or with all of each. */
    source: 'cgroup' | 'pss' | 'rss';
  };
  /** Pages of hugetlbfs in bytes by size; those of processes all under the machine's default size. */
  hugepages: { bySize: Record<string, number>; source: UsageSource };
  /** Threads of all processes. */
  tasks: number;
  /** From and to block devices; `null` where the kernel does not count it. */
  blockIo: { readBytes: number; writtenBytes: number; devices?: DeviceTransfers[]; source: UsageSource } | null;
}

export interface UsageOptions {
  /** The instance belongs to another user: what it has mounted is not looked at, and its processes must be that user's. */
  foreignUid?: number;
  /** Directory of the machine's processes. */
  proc?: string;
}

/** @throws RuntimeError INSTANCE_MISSING when it has ended, STATE when its processes may not be looked at */
export function readUsage(record: InstanceRecord, { foreignUid, proc = '/proc' }: UsageOptions = {}): InstanceUsage {
  checkAlive(record, proc, foreignUid);
  const list = instanceProcesses(proc, record.pid, foreignUid === undefined);
  try {
    const [seconds, nanoseconds] = process.hrtime(); // loading performance takes longer than all else here
    const atMs = seconds * 1e3 + nanoseconds / 1e6;
    const times = readTimes(list);
    const memory = readMemory(list);
    const groups = readGroups(proc, record.pid, record.keeperPid, list);
    checkAlive(record, proc, foreignUid); // what ended meanwhile was read in part
    return { name: record.name, pid: record.pid, atMs, ...merge(times, memory, groups, proc) };
  } finally {
    list.close();
  }
}

/** @throws as readUsage() */
function checkAlive({ name, pid, pidStartTime }: InstanceRecord, proc: string, foreignUid: number | undefined): void {
  const stat = parseStat(readText(`${proc}/${pid}/stat`));
  if (stat === undefined || stat.startTime !== pidStartTime || stat.ending) {
    throw new RuntimeError('INSTANCE_MISSING', `instance ${name} has ended`, { path: name });
  }
  if (foreignUid === undefined) return;
  // A record of another user may name any process.
  const owner = statSync(`${proc}/${pid}`, { throwIfNoEntry: false })?.uid;
  if (owner !== foreignUid) {
    throw new RuntimeError('STATE', `record of instance ${name}: PID ${pid} is a process of uid ${owner}`, {
      path: name,
    });
  }
}

/** The group's word counts where there is one. */
function merge(
  times: ProcessTimes,
  processes: ProcessMemory,
  groups: GroupUsage,
  proc: string,
): Pick<InstanceUsage, 'cpu' | 'memory' | 'hugepages' | 'tasks' | 'blockIo'> {
  const { userNs, systemNs, tasks } = times;
  const processesNs = userNs + systemNs;
  const { usageBytes, details, measure } = processes;
  const machine = readText(`${proc}/meminfo`) ?? '';
  const limitBytes = Math.min(groups.memoryLimitBytes, kib(machine, 'MemTotal'));
  return {
    cpu: groups.cpu
      ? { ...groups.cpu, processesNs, source: 'cgroup' }
      : { totalNs: processesNs, userNs, systemNs, processesNs, source: 'proc' },
    memory: groups.memory
      ? { ...groups.memory, limitBytes, source: 'cgroup' }
      : { usageBytes, limitBytes, details, source: measure },
    hugepages: groups.hugepages
      ? { bySize: groups.hugepages, source: 'cgroup' }
      : { bySize: hugepagesOf(processes, machine), source: 'proc' },
    tasks,
    blockIo: groups.blockIo ? sumOfDevices(groups.blockIo) : times.blockIo && { ...times.blockIo, source: 'proc' },
  };
}

function hugepagesOf({ hugepagesBytes }: ProcessMemory, machine: string): Record<string, number> {
  return hugepagesBytes > 0 ? { [`${kib(machine, 'Hugepagesize') / 1024 ** 2}MB`]: hugepagesBytes } : {};
}

/** A number of kB in /proc/meminfo, in bytes; Infinity where there is none. */
function kib(text: string, name: string): number {
  return (numberBehind(text, name) ?? Number.POSITIVE_INFINITY) * 1024;
}

function sumOfDevices(devices: DeviceTransfers[]): InstanceUsage['blockIo'] {
  const sum = (read: (device: DeviceTransfers) => number): number => devices.reduce((all, one) => all + read(one), 0);
  return { readBytes: sum((d) => d.readBytes), writtenBytes: sum((d) => d.writtenBytes), devices, source: 'cgroup' };
}

/**
 * Use of processors between two readings, in percent of one: four busy threads are 400. It is 0 where the sum has become
 * less, as when a command of `exec instance://` has ended.
 */
export function cpuPercent(earlier: InstanceUsage, later: InstanceUsage): number {
  const usedNs =
    earlier.cpu.source === later.cpu.source
      ? later.cpu.totalNs - earlier.cpu.totalNs
      : later.cpu.processesNs - earlier.cpu.processesNs;
  const passedMs = later.atMs - earlier.atMs;
  return passedMs > 0 ? Math.max(0, (usedNs / 1e6 / passedMs) * 100) : 0;
}
