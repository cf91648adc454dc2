/**
 * What control groups say of an instance, where one is its own: `davit instance start` in a systemd unit or scope, or in a
 * group made for it. davit itself makes none.
 */
import { existsSync, readdirSync } from 'node:fs';
import { type ControlGroup, ControlGroups, memoryLimit, processesIn, readNumber, readNumbers } from './control-groups';
import { Members, parseStat, type ProcessList, readText } from './instance-processes';
import { NS_PER_TICK } from './usage-processes';

/** What is not there is `undefined`: no group of its own, or one that does not count it. */
export interface GroupUsage {
  cpu?: { userNs: number; systemNs: number; totalNs: number; throttling: Throttling };
  memory?: GroupMemory;
  blockIo?: DeviceTransfers[];
  /** Bytes by size of page, such as `2MB`. */
  hugepages?: Record<string, number>;
  /** The memory that its group, whosever that is, and those above may have. Infinity for no limit. */
  memoryLimitBytes: number;
}

export interface Throttling {
  periods: number;
  throttledPeriods: number;
  throttledNs: number;
}

export interface GroupMemory {
  usageBytes: number;
  /** The most it ever was; `undefined` on older kernels. */
  maxUsageBytes?: number;
  /** How often the limit was reached. */
  failures: number;
  /** The group's memory.stat. */
  details: Record<string, number>;
}

export interface DeviceTransfers {
  major: number;
  minor: number;
  readBytes: number;
  writtenBytes: number;
}

/** @param init host PID of process 1, and of its keeper, which may be in the group as well */
export function readGroups(proc: string, init: number, keeper: number, list: ProcessList): GroupUsage {
  const groups = new ControlGroups(proc);
  const own = new OwnGroups(proc, groups, init, keeper, list);
  const [cpu, memory, blkio, hugetlb] = ['cpuacct', 'memory', 'blkio', 'hugetlb'].map((name) => own.of(name));
  return {
    cpu: cpu && readCpu(cpu, own.of('cpu')),
    memory: memory && readMemoryGroup(memory),
    blockIo: blkio && readTransfers(blkio),
    hugepages: hugetlb && readHugepages(hugetlb),
    memoryLimitBytes: memoryLimit(groups.of(init, 'memory')),
  };
}

/** Groups that hold the processes of the instance, all of them, and nothing else but its keeper. */
class OwnGroups {
  private readonly verdicts = new Map<string, boolean>();
  private members: Members | undefined;

  constructor(
    private readonly proc: string,
    private readonly groups: ControlGroups,
    private readonly init: number,
    private readonly keeper: number,
    private readonly list: ProcessList,
  ) {}

  of(controller: string): ControlGroup | undefined {
    const group = this.groups.of(this.init, controller);
    if (group === undefined) return undefined;
    const own = this.verdicts.get(group.directory) ?? this.isOwn(group, controller);
    this.verdicts.set(group.directory, own);
    return own ? group : undefined;
  }

  private isOwn(group: ControlGroup, controller: string): boolean {
    // Quickly, for what is usual: the root group, or the caller's.
    if (group.directory === group.top || this.groups.of('self', controller)?.path === group.path) return false;
    const inGroup = processesIn(group.directory);
    if (inGroup === undefined || inGroup.some((pid) => this.isForeign(pid))) return false;
    return this.list.pids().every((pid) => this.isIn(group, controller, pid));
  }

  /** Version 1 shows a process that ends in the root group. */
  private isIn({ path }: ControlGroup, controller: string, pid: number): boolean {
    const at = this.groups.of(pid, controller, this.list.directory)?.path;
    if (at === undefined || at === path || at.startsWith(`${path}/`)) return true;
    return parseStat(readText(`${this.list.directory}/${pid}/stat`))?.ending ?? true;
  }

  /** One that ended meanwhile is nobody's. */
  private isForeign(pid: number): boolean {
    if (pid === this.keeper) return false;
    this.members ??= new Members(this.proc, this.init);
    return !this.members.has(pid) && (pid === 0 || existsSync(`${this.proc}/${pid}`));
  }
}

function readCpu({ version, directory }: ControlGroup, cpu: ControlGroup | undefined): GroupUsage['cpu'] {
  const stat = readNumbers(directory, version === 1 ? 'cpuacct.stat' : 'cpu.stat');
  const totalNs = version === 1 ? readNumber(directory, 'cpuacct.usage') : scaled(stat.get('usage_usec'), 1000);
  if (totalNs === undefined) return undefined;
  const limits = version === 2 ? stat : cpu ? readNumbers(cpu.directory, 'cpu.stat') : new Map<string, number>();
  return {
    totalNs,
    userNs: version === 1 ? (stat.get('user') ?? 0) * NS_PER_TICK : (stat.get('user_usec') ?? 0) * 1000,
    systemNs: version === 1 ? (stat.get('system') ?? 0) * NS_PER_TICK : (stat.get('system_usec') ?? 0) * 1000,
    throttling: {
      periods: limits.get('nr_periods') ?? 0,
      throttledPeriods: limits.get('nr_throttled') ?? 0,
      throttledNs: limits.get('throttled_time') ?? (limits.get('throttled_usec') ?? 0) * 1000,
    },
  };
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function readMemoryGroup({ version, directory }: ControlGroup): GroupMemory | undefined {
  const usageBytes = readNumber(directory, version === 1 ? 'memory.usage_in_bytes' : 'memory.current');
  if (usageBytes === undefined) return undefined;
  const details = Object.fromEntries(readNumbers(directory, 'memory.stat'));
  const maxUsageBytes = readNumber(directory, version === 1 ? 'memory.max_usage_in_bytes' : 'memory.peak');
  const failures =
    version === 1 ? readNumber(directory, 'memory.failcnt') : readNumbers(directory, 'memory.events').get('max');
  return { usageBytes, ...(maxUsageBytes === undefined ? {} : { maxUsageBytes }), failures: failures ?? 0, details };
}

/** Version 2: `254:0 rbytes=1 wbytes=2 rios=…`; version 1, a line for each kind: `254:0 Read 1`. */
function readTransfers({ version, directory }: ControlGroup): DeviceTransfers[] | undefined {
  const text =
    version === 2
      ? readText(`${directory}/io.stat`)
      : (readText(`${directory}/blkio.throttle.io_service_bytes_recursive`) ??
        readText(`${directory}/blkio.throttle.io_service_bytes`));
  if (text === undefined) return undefined;
  const devices = new Map<string, DeviceTransfers>();
  for (const line of text.split('\n')) {
    const [, device = '', major, minor] = /^((\d+):(\d+)) /.exec(line) ?? [];
    if (device === '') continue; // `Total …` of version 1
    const found = devices.get(device) ?? { major: Number(major), minor: Number(minor), readBytes: 0, writtenBytes: 0 };
    found.readBytes += Number(/ (?:rbytes=|Read )(\d+)/.exec(line)?.[1] ?? 0);
    found.writtenBytes += Number(/ (?:wbytes=|Write )(\d+)/.exec(line)?.[1] ?? 0);
    devices.set(device, found);
  }
  return [...devices.values()];
}

function readHugepages({ directory }: ControlGroup): Record<string, number> | undefined {
  const sizes: Record<string, number> = {};
  for (const file of readdirSync(directory)) {
    const size = /^hugetlb\.(\w+)\.(?:current|usage_in_bytes)$/.exec(file)?.[1];
    if (size !== undefined) sizes[size] = readNumber(directory, file) ?? 0;
  }
  return Object.keys(sizes).length > 0 ? sizes : undefined;
}
