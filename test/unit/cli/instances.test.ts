/** The instance commands on state directories made for the test; the addon is replaced. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { dispatch } from '../../../src/cli/dispatch';
import { Terminal } from '../../../src/cli/terminal/render';
import type { ProcessIdentity } from '../../../src/native';
import { encodeRecord } from '../../../src/runtime/instance/record';
import { FakeLocks, makeStateDir, putInstance, sampleRecord } from '../instance/fixtures';

const fake = vi.hoisted(() => ({ addon: {} as Record<string, unknown> }));
vi.mock('../../../src/native', async (original) => ({
  ...(await original<typeof import('../../../src/native')>()),
  native: () => fake.addon,
}));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readFileSync = (path: string, ...rest: unknown[]): unknown =>
    String(path).endsWith('/boot_id') ? 'boot-1\n' : (fs.readFileSync as (...all: unknown[]) => unknown)(path, ...rest);
  return { ...fs, readFileSync };
});

let stateDir: string;
let alive: Set<string>;
let signals: string[];

beforeEach(() => {
  stateDir = makeStateDir();
  alive = new Set();
  signals = [];
  const locks = new FakeLocks(alive);
  fake.addon = {
    instanceLocked: locks.instanceLocked.bind(locks),
    removeDeadInstance: locks.removeDeadInstance.bind(locks),
    defaultSignals: () => undefined,
    look: () => null,
    processStartTime: () => null,
    signalProcess: ({ pid }: ProcessIdentity, signal: number) => {
      signals.push(`${signal} to ${pid}`);
      return true;
    },
    waitProcesses: () => {
      alive.clear();
      return [];
    },
  };
});

function put(name: string, changes: Parameters<typeof sampleRecord>[1] = {}): void {
  alive.add(name);
  putInstance(stateDir, name, encodeRecord(sampleRecord(name, changes)));
}

async function davit(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const streams = ['', '', ''];
  const terminal = new Terminal((fd, text) => {
    streams[fd] += Buffer.from(text as string).toString();
  });
  const code = await dispatch(argv, { DAVIT_STATE_DIR: stateDir }, terminal);
  return { code, out: streams[1] as string, err: streams[2] as string };
}

const images = '/tmp/bh';

describe('instance stats', () => {
  it('says what is wrong with a damaged record', async () => {
    alive.add('web');
    putInstance(stateDir, 'web', Buffer.from('nonsense'));
    const { code, out, err } = await davit('instance', 'stats', 'web');
    expect([code, out]).toEqual([255, '']);
    expect(err).toMatch(/^FATAL: {3}record of instance web: /);
  });
});

// The bytes of Apptainer 1.4.5, with its PIDs.
describe('instance list', () => {
  it('has headings without instances', async () => {
    expect(await davit('instance', 'list')).toEqual({ code: 0, out: 'INSTANCE NAME    PID    IP    IMAGE\n', err: '' });
    expect((await davit('instance', 'list', '--json')).out).toBe('{\n\t"instances": []\n}\n');
    expect((await davit('instance', 'list', '--logs')).out).toBe('INSTANCE NAME    PID    LOGS\n');
    expect((await davit('instance', 'list', 'nomatch*')).code).toBe(0);
  });

  it('is a table sorted by name', async () => {
    put('web2', { pid: 15948, image: `${images}/busybox.sif` });
    put('db1', { pid: 16077, image: `${images}/debian.sif` });
    put('web1', { pid: 15309, image: `${images}/busybox.sif` });
    expect((await davit('instance', 'list')).out).toBe(
      'INSTANCE NAME    PID      IP    IMAGE\n' +
        'db1              16077          /tmp/bh/debian.sif\n' +
        'web1             15309          /tmp/bh/busybox.sif\n' +
        'web2             15948          /tmp/bh/busybox.sif\n',
    );
    expect((await davit('instance', 'list', 'web*')).out).toBe(
      'INSTANCE NAME    PID      IP    IMAGE\n' +
        'web1             15309          /tmp/bh/busybox.sif\n' +
        'web2             15948          /tmp/bh/busybox.sif\n',
    );
  });

  it('has two lines an instance with --logs', async () => {
    put('db1', { pid: 16077, logErr: '/home/hpc/logs/db1.err', logOut: '/home/hpc/logs/db1.out' });
    expect((await davit('instance', 'list', '-l')).out).toBe(
      'INSTANCE NAME    PID      LOGS\n' +
        'db1              16077    /home/hpc/logs/db1.err\n' +
        '                          /home/hpc/logs/db1.out\n',
    );
    expect(await davit('instance', 'list', '--logs', '--json')).toEqual({
      code: 255,
      out: '',
      err: 'FATAL:   more than one flags have been set\n',
    });
  });

  it('has Apptainer’s keys first with --json, then the state', async () => {
    put('web1', { pid: 15309, image: `${images}/busybox.sif`, logErr: '/l/web1.err', logOut: '/l/web1.out' });
    put('failed', { exited: true, exitStatus: 3, exitedAtMs: 1_700_000_001_000 });
    const { out } = await davit('instance', 'list', '--json', 'web1');
    expect(out).toMatch(
      /^\{\n\t"instances": \[\n\t\t\{\n\t\t\t"instance": "web1",\n\t\t\t"pid": 15309,\n\t\t\t"img": "\/tmp\/bh\/busybox.sif",\n\t\t\t"ip": "",\n\t\t\t"logErrPath": "\/l\/web1.err",\n\t\t\t"logOutPath": "\/l\/web1.out",\n\t\t\t"state": "running",\n/,
    );
    expect(JSON.parse((await davit('instance', 'list', '--json', 'failed')).out).instances[0]).toMatchObject({
      state: 'exited',
      exitStatus: 3,
      exitedAt: '2023-11-14T22:13:21.000Z',
      driver: 'squashfuse_ll',
      keeperPid: 4241,
    });
  });

  it('shows with -v what has become of the startscript', async () => {
    put('web1', { pid: 15309, image: `${images}/a.sif` });
    put('failed', { pid: 15310, image: `${images}/a.sif`, exited: true, exitStatus: 3, exitedAtMs: 1 });
    const table =
      'INSTANCE NAME    PID      IP    IMAGE            STATE      EXIT STATUS\n' +
      'failed           15310          /tmp/bh/a.sif    exited     3\n' +
      'web1             15309          /tmp/bh/a.sif    running    -\n';
    expect((await davit('instance', 'list', '-v')).out).toBe(table);
    expect((await davit('-v', 'instance', 'list')).out).toBe(table);
  });

  it('warns of a damaged record and shows it with --all', async () => {
    put('web1');
    put('broken');
    writeFileSync(join(stateDir, 'instances/broken/record.pb'), '');
    const { code, out, err } = await davit('instance', 'list');
    expect([code, err]).toEqual([0, 'WARNING: record of instance broken: empty; the instance is running\n']);
    expect(out).not.toContain('broken');
    expect((await davit('instance', 'list', '--all')).out).toContain('\nbroken ');
    const { instances } = JSON.parse((await davit('instance', 'list', '-a', '-j')).out);
    expect(instances.map((entry: { instance: string; state: string }) => `${entry.instance} ${entry.state}`)).toEqual([
      'broken damaged',
      'web1 running',
    ]);
  });

  it('shows root alone the instances of others', async () => {
    vi.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(2000);
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    expect(await davit('instance', 'list', '-u', 'root')).toEqual({
      code: 255,
      out: '',
      err: "FATAL:   Only root user can list user's instances\n",
    });
  });
});

describe('instance stop', () => {
  it('says what it stops, in the words of Apptainer', async () => {
    put('web1', { pid: 15309, image: `${images}/busybox.sif` });
    expect(await davit('instance', 'stop', 'web1')).toEqual({
      code: 0,
      out: '',
      err: 'INFO:    Stopping web1 instance of /tmp/bh/busybox.sif (PID=15309)\n',
    });
    expect(signals).toEqual(['2 to 15309']);
    expect((await davit('instance', 'list')).out).toBe('INSTANCE NAME    PID    IP    IMAGE\n');
  });

  it('takes patterns, --all, signals and --force', async () => {
    for (const argv of [['*'], ['--all'], ['-a'], ['web*']]) {
      put('web1', { pid: 101 });
      put('web2', { pid: 102 });
      signals = [];
      expect((await davit('instance', 'stop', ...argv)).code).toBe(0);
      expect(signals, argv.join()).toEqual(['2 to 101', '2 to 102']);
    }
    for (const [argv, number] of [
      [['-s', 'TERM'], 15],
      [['--signal=SIGUSR1'], 10],
      [['--force'], 9],
    ] as const) {
      put('web1', { pid: 101 });
      signals = [];
      await davit('instance', 'stop', ...argv, 'web1');
      expect(signals).toEqual([`${number} to 101`]);
    }
  });

  it('announces the kill after the timeout', async () => {
    put('stub1', { pid: 19499, image: `${images}/stub.sif` });
    const waits: number[] = [];
    fake.addon.waitProcesses = (_: unknown, timeoutMs: number) => {
      waits.push(timeoutMs);
      return signals.includes('9 to 19499') ? [] : [0];
    };
    expect((await davit('instance', 'stop', '--timeout', '0', 'stub1')).err).toBe(
      'INFO:    Stopping stub1 instance of /tmp/bh/stub.sif (PID=19499)\n' +
        'INFO:    Killing stub1 instance of /tmp/bh/stub.sif (PID=19499) (Timeout)\n',
    );
    expect(waits[0]).toBe(0);
  });

  it('is a usage error without a match', async () => {
    for (const argv of [['nosuch'], ['nomatch*'], ['--all']]) {
      const { code, out, err } = await davit('instance', 'stop', ...argv);
      expect([code, err]).toEqual([1, 'Error for command "stop": no instance found\n\n']);
      expect(out).toMatch(/^Usage:\n {2}davit \[global options...\] instance stop \[stop options...\] \[instance\]\n/);
    }
  });

  it('refuses a signal that is none', async () => {
    expect(await davit('instance', 'stop', '--signal', 'NOSUCH', 'a1')).toEqual({
      code: 255,
      out: '',
      err: 'FATAL:   Could not convert stop signal: NOSUCH is not a number\n',
    });
  });

  it('stops the others when one record is damaged', async () => {
    put('web1', { pid: 101 });
    put('broken');
    writeFileSync(join(stateDir, 'instances/broken/record.pb'), 'x');
    const { code, err } = await davit('instance', 'stop', '--all');
    expect(signals).toEqual(['2 to 101']);
    expect(code).toBe(255);
    expect(err).toContain('FATAL:   record of instance broken');
  });
});

describe('instance logs', () => {
  it('prints the output or the error output', async () => {
    put('web1', { logOut: `${stateDir}/web1.out`, logErr: `${stateDir}/web1.err` });
    writeFileSync(`${stateDir}/web1.out`, 'to stdout\n');
    writeFileSync(`${stateDir}/web1.err`, 'to stderr\n');
    expect(await davit('instance', 'logs', 'web1')).toEqual({ code: 0, out: 'to stdout\n', err: '' });
    expect((await davit('instance', 'logs', '--err', 'web1')).out).toBe('to stderr\n');
  });

  it('follows until the instance has ended', async () => {
    put('web1', { logOut: `${stateDir}/web1.out` });
    writeFileSync(`${stateDir}/web1.out`, 'one\n');
    setTimeout(() => {
      writeFileSync(`${stateDir}/web1.out`, 'one\ntwo\n');
      alive.clear();
    }, 150);
    expect((await davit('instance', 'logs', '-f', 'web1')).out).toBe('one\ntwo\n');
  });

  it('fails without an instance and without a log', async () => {
    expect((await davit('instance', 'logs', 'nosuch')).err).toBe('FATAL:   no instance found with name nosuch\n');
  });
});

describe('joining', () => {
  it('needs a live instance', async () => {
    for (const command of ['exec', 'run', 'shell', 'test']) {
      const { code, err } = await davit(command, 'instance://nosuch', 'true');
      expect(code).toBe(255);
      expect(err).toContain('FATAL:   While setting image/instance: no instance found with name nosuch\n');
    }
  });

  it('prints its plan with --dry-run', async () => {
    put('web1');
    const { code, out } = await davit('exec', '--dry-run=json', 'instance://web1', 'ls', '-l');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ join: { name: 'web1', stateDir }, program: { arguments: ['ls', '-l'] } });
  });

  it('warns once of options without effect', async () => {
    put('web1');
    const { err } = await davit('exec', '--dry-run', '--bind', '/srv', '--overlay', '/o', 'instance://web1', 'true');
    expect(err).toBe('WARNING: --bind, --overlay: no effect on a running instance, ignored\n');
  });
});
