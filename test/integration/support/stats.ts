/** What `instance stats --json` prints. */
import type { World } from './world';

export interface Stats {
  cpu_stats: { cpu_usage: { total_usage: number; usage_in_kernelmode: number; usage_in_usermode: number } };
  memory_stats: { usage: { usage: number; limit: number }; stats: Record<string, number> };
  pids_stats: { current: number };
  blkio_stats: { io_service_bytes_recursive?: { op: string; value: number }[] };
  hugetlb_stats: object;
  instance: string;
  pid: number;
  sources: Record<string, string | null>;
}

export async function stats(world: World, name: string, ...options: string[]): Promise<Stats> {
  return JSON.parse(await world.ok('instance', 'stats', '--json', '--no-stream', ...options, name));
}

/** Milliseconds of processor time. */
export function cpuMs({ cpu_stats }: Stats): number {
  return cpu_stats.cpu_usage.total_usage / 1e6;
}
