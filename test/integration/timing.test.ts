/** --timing and --trace: what they show of each kind of command, and that they change nothing about it. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { descriptorsOf } from './support/processes';
import { phasesOf, tableOf, type Trace } from './support/timing';
import { type Outcome, type RunOptions, withWorld } from './support/world';

const NO_NODE = '/nonexistent/node';
/** A file that was changed a moment ago is not relied upon (native/state/sight.cc). */
const SETTLED_MS = 3_100;

withWorld('--timing and --trace', (world) => {
  let image = '';
  let config = '';
  const trace = (): string => world().path('trace.json');
  const readTrace = (): Trace => JSON.parse(readFileSync(trace(), 'utf8')) as Trace;
  const run = (args: string[], options: RunOptions = {}): Promise<Outcome> =>
    world().davitWith({ ...options, env: { DAVIT_CONFIG_FILE: config, ...options.env } }, ...args);
  const hit = (args: string[]): Promise<Outcome> => run(args, { env: { DAVIT_NODE: NO_NODE } });
  const steps = (): string[] => readTrace().traceEvents.flatMap(({ args }) => args.step ?? []);

  beforeAll(async () => {
    image = world().image();
    config = world().write('davit.conf', 'plan cache = yes\n');
    await sleep(SETTLED_MS);
  });

  describe('a command in place', () => {
    const IN_PLACE = ['door', 'plan', 'clone', 'mount', 'pivot', 'action', 'exec'];

    test('that is compiled shows what Node does', async () => {
      expect(await run(['--trace', trace(), 'exec', image, 'true'])).toMatchObject({ status: 0, stderr: '' });
      expect(phasesOf(readTrace())).toEqual(['door', 'node', ...IN_PLACE.slice(1)]);
      expect(readTrace().otherData).toMatchObject({ plan: 'compiled', failed: false });
      expect(steps()).toEqual(expect.arrayContaining(['start', 'load', 'parse', 'image', 'compile', 'handOver']));
      expect(steps()).toEqual(expect.arrayContaining(['bind', 'rootfs', 'pivotRoot', 'environment', 'script']));
    });

    test('that is remembered stays a hit, wherever the options stand', async () => {
      for (const args of [
        ['--timing', '--trace', trace(), 'exec', image, 'true'],
        [`--trace=${trace()}`, 'exec', '--timing', image, 'true'],
        ['exec', '--timing', '--trace', trace(), image, 'true'],
      ]) {
        const { status, stdout, stderr } = await hit(args);
        expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
        expect(phasesOf(readTrace())).toEqual(IN_PLACE);
        expect(readTrace().otherData).toMatchObject({ plan: 'hit', failed: false });
        expect(stderr).toMatch(/\ntotal .* {2}plan: hit\n$/);
        const rows = tableOf(stderr);
        expect(rows.filter(({ name }) => !name.startsWith(' ')).map(({ name }) => name.split(' ')[0])).toEqual([
          ...IN_PLACE,
          'total',
        ]);
        const total = rows.at(-1)?.took as number;
        expect(Math.abs(total - readTrace().otherData.totalUs / 1000)).toBeLessThan(0.002);
        for (const { start, took } of rows) expect(start + took).toBeLessThanOrEqual(total + 0.002);
      }
    });

    test('with options between others is remembered without them', async () => {
      const args = ['exec', '--bind', '/usr:/mnt', '--timing', '--contain', image, 'true'];
      expect(await run(args)).toMatchObject({ status: 0 });
      expect((await hit(args)).stderr).toContain('plan: hit\n');
      expect(await hit(args.filter((word) => word !== '--timing'))).toMatchObject({ status: 0, stderr: '' });
      expect((await hit(['exec', '--bind', '/usr:/mnt', '--contain', '--timing', image, 'true'])).stderr).toContain(
        'plan: hit\n',
      );
      // The value of an option is no place for another one.
      expect((await hit(['exec', '--bind', '--timing', '/usr:/mnt', '--contain', image, 'true'])).stderr).toContain(
        `execute "${NO_NODE}"`,
      );
    });

    test('leaves the payload its own words, environment and descriptors', async () => {
      const show = ['exec', image, 'sh', '-c', 'env | sort; ls /proc/self/fd; echo "$@"', 'sh', '--timing', '--trace'];
      const { stdout } = await hit(show);
      expect(stdout).toContain('\n0\n1\n2\n3\n--timing --trace\n');
      expect(await hit(['--timing', '--trace', trace(), ...show])).toMatchObject({ status: 0, stdout });
      const missed = await run(['--timing', '--trace', trace(), ...show], { env: { DAVIT_PLAN_CACHE: 'off' } });
      expect(missed.stdout.replace('DAVIT_PLAN_CACHE=off\n', '')).toBe(stdout);
      expect(await hit(['exec', image, 'echo', '--timing'])).toMatchObject({ stdout: '--timing\n', stderr: '' });
    });

    test('shows how far a step that fails has come', async () => {
      const args = ['--timing', '--trace', trace(), 'exec', '--bind', '/usr:/etc/passwd', image, 'true'];
      const { status, stderr } = await run(args);
      expect(status).toBe(255);
      expect(stderr.indexOf('FATAL:')).toBeLessThan(stderr.indexOf('phase  '));
      expect(stderr).toMatch(/\nmount .* {2}failed\n/);
      expect(stderr).toMatch(/\n {2}bind \/etc\/passwd .* {2}failed\n/);
      expect(phasesOf(readTrace()).at(-1)).toBe('mount');
      expect(readTrace().otherData).toMatchObject({ plan: 'compiled', failed: true });
    });

    test('shows the times also when the program cannot be executed, once', async () => {
      const { status, stderr } = await hit(['--timing', 'exec', image, '/nonexistent/program']);
      expect(status).toBe(255);
      expect(stderr.match(/^total /gm)).toHaveLength(1);
    });
  });

  test('with a PID namespace', async () => {
    const args = [
      '--timing',
      '--trace',
      trace(),
      'exec',
      '--pid',
      image,
      'sh',
      '-c',
      // Process 1 closes its descriptors while the program begins.
      'until [ "$(ls /proc/1/fd)" = 0 ] || [ "$((i = i + 1))" = 500 ]; do usleep 20000; done; ls /proc/self/fd /proc/1/fd; exit 3',
    ];
    for (const plan of ['compiled', 'hit']) {
      const { status, stdout, stderr } = await run(args);
      expect({ status, plan: readTrace().otherData.plan }).toEqual({ status: 3, plan });
      expect(stdout).toBe('/proc/1/fd:\n0\n\n/proc/self/fd:\n0\n1\n2\n3\n');
      expect(stderr.match(/^total /gm)).toHaveLength(1);
      expect(phasesOf(readTrace()).slice(-5)).toEqual(['clone', 'mount', 'pivot', 'action', 'exec']);
    }
    const threads = readTrace().traceEvents.filter(({ name }) => name === 'thread_name');
    expect(threads.map(({ args: { name } }) => name)).toEqual(['davit', 'init', 'program']);
  });

  describe('an instance', () => {
    const PHASES = ['door', 'plan', 'clone', 'mount', 'pivot', 'action', 'exec', 'ready'];

    test('is timed from its start to the word that it runs', async () => {
      const first = await run(['instance', 'start', '--timing', '--trace', trace(), image, 'first']);
      expect(first).toMatchObject({ status: 0, stdout: '' });
      expect(first.stderr).toMatch(/(^|\n)INFO: {4}instance started successfully\nphase /);
      expect(phasesOf(readTrace())).toEqual(['door', 'node', ...PHASES.slice(1)]);
      expect((await hit(['--trace', trace(), '--timing', 'instance', 'start', image, 'second'])).status).toBe(0);
      expect(phasesOf(readTrace())).toEqual(PHASES);
      expect(readTrace().otherData).toMatchObject({ plan: 'hit', failed: false });
      expect(steps()).toEqual(expect.arrayContaining(['claimName', 'openLogs', 'record']));
    });

    test('keeps nothing of it', async () => {
      for (const { pid, keeperPid, programPid } of await world().list()) {
        for (const process of [pid, keeperPid, programPid].filter((number) => number > 0)) {
          expect(readFileSync(`/proc/${process}/maps`, 'utf8')).not.toContain('davit-timing');
          const open = descriptorsOf(process);
          expect(open).not.toEqual([]);
          expect(open.filter((file) => file.includes('davit-timing') || file === trace())).toEqual([]);
        }
      }
    });

    test('that is joined is not mounted again', async () => {
      for (const [plan, ...words] of [
        ['hit', 'exec', '--timing', '--trace', trace()],
        ['hit', '--timing', '--trace', trace(), 'exec'],
        ['compiled', 'exec', '--cleanenv', '--timing', '--trace', trace()],
        ['hit', 'exec', '--timing', '--cleanenv', '--trace', trace()],
      ] as string[][]) {
        const { stdout, stderr } = await run([...words, 'instance://first', 'ls', '/proc/self/fd']);
        expect(stdout).toBe('0\n1\n2\n3\n');
        expect(stderr).toContain(`plan: ${plan}\n`);
        expect(phasesOf(readTrace()).slice(-5)).toEqual(['plan', 'clone', 'pivot', 'action', 'exec']);
      }
      const gone = await run(['--trace', trace(), 'exec', 'instance://gone', 'true']);
      expect(gone).toMatchObject({ status: 255, stderr: expect.stringContaining('no instance found with name gone') });
      expect(phasesOf(readTrace())).toEqual(['door', 'plan', 'node']);
    });

    test('whose name is taken shows how long that took to find out', async () => {
      const { status, stderr } = await hit(['--timing', 'instance', 'start', image, 'first']);
      expect(status).toBe(255);
      expect(stderr).toContain('instance first already exists');
      expect(tableOf(stderr).map(({ name }) => name)).toContain('  claimName first');
    });

    test('whose remembered plan fails is compiled, and timed from the beginning', async () => {
      const source = world().makeDirectory('bound');
      const start = (name: string): string[] => ['instance', 'start', '--bind', `${source}:/mnt`, image, name];
      expect(await run(start('bound1'))).toMatchObject({ status: 0 });
      rmSync(source, { recursive: true });
      const { status, stderr } = await run(['--timing', '--trace', trace(), ...start('bound2')]);
      expect(status).toBe(255);
      expect(stderr.match(/^total /gm)).toHaveLength(1);
      expect(phasesOf(readTrace())).toEqual(['door', 'plan', 'clone', 'mount', 'node', 'plan', 'clone', 'mount']);
      expect(readTrace().otherData).toMatchObject({ plan: 'compiled', failed: true });
      expect(stderr.match(/^mount .* {2}failed$/gm)).toHaveLength(1);
    });

    test('of a list of names: Node starts them, each with its time', async () => {
      await run(['instance', 'start', image, 'many-2']);
      const words = ['--timing', '--trace', trace(), 'instance', 'start', '--jobs=2', image, 'many-[1-4]'];
      const { status, stderr } = await run(words);
      expect(status).toBe(255);
      const rows = tableOf(stderr).map(({ name }) => name);
      expect(rows).toEqual(expect.arrayContaining(['node', '  command instance start']));
      expect(rows.filter((name) => name.startsWith('  start many-')).sort()).toEqual(
        [1, 2, 3, 4].map((number) => `  start many-${number}`),
      );
      expect(stderr).toMatch(/^ {2}start many-2 .* {2}failed$/m);
      const starts = readTrace().traceEvents.filter(({ args, ph }) => ph === 'X' && args.object?.startsWith('many-'));
      expect(starts).toHaveLength(4);
      // Two at one time, and those of one thread one after the other.
      const lanes = new Map<number, number>();
      for (const { tid, ts, dur } of starts) {
        expect(ts).toBeGreaterThanOrEqual(lanes.get(tid) ?? 0);
        lanes.set(tid, ts + dur);
      }
      expect([...lanes.keys()].every((tid) => tid === 6 || tid === 7)).toBe(true);
    });

    test('is listed by the front door, stopped by Node', async () => {
      const { stdout } = await run(['instance', 'list']);
      for (const words of [
        ['--trace', trace(), 'instance', 'list', '--timing'],
        ['--timing', `--trace=${trace()}`, 'instance', 'list'],
      ]) {
        const listed = await world().davitWith({ env: { DAVIT_NODE: NO_NODE } }, ...words);
        expect(listed).toMatchObject({ status: 0, stdout });
        expect(tableOf(listed.stderr).map(({ name }) => name)).toEqual(['door', 'total']);
        expect(phasesOf(readTrace())).toEqual(['door']);
      }
      expect(await hit(['instance', '--timing', 'list'])).toMatchObject({ status: 255 });
      const refused = await world().davit('--trace', world().cwd, 'instance', 'list');
      expect(refused).toMatchObject({ status: 255, stdout: '', stderr: expect.stringContaining('EISDIR') });
      expect(await run(['--trace', trace(), 'instance', 'list', '--json'])).toMatchObject({ status: 0, stderr: '' });
      expect(phasesOf(readTrace())).toEqual(['door', 'node']);
      expect(readTrace().otherData).toMatchObject({ plan: 'none', failed: false });
      expect(steps()).toEqual(['start', 'load', 'parse', 'command']);
      const stopped = await run(['instance', 'stop', '--timing', '--all']);
      expect(stopped.status).toBe(0);
      expect(tableOf(stopped.stderr).map(({ name }) => name)).toContain('  command instance stop');
    });
  });

  test('other commands, and those that fail, have times too', async () => {
    expect((await run(['inspect', '--timing', image])).stderr).toMatch(/\n {2}command inspect /);
    const { status, stderr } = await run(['--timing', 'exec', '/nonexistent.sif', 'true']);
    expect(status).toBe(255);
    expect(stderr).toMatch(/^FATAL:.*\n(.*\n)+node .* {2}failed\n/);
    expect(await run(['--trace'])).toMatchObject({ status: 1 });
    expect(await run(['--trace', '', 'version'])).toMatchObject({ status: 255 });
  });

  describe('the trace file', () => {
    test('is emptied', async () => {
      writeFileSync(trace(), 'x'.repeat(100_000));
      await run(['--trace', trace(), 'version']);
      expect(phasesOf(readTrace())).toEqual(['door', 'node']);
    });

    test('that cannot be opened ends the command before anything is launched', async () => {
      const file = world().path('missing', 'trace.json');
      const words = `FATAL:   open the trace file "${file}": ENOENT (No such file or directory)\n`;
      const args = ['--trace', file, 'exec', image, 'touch', world().path('launched')];
      expect(await hit(args)).toMatchObject({ status: 255, stdout: '', stderr: words });
      const missed = await run(args, { env: { DAVIT_PLAN_CACHE: 'off' } });
      expect(missed).toMatchObject({ status: 255, stderr: expect.stringContaining(words) });
      expect(await run(['--trace', file, 'instance', 'list'])).toMatchObject({ status: 255, stdout: '' });
      expect(existsSync(world().path('launched'))).toBe(false);
    });

    test('that is a directory is refused', async () => {
      const { status, stderr } = await hit(['--trace', world().cwd, 'exec', image, 'true']);
      expect({ status, stderr }).toEqual({
        status: 255,
        stderr: `FATAL:   open the trace file "${world().cwd}": EISDIR (Is a directory)\n`,
      });
    });

    test('of a path that is relative lies in the working directory', async () => {
      await hit(['--trace', 'here.json', 'exec', image, 'true']);
      expect(existsSync(join(world().cwd, 'here.json'))).toBe(true);
    });

    test('is made as the umask has it', async () => {
      const before = process.umask(0o027);
      try {
        await run(['--trace', world().path('new.json'), 'exec', image, 'true']);
      } finally {
        process.umask(before);
      }
      expect(statSync(world().path('new.json')).mode & 0o777).toBe(0o640);
    });
  });
});
