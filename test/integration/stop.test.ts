/** instance stop: which instances, which signal, how long, and what it says. */
import { expect, test } from 'vitest';
import { asUser } from './support/capabilities';
import { eventually } from './support/patience';
import { minds } from './support/processes';
import { isAlive, outcome, withWorld, type World } from './support/world';

const usage = /^Usage:\n {2}davit \[global options\.\.\.\] instance stop \[stop options\.\.\.\] \[instance\]\n/;

/** What a stop waits for without --timeout: what takes less has not waited. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** Waits until the startscript has said what it does with the signal; it says it of SIGTERM last. */
async function expectMind(world: World, name: string, signal: NodeJS.Signals, how: 'SigCgt' | 'SigIgn'): Promise<void> {
  const { programPid } = await world.listed(name);
  await eventually(() => expect(minds(programPid, signal, how)).toBe(true));
}

async function start(world: World, ...names: string[]): Promise<void> {
  for (const name of names) await world.ok('instance', 'start', world.image(), name);
}

async function names(world: World): Promise<string[]> {
  return (await world.list()).map((entry) => entry.instance);
}

withWorld('instance stop', (world) => {
  test('says what it stops, and returns when it is gone', async () => {
    await start(world(), 'web');
    const { pid, keeperPid, programPid } = await world().listed('web');
    expect(await world().davit('instance', 'stop', 'web')).toEqual({
      status: 0,
      signal: null,
      code: 0,
      stdout: '',
      stderr: `INFO:    Stopping web instance of ${world().image()} (PID=${pid})\n`,
    });
    for (const each of [pid, keeperPid, programPid]) expect(isAlive(each)).toBe(false);
    await world().expectNothingLeft();
  });

  test.each([
    ['nosuch', 'no instance found'],
    ['nomatch*', 'no instance found'],
    ['--all', 'no instance found'],
  ])('without a match (%s) shows the usage', async (argument, message) => {
    expect(await world().davit('instance', 'stop', argument)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(usage),
      stderr: `Error for command "stop": ${message}\n\n`,
    });
  });

  test('asks for a name or --all', async () => {
    expect(await world().davit('instance', 'stop')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(usage),
      stderr: 'Error for command "stop": invalid command\n\n',
    });
  });

  test('takes a pattern', async () => {
    await start(world(), 'web1', 'web2', 'db1');
    const { stderr } = await world().davit('instance', 'stop', 'web*');
    expect(stderr.split('\n').filter(Boolean).sort()).toEqual([
      expect.stringMatching(/^INFO: {4}Stopping web1 instance of /),
      expect.stringMatching(/^INFO: {4}Stopping web2 instance of /),
    ]);
    expect(await names(world())).toEqual(['db1']);
  });

  test.each([['*'], ['--all'], ['-a']])('stops everything by %s', async (argument) => {
    await start(world(), 'one', 'two', 'three');
    await world().ok('instance', 'stop', argument);
    expect(await names(world())).toEqual([]);
  });

  test('also stops everything where the environment says so', async () => {
    await start(world(), 'one', 'two');
    await world().okWith({ env: { SINGULARITY_ALL: 'true' } }, 'instance', 'stop');
    expect(await names(world())).toEqual([]);
  });

  test.each([['SIGINT'], ['int'], ['2'], ['TERM'], ['sigterm'], ['15']])('sends the signal %s', async (signal) => {
    await world().ok('instance', 'start', world().image(), 'polite', 'polite');
    await expectMind(world(), 'polite', 'SIGTERM', 'SigCgt');
    const before = (await world().ok('instance', 'logs', 'polite')).length;
    await world().ok('instance', 'stop', '--signal', signal, 'polite');
    const name = /int|2/i.test(signal) ? 'INT' : 'TERM';
    expect((await world().ok('instance', 'logs', 'polite')).slice(before)).toBe(`startscript: got ${name}\n`);
  });

  test('sends SIGINT unless told otherwise', async () => {
    await world().ok('instance', 'start', world().image(), 'default', 'polite');
    await expectMind(world(), 'default', 'SIGTERM', 'SigCgt');
    await world().ok('instance', 'stop', 'default');
    expect(await world().ok('instance', 'logs', 'default')).toContain('startscript: got INT\n');
  });

  test.each([['NOSUCH'], ['0'], ['99'], ['-1']])('refuses the signal %s', async (signal) => {
    await start(world(), 'kept');
    expect(await world().davit('instance', 'stop', `--signal=${signal}`, 'kept')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}Could not convert stop signal: /),
    });
    expect(await names(world())).toEqual(['kept']);
    await world().ok('instance', 'stop', 'kept');
  });

  test('kills what ignores the signal, after --timeout seconds', async () => {
    await world().ok('instance', 'start', world().image(), 'mule', 'stubborn');
    await expectMind(world(), 'mule', 'SIGTERM', 'SigIgn');
    const { pid } = await world().listed('mule');
    const since = Date.now();
    const { stderr, status } = await world().davit('instance', 'stop', '--timeout', '1', 'mule');
    const tookMs = Date.now() - since;
    expect(status).toBe(0);
    expect(stderr).toBe(
      `INFO:    Stopping mule instance of ${world().image()} (PID=${pid})\n` +
        `INFO:    Killing mule instance of ${world().image()} (PID=${pid}) (Timeout)\n`,
    );
    expect(tookMs).toBeGreaterThanOrEqual(1000);
    expect(tookMs).toBeLessThan(DEFAULT_TIMEOUT_MS);
    expect(await names(world())).toEqual([]);
  });

  test('kills at once with --force', async () => {
    await world().ok('instance', 'start', world().image(), 'mule', 'stubborn');
    const since = Date.now();
    await world().ok('instance', 'stop', '--force', 'mule');
    expect(Date.now() - since).toBeLessThan(DEFAULT_TIMEOUT_MS);
    expect(await names(world())).toEqual([]);
  });

  test('does not wait for an instance whose startscript has ended', async () => {
    await world().ok('instance', 'start', world().image(), 'over', 'end');
    await eventually(async () => expect(await world().listed('over')).toMatchObject({ state: 'exited' }));
    const since = Date.now();
    await world().ok('instance', 'stop', 'over');
    expect(Date.now() - since).toBeLessThan(DEFAULT_TIMEOUT_MS);
  });

  test('ends commands that were joined to the instance', async () => {
    await start(world(), 'joined');
    const child = world().spawn(['exec', 'instance://joined', 'sh', '-c', 'echo in; exec sleep 1000000']);
    await new Promise((done) => child.stdout?.once('data', done));
    const end = outcome(child);
    await world().ok('instance', 'stop', 'joined');
    // By the signal that init hands on at the end, or with the PID namespace.
    expect([130, 137]).toContain((await end).code);
  });

  test('takes one argument', async () => {
    expect(await world().davit('instance', 'stop', 'a', 'b')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('received 2'),
    });
  });

  asUser(() => {
    test('is for root alone with --user', async () => {
      expect(await world().davit('instance', 'stop', '--user', 'root', 'x')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}Only root user can /),
      });
    });
  });
});
