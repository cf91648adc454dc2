/** Several instances by one command, when something comes in between: a terminal's interrupt, kills, a lost image, limits. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { eventually } from './support/patience';
import { liveProcesses } from './support/processes';
import { TerminalSession } from './support/terminal';
import { davitPath, outcome, withWorld, type World } from './support/world';

/** As many as can all be started. */
const SOME = 250;
/** So many that no machine has started them all before a test has seen the third and interferes. */
const MANY = 2500;

const range = (count: number): string => `k-[1-${count}]`;

const names = async (world: World): Promise<string[]> => (await world.list()).map(({ instance }) => instance);

/** Resolves when the third of them is on its way. */
async function begun(world: World): Promise<void> {
  const third = join(world.stateDir, 'instances/k-3');
  await eventually(() => expect(existsSync(third)).toBe(true));
}

function launcherOf(child: ChildProcess): number {
  const found = liveProcesses().find(({ parent, name }) => parent === child.pid && name === 'davit-launcher');
  return found?.pid as number;
}

/** What a message says of so many of so many: as many as are not listed. */
async function expectCounted(world: World, stderr: string, count: number): Promise<void> {
  const said = new RegExp(`^FATAL: +(\\d+) of ${count} instances failed to start: `, 'm').exec(stderr);
  expect(stderr).toMatch(said ? /FATAL/ : `INFO:    ${count} instances started successfully`);
  expect(await names(world)).toHaveLength(count - Number(said?.[1] ?? 0));
}

withWorld('a bulk start that is interfered with', (world) => {
  for (const options of [[], ['--atomic']]) {
    test(`the launcher is killed ${options.join('')}`, async () => {
      const child = world().spawn(['instance', 'start', '--jobs=4', ...options, world().image(), range(MANY)]);
      const ended = outcome(child);
      await begun(world());
      process.kill(launcherOf(child), 'SIGKILL');
      const { status, stderr } = await ended;
      expect(status).toBe(255);
      expect(stderr).toMatch(/^ERROR: {3}k-\d+: the launcher was killed by signal 9$/m);
      if (options.length === 0) await expectCounted(world(), stderr, MANY);
      else expect(await names(world())).toEqual([]);
      // Every one of them is whole, and its name is free again when it ends.
      await world().davit('instance', 'stop', '--all');
      await world().ok('instance', 'start', world().image(), 'k-[1-6]');
      await world().ok('instance', 'stop', 'k-[1-6]');
    });
  }

  test('the command is killed: what has begun comes to its end, and nothing more is begun', async () => {
    const child = world().spawn(['instance', 'start', world().image(), range(MANY)]);
    const ended = outcome(child);
    await begun(world());
    const launcher = launcherOf(child);
    child.kill('SIGKILL');
    expect((await ended).signal).toBe('SIGKILL');
    const pids = (): number[] => liveProcesses().map(({ pid }) => pid);
    await eventually(() => expect(pids()).not.toContain(launcher));
    const up = await names(world());
    expect(up.length).toBeGreaterThan(0);
    expect(up.length).toBeLessThan(MANY);
    await world().ok('instance', 'stop', '--all');
  });

  test('the image goes: those that could not have it say so, the others are up', async () => {
    const image = world().image('static');
    const child = world().spawn(['instance', 'start', image, range(SOME)]);
    const ended = outcome(child);
    await begun(world());
    rmSync(image);
    const { stderr } = await ended;
    await expectCounted(world(), stderr, SOME);
    await world().davit('instance', 'stop', '--all');
  });

  test('a low limit of open files is kept, with --wait as well', async () => {
    const limited = `ulimit -n 48; exec "$0" instance start --wait=1 --jobs=8 "$1" 'k-[1-40]' polite`;
    expect(await world().command('/bin/sh', ['-c', limited, davitPath, world().image()])).toMatchObject({ status: 0 });
    expect(await names(world())).toHaveLength(40);
    await world().ok('instance', 'stop', '--all');
  });

  test('--wait waits for all at one time', async () => {
    const begin = performance.now();
    await world().ok('instance', 'start', '--wait=2', '--jobs=1', world().image(), 'k-[1-8]', 'polite');
    const seconds = (performance.now() - begin) / 1000;
    expect(seconds).toBeGreaterThan(2);
    expect(seconds, 'eight times two seconds').toBeLessThan(16);
    await world().ok('instance', 'stop', '--all');
  });

  test('keepers hold nothing of each other: each name is free when its keeper ends', async () => {
    await world().ok('instance', 'start', '--jobs=4', world().image(), 'k-[1-6]');
    const listed = await world().list();
    for (const { keeperPid, instance } of listed) {
      // A keeper lets its starter's descriptors go when it sees that it has ended.
      await eventually(() => {
        const open = readdirSync(`/proc/${keeperPid}/fd`).map((fd) => readlinkSync(`/proc/${keeperPid}/fd/${fd}`));
        expect(open.filter((path) => path.includes('/instances/') && !path.includes(`/${instance}`))).toEqual([]);
        expect(open.filter((path) => path.includes('davit-report'))).toEqual([]);
        expect(open.filter((path) => path.endsWith('/lock'))).toHaveLength(1);
      });
    }
    for (const { keeperPid } of listed) process.kill(keeperPid, 'SIGKILL');
    await eventually(async () => expect(await names(world())).toEqual([]));
  });

  describeWith(['terminal'], 'on a terminal', () => {
    for (const options of [[], ['--atomic']]) {
      test(`Ctrl-C: what has begun comes to its end ${options.join('')}`, async () => {
        const session = new TerminalSession(world(), [
          'instance',
          'start',
          '--jobs=1',
          ...options,
          world().image(),
          range(MANY),
        ]);
        await begun(world());
        session.type('\x03');
        expect(await session.end()).toBe(255);
        const shown = session.shown.replace(/\r|\x1b\[\d+m|\^C/g, '');
        expect(shown).not.toMatch(/^ERROR/m);
        if (options.length === 0) await expectCounted(world(), shown, MANY);
        else expect(shown).toMatch(/instances failed to start: k-\[\d+-2500\]; stopped again: k-\[1-\d+\]$/m);
        const left = await names(world());
        expect(left.length === 0).toBe(options.length > 0);
        expect(left.length).toBeLessThan(MANY);
        await world().davit('instance', 'stop', '--all');
      });
    }
  });
});
