/**
 * What an instance uses, as native/usage finds it: processor time, memory, block devices, tasks.
 */
import { RuntimeError } from '../../errors';
import { native } from '../../native';
import type { InstanceRecord } from './record';

/** `cgroup`: the instance's own control group; `proc`: its processes in /proc. */
export type UsageSource = 'cgroup' | 'proc';

export interface Throttling {
  periods: number;
  throttledPeriods: number;
  throttledNs: number;
}

export interface DeviceTransfers {
  major: number;
  minor: number;
  readBytes: number;
  writtenBytes: number;
}

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
  /** Directory of the machine's processes. */
  proc?: string;
  /** The instance belongs to another user: what it has mounted is not looked at, and its processes must be that user's. */
  foreignUid?: number;
}

/** @throws RuntimeError INSTANCE_MISSING when it has ended, STATE when its processes may not be looked at */
export function readUsage(record: InstanceRecord, { proc = '/proc', foreignUid }: UsageOptions = {}): InstanceUsage {
  const { name, pid, keeperPid } = record;
  const startTime = String(record.pidStartTime);
  const usage = native().instanceUsage({
    proc,
    pid,
    startTime,
    keeperPid,
    ...(foreignUid === undefined ? {} : { foreignUid }),
  });
  if (usage === null) throw new RuntimeError('INSTANCE_MISSING', `instance ${name} has ended`, { path: name });
  if (typeof usage === 'number') {
    throw new RuntimeError('STATE', `record of instance ${name}: PID ${pid} is a process of uid ${usage}`, {
      path: name,
    });
  }
  return { name, pid, ...(usage as Omit<InstanceUsage, 'name' | 'pid'>) };
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
