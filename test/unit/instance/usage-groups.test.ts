/** Control groups of an instance's own, on machines that are made up. */
import { describe, expect, it } from 'vitest';
import { type InstanceUsage, readUsage } from '../../../src/runtime/instance/usage';
import { sampleRecord } from './fixtures';
import { io, MadeMachine, rollup } from './machine';

const [INIT, KEEPER, SERVICE] = [1000, 999, 1001];
const record = sampleRecord('web', { pid: INIT, pidStartTime: 77, keeperPid: KEEPER });

const UNIT = '0::/web.service\n';
const GROUP = {
  'cgroup.procs': `${KEEPER}\n${INIT}\n${SERVICE}\n`,
  'cpu.stat': 'usage_usec 7000\nuser_usec 4000\nsystem_usec 3000\nnr_periods 9\nnr_throttled 2\nthrottled_usec 50\n',
  'memory.current': '8192\n',
  'memory.peak': '16384\n',
  'memory.max': '65536\n',
  'memory.events': 'low 0\nhigh 0\nmax 3\noom 0\n',
  'memory.stat': 'anon 4096\nfile 2048\n',
  'io.stat': '254:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n7:1 rbytes=5 wbytes=0 rios=1 wios=0\n',
  'hugetlb.2MB.current': '4194304\n',
  'hugetlb.2MB.max': 'max\n',
};

/** Keeper, process 1 and a service in one group of version 2. */
function machine(): MadeMachine {
  const made = new MadeMachine();
  made.process({ pid: KEEPER, namespace: 'host', files: { cgroup: UNIT } });
  made.process({ pid: INIT, parent: KEEPER, ticks: [1, 0, 0, 0], files: { cgroup: UNIT, io: io(1, 2) } });
  made.process({ pid: SERVICE, parent: INIT, files: { cgroup: UNIT, smaps_rollup: rollup(1, 1) } });
  made.writeAll('groups/web.service', GROUP);
  return made;
}

function usage(made: MadeMachine): InstanceUsage {
  return readUsage(record, { proc: made.proc });
}

function sources({ cpu, memory, hugepages, blockIo }: InstanceUsage): unknown[] {
  return [cpu.source, memory.source, hugepages.source, blockIo?.source];
}

const PROCESSES = ['proc', 'pss', 'proc', 'proc'];

describe('a control group of the instance’s own', () => {
  it('counts, by version 2', () => {
    expect(usage(machine())).toMatchObject({
      cpu: {
        totalNs: 7e6,
        userNs: 4e6,
        systemNs: 3e6,
        processesNs: 1e7,
        throttling: { periods: 9, throttledPeriods: 2, throttledNs: 50_000 },
        source: 'cgroup',
      },
      memory: {
        usageBytes: 8192,
        maxUsageBytes: 16_384,
        failures: 3,
        limitBytes: 65_536,
        details: { anon: 4096, file: 2048 },
        source: 'cgroup',
      },
      blockIo: {
        readBytes: 105,
        writtenBytes: 20,
        devices: [
          { major: 254, minor: 0, readBytes: 100, writtenBytes: 20 },
          { major: 7, minor: 1, readBytes: 5, writtenBytes: 0 },
        ],
        source: 'cgroup',
      },
      hugepages: { bySize: { '2MB': 4_194_304 }, source: 'cgroup' },
      tasks: 2,
    });
  });

  it('counts what it counts: the rest is the processes’', () => {
    const made = machine();
    for (const name of ['memory.current', 'io.stat']) made.write(`groups/web.service/${name}`, '');
    expect(sources(usage(made))).toEqual(['cgroup', 'pss', 'cgroup', 'cgroup']);
    expect(usage(made).blockIo).toMatchObject({ readBytes: 0, devices: [] });
  });

  it('may have groups below it', () => {
    const made = machine();
    made.write('groups/web.service/cgroup.procs', `${KEEPER}\n${INIT}\n`);
    made.write('groups/web.service/below/cgroup.procs', `${SERVICE}\n`);
    made.process({ pid: SERVICE, parent: INIT, files: { cgroup: '0::/web.service/below\n' } });
    expect(usage(made).cpu.source).toBe('cgroup');
  });

  it.each<[string, (made: MadeMachine) => void]>([
    ['a process of somebody else is in it', (made) => made.process({ pid: 500, namespace: 'host' })],
    ['a process of another instance is in it', (made) => made.process({ pid: 500, namespace: 'another' })],
    ['a process that cannot be seen is in it', (made) => made.write('groups/web.service/below/cgroup.procs', '0\n')],
    ['a group below it cannot be read', (made) => made.write('groups/web.service/below/cgroup.type', 'threaded\n')],
    [
      'a command came into the instance from another group',
      (made) => made.process({ pid: 1500, parent: 900, files: { cgroup: '0::/shell\n' } }),
    ],
    [
      'a group has a similar name',
      (made) => made.process({ pid: SERVICE, parent: INIT, files: { cgroup: '0::/web.services\n' } }),
    ],
    ['the caller is in it, too', (made) => made.process({ pid: 900, namespace: 'host', files: { cgroup: UNIT } })],
    [
      'it is the root group',
      (made) => made.process({ pid: INIT, parent: KEEPER, files: { cgroup: '0::/\n', io: io(1, 2) } }),
    ],
  ])('is none when %s', (_, change) => {
    const made = machine();
    made.write('groups/web.service/cgroup.procs', `${GROUP['cgroup.procs']}500\n`);
    made.writeAll('groups', { ...GROUP });
    change(made);
    expect(sources(usage(made))).toEqual(PROCESSES);
  });

  it('is one although processes in it have ended since', () => {
    const made = machine();
    made.write('groups/web.service/cgroup.procs', `${GROUP['cgroup.procs']}500\n`); // there is none
    expect(usage(made).cpu.source).toBe('cgroup');
  });
});

