/** What an instance uses, on machines that are made up. */
import { describe, expect, it } from 'vitest';
import { cpuPercent, readUsage } from '../../../src/runtime/instance/usage';
import { sampleRecord } from './fixtures';
import { io, MadeMachine, rollup } from './machine';

const INIT = 1000;
const KEEPER = 999;
const record = sampleRecord('web', { pid: INIT, pidStartTime: 77, keeperPid: KEEPER });

/** A keeper outside, and process 1 in a PID namespace of its own. */
function machine(): MadeMachine {
  const made = new MadeMachine();
  const cgroup = '0::/shell\n';
  made.process({ pid: KEEPER, parent: 1, namespace: 'host', ticks: [5000, 0, 0, 0], files: { cgroup } });
  made.process({ pid: INIT, parent: KEEPER, ticks: [1, 2, 0, 0], files: { cgroup, smaps_rollup: rollup(10, 20) } });
  return made;
}

function usage(made: MadeMachine): ReturnType<typeof readUsage> {
  return readUsage(record, { proc: made.proc });
}

describe('processes of an instance', () => {
  it('are those of its PID namespace, of those below it, and those that came in from outside', () => {
    const made = machine();
    made.process({ pid: 1001, parent: INIT, threads: 3 });
    made.process({ pid: 1002, parent: 1001, namespace: 'below', threads: 5 });
    made.process({ pid: 1003, parent: 1002, namespace: 'below', threads: 7 });
    made.process({ pid: 1004, parent: 1003, namespace: 'further below', threads: 11 });
    made.process({ pid: 1005, parent: 900, threads: 13 }); // exec instance://
    made.process({ pid: 800, parent: 1, namespace: 'host', threads: 100 });
    made.process({ pid: 801, parent: 800, namespace: 'another instance', threads: 100 });
    made.process({ pid: 802, parent: 801, namespace: 'another instance', threads: 100 });
    expect(usage(made).tasks).toBe(1 + 3 + 5 + 7 + 11 + 13);
  });

  it('add up, with the children that they have reaped', () => {
    const made = machine();
    made.process({ pid: 1001, parent: INIT, name: 'a) R 1 (b', ticks: [10, 20, 300, 400], state: 'R' });
    made.process({ pid: 1002, parent: 1001, ticks: [5, 5, 0, 0], state: 'Z' });
    expect(usage(made).cpu).toEqual({
      totalNs: 743e7,
      userNs: 316e7,
      systemNs: 427e7,
      processesNs: 743e7,
      source: 'proc',
    });
  });

  it('may end while they are read', () => {
    const made = machine();
    made.process({ pid: 1001, ticks: [10, 0, 0, 0] });
    made.write('proc/1002/status', ''); // a directory, and nothing to read in it any more
    made.process({ pid: 1003, ticks: [7, 0, 0, 0] });
    made.end(1003);
    made.write('proc/1003/comm', '');
    expect(usage(made).cpu.totalNs).toBe(13e7);
  });

  it('share memory: what several have counts once', () => {
    const made = machine();
    made.process({ pid: 1001, files: { smaps_rollup: rollup(100, 200, 50, 2048) } });
    expect(usage(made)).toMatchObject({
      memory: {
        usageBytes: (30 + 350) * 1024,
        details: { anon: 110 * 1024, file: 220 * 1024, shmem: 50 * 1024, swap: 8 * 1024 },
        limitBytes: 1_000_000 * 1024,
        source: 'pss',
      },
      hugepages: { bySize: { '2MB': 2048 * 1024 }, source: 'proc' },
    });
  });

  it('count with all that they have where the kernel does not know the shares', () => {
    const made = machine();
    const status = 'Name:\tit\nVmRSS:\t   300 kB\nRssAnon:\t 100 kB\nRssFile:\t 200 kB\nVmSwap:\t 1 kB\n';
    made.process({ pid: 1001, files: { status } });
    made.process({ pid: 1002, state: 'Z', files: { status: 'Name:\tit\n' } });
    expect(usage(made).memory).toMatchObject({ usageBytes: 330 * 1024, source: 'rss' });
  });

  it('transfer blocks, where that is counted', () => {
    const made = machine();
    expect(usage(made).blockIo).toBeNull();
    made.process({ pid: 1001, files: { io: io(100, 7) } });
    made.process({ pid: 1002, files: { io: io(11, 0) } });
    expect(usage(made).blockIo).toEqual({ readBytes: 111, writtenBytes: 7, source: 'proc' });
  });
});

