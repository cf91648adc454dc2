/** The table and the JSON of instance stats. */
import type { InstanceUsage } from '../../../runtime/instance/usage';

const HEADINGS = ['INSTANCE NAME', 'CPU USAGE', 'MEM USAGE / LIMIT', 'MEM %', 'BLOCK I/O', 'PIDS'];

/** Apptainer's columns. */
export function statsRows({ name, memory, blockIo, tasks }: InstanceUsage, cpuPercent: number): string[][] {
  const { usageBytes, limitBytes } = memory;
  const row = [
    name,
    percent(cpuPercent),
    `${formatBytes(usageBytes)} / ${formatBytes(limitBytes)}`,
    percent((usageBytes / limitBytes) * 100),
    blockIo ? `${formatBytes(blockIo.readBytes)} / ${formatBytes(blockIo.writtenBytes)}` : '-',
    String(tasks),
  ];
  return [HEADINGS, row];
}

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Four digits that count, without zeros at the end: `7.934MiB`, `116KiB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}

/**
 * The structure that Apptainer prints (Stats of runc's libcontainer), as far as it is known: what a control group alone
 * could say is left out where there is none. Ours stands behind it.
 */
export function statsJson(usage: InstanceUsage): Record<string, unknown> {
  const { name: instance, pid, cpu, memory, hugepages, tasks, blockIo } = usage;
  return {
    cpu_stats: {
      cpu_usage: {
        total_usage: cpu.totalNs,
        usage_in_kernelmode: cpu.systemNs,
        usage_in_usermode: cpu.userNs,
      },
      throttling_data: cpu.throttling
        ? {
            periods: cpu.throttling.periods,
            throttled_periods: cpu.throttling.throttledPeriods,
            throttled_time: cpu.throttling.throttledNs,
          }
        : {},
    },
    memory_stats: {
      cache: memory.details.cache ?? memory.details.file,
      usage: {
        usage: memory.usageBytes,
        max_usage: memory.maxUsageBytes,
        failcnt: memory.failures,
        limit: memory.limitBytes,
      },
      stats: memory.details,
    },
    pids_stats: { current: tasks },
    blkio_stats: blockIo ? { io_service_bytes_recursive: transfers(blockIo) } : {},
    hugetlb_stats: Object.fromEntries(
      Object.entries(hugepages.bySize).map(([size, bytes]) => [size, { usage: bytes }]),
    ),
    instance,
    pid,
    sources: { cpu: cpu.source, memory: memory.source, hugepages: hugepages.source, blkio: blockIo?.source ?? null },
  };
}

/** One pair for each device; without device numbers where only the sum is known. */
function transfers(blockIo: NonNullable<InstanceUsage['blockIo']>): Record<string, unknown>[] {
  const pair = (numbers: object, readBytes: number, writtenBytes: number): Record<string, unknown>[] => [
    { ...numbers, op: 'Read', value: readBytes },
    { ...numbers, op: 'Write', value: writtenBytes },
  ];
  const { devices, readBytes, writtenBytes } = blockIo;
  if (devices === undefined) return pair({}, readBytes, writtenBytes);
  return devices.flatMap((one) => pair({ major: one.major, minor: one.minor }, one.readBytes, one.writtenBytes));
}
