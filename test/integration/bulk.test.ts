/** Several instances by one command: ranges of names, --count, --atomic; list, stop and logs of them; runtime.startMany(). */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from './support/patience';
import { outcome, projectRoot, withWorld, type World } from './support/world';

const { Runtime } = createRequire(__filename)(join(projectRoot, 'dist/index.cjs')) as typeof import('../../src/index');

const names = async (world: World, ...pattern: string[]): Promise<string[]> =>
  (await world.list(...pattern)).map(({ instance }) => instance);

/** Without what the startscripts have written; that has the name of its instance in front. */
const messages = (stderr: string): string => stderr.replace(/^[a-z0-9-]+: .*\n/gm, '');

withWorld('several instances by one command', (world) => {
  test('a range starts each, with the same arguments', async () => {
    const { status, stdout, stderr } = await world().davit(
      'instance',
      'start',
      world().image(),
      'web-[1-12]',
      'polite',
    );
    expect([status, stdout, messages(stderr)]).toEqual([0, '', 'INFO:    12 instances started successfully\n']);
    const listed = await world().list();
    expect(listed.map(({ instance }) => instance).sort()).toEqual(
      Array.from({ length: 12 }, (_, i) => `web-${i + 1}`).sort(),
    );
    expect(new Set(listed.map(({ pid }) => pid)).size).toBe(12);
    for (const { command } of listed) expect(command).toEqual(['polite']);
    expect(await world().ok('exec', 'instance://web-12', 'echo', 'inside')).toBe('inside\n');
  });

  test('list and stop take the same ranges, and patterns beside them', async () => {
    expect(await names(world(), 'web-[9-12]')).toEqual(['web-10', 'web-11', 'web-12', 'web-9']);
    expect(await names(world(), 'web-[12]')).toEqual(['web-1', 'web-2']);
    expect(await names(world(), 'web-[1,12],w*-2')).toEqual(['web-1', 'web-12', 'web-2']);
    const { status, stderr } = await world().davit('instance', 'stop', 'web-[10-200]');
    expect(status).toBe(0);
    expect(stderr.match(/^INFO: {4}Stopping web-1[0-2] instance of /gm)).toHaveLength(3);
    expect(await names(world())).toEqual(Array.from({ length: 9 }, (_, i) => `web-${i + 1}`));
    expect(await world().davit('instance', 'stop', 'web-[12-9]')).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('the range 12-9 goes backwards'),
    });
  });

  test('names that are taken are reported, the others start', async () => {
    const { status, stderr } = await world().davit('instance', 'start', world().image(), 'web-[08-09,8-10]');
    expect(status).toBe(255);
    expect(messages(stderr)).toBe(
      'ERROR:   web-8: instance web-8 already exists\n' +
        'ERROR:   web-9: instance web-9 already exists\n' +
        'FATAL:   2 of 5 instances failed to start: web-[8-9]\n',
    );
    expect(await names(world(), 'web-0*,web-10')).toEqual(['web-08', 'web-09', 'web-10']);
  });

  test('--atomic stops what it has started, and nothing else', async () => {
    const before = await world().list();
    const result = await world().davit('instance', 'start', '--atomic', '--jobs=1', world().image(), 'a-[1-3],web-1,b');
    expect(result).toMatchObject({
      status: 255,
      stderr:
        'ERROR:   web-1: instance web-1 already exists\n' +
        'FATAL:   2 of 5 instances failed to start: web-1,b; stopped again: a-[1-3]\n',
    });
    const pids = (listed: typeof before): number[] => listed.map(({ pid }) => pid);
    expect(pids(await world().list())).toEqual(pids(before));
    await world().ok('instance', 'stop', '--all');
  });

  test('--count numbers the names, instance run takes it too', async () => {
    await world().ok('instance', 'run', '--count', '3', world().image(), 'job', 'sleep', '100');
    expect(await names(world())).toEqual(['job-1', 'job-2', 'job-3']);
    await world().ok('instance', 'stop', 'job-[1-3]');
  });

  test('--wait counts a startscript that fails', async () => {
    const { status, stderr } = await world().davit('instance', 'start', '--wait=20', world().image(), 'f,g', 'fail');
    expect(status).toBe(255);
    expect(stderr).toMatch(/^ERROR: {3}f: the startscript has failed with exit status \d+; the instance stays up$/m);
    expect(stderr).toMatch(/^g: cannot open the database$/m);
    expect(stderr).toMatch(/^FATAL: {3}2 of 2 instances failed to start: f,g$/m);
    expect(await names(world())).toEqual(['f', 'g']);
    await world().ok('instance', 'stop', 'f,g');
  });

  test.each([
    [['web-[1-'], '"[" without "]"'],
    [['web-[1-20000]'], 'more than 10000 names'],
    [['web-[1-2,2]'], 'web-2 is in it twice'],
    [['web[12]'], '[12] is one number'],
    [['--count=0', 'web'], 'start 0 instances: not a number from 1 to 10000'],
    [['--jobs=99', 'web-[1-2]'], 'launch 99 at a time: not a number from 1 to 32'],
    [['--pid-file=/nowhere/pid', 'web-[1-2]'], '--pid-file names one file'],
  ])('%j is refused before anything is started', async (words, message) => {
    const [name, ...flags] = [...words].reverse();
    const result = await world().davit('instance', 'start', ...flags, world().image(), name as string);
    expect(result).toMatchObject({ status: 255, stdout: '', stderr: expect.stringContaining(message) });
    expect(await names(world())).toEqual([]);
  });

  test('logs of several are headed by their names, also when they have ended', async () => {
    await world().ok('instance', 'run', world().image(), 'l-[9-10]', 'here');
    const log = 'runscript: 1: here\nword: <here>\n';
    await eventually(async () => {
      expect(await world().ok('instance', 'logs', 'l-[9-10]')).toBe(`==> l-10 <==\n${log}\n==> l-9 <==\n${log}`);
    });
    await world().ok('instance', 'stop', 'l-*');
    expect(await world().ok('instance', 'logs', 'l-?')).toBe(`==> l-9 <==\n${log}`);
    expect(await world().davit('instance', 'logs', 'nothing-[1-9]')).toMatchObject({ status: 255 });
    expect(await world().davit('instance', 'logs', '-f', 'l-[9-10]')).toMatchObject({ status: 255 });
  });

  test('a remembered launch of one name does not take a range for a name, and a range is not remembered', async () => {
    const plans = join(world().stateDir, 'plans');
    const count = (): number => (existsSync(plans) ? readdirSync(plans).length : 0);
    const before = count();
    await world().ok('instance', 'start', '--workdir=/tmp', world().image(), 'p-[1-2]');
    expect(count()).toBe(before);
    await world().ok('instance', 'start', '--workdir=/tmp', world().image(), 'single');
    await world().ok('instance', 'start', '--workdir=/tmp', world().image(), 'p-[3-4]');
    await world().ok('instance', 'start', '--workdir=/tmp', world().image(), 'single2');
    expect(await names(world())).toEqual(['p-1', 'p-2', 'p-3', 'p-4', 'single', 'single2']);
    await world().ok('instance', 'stop', '--all');
  });

  test('an interrupt starts nothing more; with --atomic nothing is left', async () => {
    const third = join(world().stateDir, 'instances/i-3');
    const child = world().spawn(['instance', 'start', '--atomic', '--jobs=1', world().image(), 'i-[1-2000]']);
    const ended = outcome(child);
    await eventually(() => expect(existsSync(third)).toBe(true));
    child.kill('SIGINT');
    const { status, stderr } = await ended;
    expect(status).toBe(255);
    expect(stderr).toMatch(/^FATAL: {3}\d+ of 2000 instances failed to start: i-\[.*\]; stopped again: i-\[1-\d+\]$/m);
    expect(await names(world())).toEqual([]);
  });

  test('runtime.startMany() starts in parallel, reports failures and takes them back', async () => {
    const runtime = new Runtime({ stateDir: world().stateDir, env: world().env });
    const { started, failed } = await runtime.startMany(world().image(), ['m-[01-10]', 'last'], { args: ['polite'] });
    expect(failed).toEqual([]);
    expect(started.map(({ name }) => name).slice(8)).toEqual(['m-09', 'm-10', 'last']);
    const second = await runtime.startMany(world().image(), 'x,last,y', { atomic: true, jobs: 1 });
    expect(second).toMatchObject({
      started: [],
      failed: [{ name: 'last', error: { code: 'INSTANCE_EXISTS' } }],
      withdrawn: ['x'],
      skipped: ['y'],
    });
    await expect(runtime.startMany('/no/such.sif', 'x[1-2]')).rejects.toMatchObject({ code: 'IMAGE_OPEN' });
    await expect(runtime.startMany(world().image(), [])).rejects.toMatchObject({ code: 'INSTANCE_NAME' });
    expect(await runtime.list('m-[01-10]')).toHaveLength(10);
    expect(await runtime.stop('m-[01-10],last')).toHaveLength(11);
  });
});
