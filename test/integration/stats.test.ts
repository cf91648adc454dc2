/** instance stats: what is counted, the table, JSON, which instance is meant, and how watching it ends. */
import { existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { asRoot, asUser, describeWith } from './support/capabilities';
import { eventually } from './support/patience';
import { cpuMs, type Stats, stats } from './support/stats';
import { TerminalSession } from './support/terminal';
import { davitPath, outcome, withWorld, type World } from './support/world';

const KEYS = ['cpu_stats', 'memory_stats', 'pids_stats', 'blkio_stats', 'hugetlb_stats'];
const ROW = /^web +(\d+\.\d\d)% +[\d.]+[KM]iB \/ [\d.]+GiB +\d+\.\d\d% +[\d.]+\w*B \/ [\d.]+\w*B +(\d+)$/m;
const MIB = 1024 ** 2;
/** statfs(2); what is written there goes to no block device. */
const TMPFS_MAGIC = 0x0102_1994;

/** Commands that still watch. */
function watchers(world: World): string[] {
  return world.processes().flatMap(({ commandLine }) => (/ instance stats /.test(commandLine) ? [commandLine] : []));
}

/** Starts the instance `web`, whose startscript becomes this shell script, with the world's work directory at /mnt. */
async function start(world: World, script: string): Promise<void> {
  const words = ['--bind', `${world.cwd}:/mnt`, world.image(), 'web', 'run', 'sh', '-c', script];
  await world.ok('instance', 'start', ...words);
  onTestFinished(async () => {
    await world.davit('instance', 'stop', '--force', 'web');
  });
}

/** Waits for a file that the service makes. */
async function made(world: World, name: string): Promise<void> {
  await eventually(() => expect(existsSync(`${world.cwd}/${name}`)).toBe(true));
}

withWorld('instance stats counts', (world) => {
  test('the time of a busy service, which only grows', async () => {
    await start(world(), 'while :; do :; done');
    const before = await stats(world(), 'web');
    const grown = async (): Promise<void> =>
      expect(cpuMs(await stats(world(), 'web'))).toBeGreaterThan(cpuMs(before) + 100);
    await eventually(grown);
    // It may get nothing at all for a moment.
    const percent = async (): Promise<number> =>
      Number(ROW.exec(await world().ok('instance', 'stats', '--no-stream', 'web'))?.[1]);
    await expect.poll(percent).toBeGreaterThan(0);
  });

  test('the time of what has ended, once, also that of an orphan', async () => {
    const busy = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; : > /mnt/counted';
    await start(world(), `(sh -c '${busy}' &); sleep 1000000`);
    await made(world(), 'counted');
    const first = await stats(world(), 'web');
    expect(cpuMs(first)).toBeGreaterThan(20);
    expect(cpuMs(await stats(world(), 'web')) - cpuMs(first)).toBeLessThan(cpuMs(first) / 2);
  });

  test('the memory that a service takes', async () => {
    // dd reads it all, and then nobody reads from dd.
    const take = 'dd if=/dev/zero bs=30000000 count=1 | sleep 1000000';
    await start(world(), `until [ -e /mnt/go ]; do sleep 0.02; done; ${take}`);
    const before = await stats(world(), 'web');
    writeFileSync(`${world().cwd}/go`, '');
    const grown = async (): Promise<void> => {
      const { usage, stats: parts } = (await stats(world(), 'web')).memory_stats;
      expect(usage.usage - before.memory_stats.usage.usage).toBeGreaterThan(25e6);
      expect(parts.anon).toBeGreaterThan(25e6);
      expect(usage.limit).toBeGreaterThan(usage.usage);
    };
    await eventually(grown);
  });

  test('what goes to block devices, also by a child that has ended', async (context) => {
    if (statfsSync(world().cwd).type === TMPFS_MAGIC) context.skip('the temporary directory is on no block device');
    await start(world(), 'dd if=/dev/zero of=/mnt/blocks bs=1M count=4 conv=fsync; : > /mnt/written; sleep 1000000');
    await made(world(), 'written');
    const { io_service_bytes_recursive: transfers = [] } = (await stats(world(), 'web')).blkio_stats;
    expect(transfers.find(({ op }) => op === 'Write')?.value).toBeGreaterThanOrEqual(4 * MIB);
  });

  test('the processes that come and go, also from outside', async () => {
    await start(world(), 'exec sleep 1000000');
    const current = async (): Promise<number> => (await stats(world(), 'web')).pids_stats.current;
    expect(await current()).toBe(2);
    const script = 'sleep 1000000 & exec sleep 1000000';
    const joined = world().spawn(['exec', 'instance://web', 'sh', '-c', script], { stdio: 'ignore' });
    await eventually(async () => expect(await current()).toBe(4));
    joined.kill('SIGTERM');
    await outcome(joined);
    expect(await current()).toBe(3); // what it left behind has become the instance's
  });
});

withWorld('instance stats prints', (world) => {
  test('JSON with tabs, Apptainer’s keys first', async () => {
    await start(world(), 'exec sleep 1000000');
    const { pid } = await world().listed('web');
    const all = await world().davit('instance', 'stats', '-j', '--no-stream', 'web');
    expect(all).toMatchObject({ status: 0, stderr: '' });
    expect(all.stdout).toMatch(/^\{\n\t"cpu_stats": \{\n\t\t"cpu_usage": \{\n\t\t\t"total_usage": \d+,\n/);
    const found: Stats = JSON.parse(all.stdout);
    expect(Object.keys(found).slice(0, 5)).toEqual(KEYS);
    expect(found).toMatchObject({ instance: 'web', pid, sources: { cpu: 'proc', memory: 'pss' } });
    expect(await world().davit('instance', 'stats', '--json', 'web')).toMatchObject({
      status: 0,
      stderr: 'WARNING: JSON output is only available for a single timepoint (--no-stream)\n',
    });
  });

  test('the same by way of Node, whatever it is asked for', async () => {
    await start(world(), 'exec sleep 1000000');
    const shape = (text: string): unknown => JSON.parse(text, (_, value) => (typeof value === 'number' ? 0 : value));
    const plain = await world().ok('instance', 'stats', '--json', '--no-stream', 'web');
    for (const env of [{ APPTAINER_CACHEDIR: world().path('cache') }, { DAVIT_LOG: world().path('log') }]) {
      expect(shape(await world().okWith({ env }, 'instance', 'stats', '--json', '--no-stream', 'web'))).toEqual(
        shape(plain),
      );
      expect(await world().okWith({ env }, 'instance', 'stats', '--no-stream', 'web')).toMatch(ROW);
    }
    const quiet = await world().davit('--silent', 'instance', 'stats', '--json', 'web');
    expect(quiet).toMatchObject({ status: 0, stderr: '' });
    expect(shape(quiet.stdout)).toEqual(shape(plain));
    const logged = readFileSync(world().path('log'), 'utf8').trim().split('\n');
    expect(logged.map((line) => JSON.parse(line).command)).toEqual(['instance stats', 'instance stats']);
  });

  test('a table with Apptainer’s columns, and says of what', async () => {
    await start(world(), 'exec sleep 1000000');
    const { pid, img } = await world().listed('web');
    const all = await world().davit('instance', 'stats', '--no-stream', 'w?b');
    expect(all).toMatchObject({ status: 0, stderr: `INFO:    Stats for web instance of ${img} (PID=${pid})\n` });
    const [headings, row, ...rest] = all.stdout.split('\n');
    expect(headings).toMatch(/^INSTANCE NAME {4}CPU USAGE {4}MEM USAGE \/ LIMIT +MEM % +BLOCK I\/O +PIDS$/);
    expect(row).toMatch(ROW);
    expect(rest).toEqual(['']);
  });

  test('one after the other to a pipe, until SIGINT: exit code 0', async () => {
    await start(world(), 'exec sleep 1000000');
    const child = world().spawn(['instance', 'stats', 'web']);
    const end = outcome(child);
    let shown = '';
    child.stdout?.on('data', (text: string) => {
      shown += text;
    });
    await eventually(() => expect(shown.match(/^web/gm)?.length).toBeGreaterThanOrEqual(2));
    child.kill('SIGINT');
    const { code, stdout } = await end;
    expect(code).toBe(0);
    expect(stdout).not.toContain('\x1b');
    expect(stdout.match(/^INSTANCE NAME/gm)?.length).toBe(stdout.match(/^web/gm)?.length);
  });

  test('no longer than somebody reads', async () => {
    await start(world(), 'exec sleep 1000000');
    const reader = await world().command('sh', ['-c', `${davitPath} instance stats web | head -n 2`]);
    expect(reader).toMatchObject({ status: 0, stdout: expect.stringMatching(ROW) });
    await eventually(() => expect(watchers(world())).toEqual([]));
  });

  test('until the instance ends', async () => {
    await start(world(), 'exec sleep 1000000');
    const child = world().spawn(['instance', 'stats', 'web']);
    const end = outcome(child);
    let shown = '';
    child.stdout?.on('data', (text: string) => {
      shown += text;
    });
    await eventually(() => expect(shown).toMatch(ROW));
    await world().ok('instance', 'stop', '--force', 'web');
    expect(await end).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('FATAL:   instance web has ended\n'),
    });
  });
});

describeWith(['terminal'], 'instance stats on a terminal', () => {
  withWorld('', (world) => {
    test('clears it each time; Ctrl-C ends it with exit code 0', async () => {
      await start(world(), 'exec sleep 1000000');
      const session = new TerminalSession(world(), ['instance', 'stats', 'web']);
      for (let from = 0, round = 0; round < 2; round++) {
        await session.expect(/\x1b\[2J\x1b\[1;1HINSTANCE NAME.*\r\nweb .*\d\r\n/, from);
        from = session.shown.length;
      }
      session.type('\x03');
      expect(await session.end()).toBe(0);
    });
  });
});

withWorld('instance stats of', (world) => {
  const refused = (what: string): object => ({
    status: 1,
    stdout: expect.stringMatching(/^Usage:\n {2}davit .* instance stats \[stats options\.\.\.\] <instance name>\n/),
    stderr: `Error for command "stats": ${what}\n\n`,
  });

  test('none, no such, several', async () => {
    expect(await world().davit('instance', 'stats')).toMatchObject(refused('accepts 1 arg(s), received 0'));
    expect(await world().davit('instance', 'stats', 'web', 'x')).toMatchObject(refused('accepts 1 arg(s), received 2'));
    expect(await world().davit('instance', 'stats', 'nosuch')).toMatchObject(refused('no instance found'));
    for (const name of ['web1', 'web2']) await world().ok('instance', 'start', world().image(), name);
    const several = refused('query returned more than one instance (2)');
    expect(await world().davit('instance', 'stats', 'web*')).toMatchObject(several);
    expect(await world().davit('instance', 'stats', '--json', 'web[1-2]')).toMatchObject(several);
    expect(await world().davit('instance', 'stats', 'x*')).toMatchObject(refused('no instance found'));
  });

  test('each of several is its own', async () => {
    expect((await stats(world(), 'web1')).pid).toBe((await world().listed('web1')).pid);
    expect((await stats(world(), '*2')).pid).toBe((await world().listed('web2')).pid);
  });

  asUser(() => {
    test('another user is for root alone', async () => {
      expect(await world().davit('instance', 'stats', '--user', 'root', 'web1')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}Only the root user can look at stats of a user's instance\n/),
      });
    });
  });

  asRoot(() => {
    test('no such user', async () => {
      expect(await world().davit('instance', 'stats', '--user', 'no-such-user', 'web1')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}.*no-such-user/),
      });
    });
  });
});
