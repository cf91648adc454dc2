/** The table and the JSON of instance stats. */
import { describe, expect, it } from 'vitest';
import { formatBytes, statsJson, statsRows } from '../../../src/cli/commands/instance/stats-format';
import type { InstanceUsage } from '../../../src/runtime/instance/usage';

const usage: InstanceUsage = {
  name: 'web',
  pid: 4242,
  atMs: 0,
  cpu: { totalNs: 7e7, userNs: 5e7, systemNs: 2e7, processesNs: 7e7, source: 'proc' },
  memory: {
    usageBytes: 8_318_976,
    limitBytes: 64 * 1024 ** 2,
    details: { anon: 8_000_000, file: 318_976, shmem: 0, swap: 0 },
    source: 'pss',
  },
  hugepages: { bySize: { '2MB': 4_194_304 }, source: 'proc' },
  tasks: 8,
  blockIo: { readBytes: 118_784, writtenBytes: 0, source: 'proc' },
};

describe('sizes', () => {
  it.each([
    [0, '0B'],
    [1023, '1023B'],
    [1024, '1KiB'],
    [118_784, '116KiB'],
    [8_318_976, '7.934MiB'],
    [9_895_936, '9.438MiB'],
    [1024 ** 3 - 1, '1024MiB'],
    [2 ** 63, '8EiB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

it('the table has Apptainer’s columns', () => {
  expect(statsRows(usage, 3.1449)).toEqual([
    ['INSTANCE NAME', 'CPU USAGE', 'MEM USAGE / LIMIT', 'MEM %', 'BLOCK I/O', 'PIDS'],
    ['web', '3.14%', '7.934MiB / 64MiB', '12.40%', '116KiB / 0B', '8'],
  ]);
  expect(statsRows({ ...usage, blockIo: null }, 0)[1]).toEqual([
    'web',
    '0.00%',
    '7.934MiB / 64MiB',
    '12.40%',
    '-',
    '8',
  ]);
});

describe('JSON', () => {
  const printed = (value: InstanceUsage): unknown => JSON.parse(JSON.stringify(statsJson(value)));

  it('has what processes say, and nothing that they do not', () => {
    expect(printed(usage)).toEqual({
      cpu_stats: {
        cpu_usage: { total_usage: 7e7, usage_in_kernelmode: 2e7, usage_in_usermode: 5e7 },
        throttling_data: {},
      },
      memory_stats: {
        cache: 318_976,
        usage: { usage: 8_318_976, limit: 64 * 1024 ** 2 },
        stats: { anon: 8_000_000, file: 318_976, shmem: 0, swap: 0 },
      },
      pids_stats: { current: 8 },
      blkio_stats: {
        io_service_bytes_recursive: [
          { op: 'Read', value: 118_784 },
          { op: 'Write', value: 0 },
        ],
      },
      hugetlb_stats: { '2MB': { usage: 4_194_304 } },
      instance: 'web',
      pid: 4242,
      sources: { cpu: 'proc', memory: 'pss', hugepages: 'proc', blkio: 'proc' },
    });
    expect(printed({ ...usage, blockIo: null })).toMatchObject({ blkio_stats: {}, sources: { blkio: null } });
  });

  it('has what a control group says', () => {
    const throttling = { periods: 9, throttledPeriods: 2, throttledNs: 50 };
    const devices = [{ major: 254, minor: 1, readBytes: 1, writtenBytes: 2 }];
    const memory = { usageBytes: 1, limitBytes: 4, maxUsageBytes: 3, failures: 2, details: { cache: 1 } };
    expect(
      printed({
        ...usage,
        cpu: { ...usage.cpu, throttling, source: 'cgroup' },
        memory: { ...memory, source: 'cgroup' },
        blockIo: { readBytes: 1, writtenBytes: 2, devices, source: 'cgroup' },
      }),
    ).toMatchObject({
      cpu_stats: { throttling_data: { periods: 9, throttled_periods: 2, throttled_time: 50 } },
      memory_stats: { cache: 1, usage: { usage: 1, max_usage: 3, failcnt: 2, limit: 4 }, stats: { cache: 1 } },
      blkio_stats: {
        io_service_bytes_recursive: [
          { major: 254, minor: 1, op: 'Read', value: 1 },
          { major: 254, minor: 1, op: 'Write', value: 2 },
        ],
      },
      sources: { cpu: 'cgroup', memory: 'cgroup', blkio: 'cgroup' },
    });
  });
});