describe('control groups of version 1', () => {
  const of = (groups: Record<string, string>): string =>
    Object.entries(groups)
      .map(([controllers, path], i) => `${i + 2}:${controllers}:${path}\n`)
      .join('');

  /** Everything in groups `/web`, and the caller in the root of all. */
  function hybrid(own: Record<string, string>): MadeMachine {
    const made = new MadeMachine();
    const rows = ['memory', 'cpu,cpuacct', 'blkio'].map(
      (name, i) => `4${i} 20 0:3${i} / ${made.groups}/${name} rw - cgroup cgroup rw,${name}`,
    );
    made.process({
      pid: 900,
      namespace: 'host',
      files: { cgroup: of({ memory: '/', 'cpu,cpuacct': '/', blkio: '/' }) },
    });
    made.write('proc/900/mountinfo', `${rows.join('\n')}\n50 20 0:9 / ${made.groups}/unified rw - cgroup2 c rw\n`);
    const cgroup = `${of(own)}0::/\n`;
    made.process({ pid: KEEPER, namespace: 'host', files: { cgroup } });
    made.process({ pid: INIT, parent: KEEPER, ticks: [1, 1, 0, 0], files: { cgroup, smaps_rollup: rollup(1, 0) } });
    const procs = { 'cgroup.procs': `${KEEPER}\n${INIT}\n` };
    made.writeAll('groups/memory/web', {
      ...procs,
      'memory.usage_in_bytes': '8192\n',
      'memory.max_usage_in_bytes': '9000\n',
      'memory.failcnt': '4\n',
      'memory.stat': 'cache 1\nrss 2\nhierarchical_memory_limit 65536\n',
    });
    made.writeAll('groups/cpu,cpuacct/web', {
      ...procs,
      'cpuacct.usage': '5000\n',
      'cpuacct.stat': 'user 3\nsystem 2\n',
      'cpu.stat': 'nr_periods 1\nnr_throttled 1\nthrottled_time 77\n',
    });
    made.writeAll('groups/blkio/web', {
      ...procs,
      'blkio.throttle.io_service_bytes_recursive':
        '254:0 Read 100\n254:0 Write 20\n254:0 Sync 90\n254:0 Total 120\nTotal 120\n',
    });
    return made;
  }

  it('count', () => {
    expect(usage(hybrid({ memory: '/web', 'cpu,cpuacct': '/web', blkio: '/web' }))).toMatchObject({
      cpu: {
        totalNs: 5000,
        userNs: 3e7,
        systemNs: 2e7,
        throttling: { periods: 1, throttledPeriods: 1, throttledNs: 77 },
        source: 'cgroup',
      },
      memory: { usageBytes: 8192, maxUsageBytes: 9000, failures: 4, limitBytes: 65_536, source: 'cgroup' },
      blockIo: { devices: [{ major: 254, minor: 0, readBytes: 100, writtenBytes: 20 }], source: 'cgroup' },
    });
  });

  it.each([
    ['that ends', { flags: 0x4 }, 'cgroup'],
    ['that has ended', { state: 'Z' }, 'cgroup'],
    ['that lives', {}, 'proc'],
  ])('show in the root group a process %s', (_, kind, source) => {
    const made = hybrid({ memory: '/web', 'cpu,cpuacct': '/web', blkio: '/web' });
    const cgroup = of({ memory: '/', 'cpu,cpuacct': '/', blkio: '/' });
    made.process({ pid: SERVICE, parent: INIT, ...kind, files: { cgroup } });
    expect(usage(made).cpu.source).toBe(source);
  });

  it('count each for itself', () => {
    expect(sources(usage(hybrid({ memory: '/web', 'cpu,cpuacct': '/' })))).toEqual([
      'proc',
      'cgroup',
      'proc',
      undefined,
    ]);
  });
});