describe('an instance that is gone', () => {
  it.each<[string, (made: MadeMachine) => void]>([
    ['has no process', (made) => made.end(INIT)],
    ['has a PID that is another process now', (made) => made.process({ pid: INIT, startTime: 78 })],
    ['has not been reaped yet', (made) => made.process({ pid: INIT, state: 'Z' })],
  ])('%s', (_, change) => {
    const made = machine();
    change(made);
    expect(() => usage(made)).toThrow(expect.objectContaining({ code: 'INSTANCE_MISSING' }));
  });

  it('cannot make root look at a process of somebody else', () => {
    const made = machine();
    const foreignUid = (process.getuid?.() ?? 0) + 1;
    expect(() => readUsage(record, { proc: made.proc, foreignUid })).toThrow(
      expect.objectContaining({ code: 'STATE', message: expect.stringContaining('PID 1000 is a process of uid') }),
    );
  });
});

describe('the limit of memory', () => {
  const limit = (made: MadeMachine): number => usage(made).memory.limitBytes;

  it('is the least of a group and those above it', () => {
    const made = machine();
    made.process({ pid: INIT, files: { cgroup: '0::/job/step\n' } });
    made.write('groups/job/step/memory.max', 'max\n');
    expect(limit(made)).toBe(1_024_000_000);
    made.write('groups/job/memory.max', '65536\n');
    expect(limit(made)).toBe(65_536);
    made.write('groups/job/step/memory.max', '4096\n');
    expect(limit(made)).toBe(4096);
    made.write('groups/job/step/memory.max', '9223372036854771712\n');
    made.write('groups/memory.max', '8192\n'); // the top of what a container sees
    expect(limit(made)).toBe(8192);
  });

  it('is what version 1 says of the hierarchy', () => {
    const made = machine();
    made.process({ pid: INIT, files: { cgroup: '4:memory:/job:1\n2:cpu,cpuacct:/\n0::/\n' } });
    const mount = `${made.groups}/with blanks`.replaceAll(' ', '\\040');
    made.write('proc/900/mountinfo', `41 20 0:31 / ${mount} rw - cgroup cgroup rw,memory\n`);
    made.write('groups/with blanks/job:1/memory.stat', 'cache 1\nhierarchical_memory_limit 67108864\n');
    expect(limit(made)).toBe(67_108_864);
  });

  it('is the machine’s where the group cannot be seen', () => {
    const made = machine();
    made.process({ pid: INIT, files: { cgroup: '0::/../outside\n' } });
    made.write('groups/memory.max', '4096\n');
    expect(limit(made)).toBe(1_024_000_000);
    made.process({ pid: INIT, files: { cgroup: '0::/elsewhere\n' } });
    made.write('proc/900/mountinfo', `41 20 0:31 /docker/1 ${made.groups} rw - cgroup2 cgroup2 rw\n`);
    expect(limit(made)).toBe(1_024_000_000);
  });
});

describe('use of processors', () => {
  const at = (atMs: number, totalNs: number, source: 'cgroup' | 'proc', processesNs = totalNs) =>
    ({ atMs, cpu: { totalNs, userNs: 0, systemNs: 0, processesNs, source } }) as ReturnType<typeof readUsage>;

  it('is the time used of the time passed', () => {
    expect(cpuPercent(at(1000, 5e9, 'proc'), at(2000, 5.5e9, 'proc'))).toBeCloseTo(50);
    expect(cpuPercent(at(1000, 0, 'cgroup'), at(1500, 2e9, 'cgroup'))).toBeCloseTo(400);
  });

  it('is never below nothing, and never of no time', () => {
    expect(cpuPercent(at(1000, 5e9, 'proc'), at(2000, 4e9, 'proc'))).toBe(0);
    expect(cpuPercent(at(1000, 5e9, 'proc'), at(1000, 6e9, 'proc'))).toBe(0);
  });

  it('compares like with like', () => {
    expect(cpuPercent(at(0, 9e9, 'cgroup', 1e9), at(1000, 1.25e9, 'proc'))).toBeCloseTo(25);
  });
});
