/** State that cannot lie: many starts at once, of one name and of many. */
import { expect, test } from 'vitest';
import type { Outcome, World } from './support/world';
import { expectGone, expectRecovery, expectTruth, started, withFaults } from './fault/truth';

/** That many starts of one name, all begun before the first can have ended. */
async function compete(world: World, count: number): Promise<Outcome[]> {
  const children = Array.from({ length: count }, () => world.davit('instance', 'start', world.image(), 'web'));
  return Promise.all(children);
}

withFaults('simultaneous starts', (world) => {
  for (const count of [2, 2, 2, 16]) {
    test(`${count} of one name: exactly one wins, the others say why`, async () => {
      const outcomes = await compete(world(), count);
      expect(outcomes.filter(({ status }) => status === 0)).toHaveLength(1);
      for (const { status, stderr } of outcomes.filter((outcome) => outcome.status !== 0)) {
        expect([status, stderr]).toEqual([255, expect.stringMatching(/^FATAL: {3}.*instance web already exists/)]);
      }
      expect(await expectTruth(world())).toMatchObject([{ instance: 'web', state: 'running' }]);
      await world().ok('instance', 'stop', 'web');
      await expectGone(world());
    });
  }

  test('starts, stops and kills of one name at once leave a whole instance or none', async () => {
    for (let round = 0; round < 6; round++) {
      const jobs = Array.from({ length: 5 }, (_, index) =>
        index % 2 === 0
          ? world().davit('instance', 'start', world().image(), 'web')
          : world().davit('instance', 'stop', '--timeout', '0', 'web'),
      );
      const started = world().spawn(['instance', 'start', world().image(), 'web']);
      setTimeout(() => started.kill('SIGKILL'), 10 * round);
      await Promise.all(jobs);
      await new Promise((done) =>
        started.exitCode === null && !started.signalCode ? started.once('exit', done) : done(0),
      );
      await expect.poll(async () => (await expectTruth(world()).catch(() => [0, 0])).length).toBeLessThanOrEqual(1);
    }
    // What a killed command has begun comes to its end first.
    const launchers = (): string[] =>
      world()
        .processes()
        .flatMap(({ name, commandLine }) => (name === 'davit-launcher' ? [commandLine] : []));
    await expect.poll(launchers).toEqual([]);
    await world().davit('instance', 'stop', '--timeout', '0', 'web');
    await expectRecovery(world());
  });

  test('list and stop while instances start', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
    const starts = names.map((name) => world().davit('instance', 'start', world().image(), name));
    const lists = Array.from({ length: 6 }, () => world().davit('instance', 'list', '--json'));
    for (const { status } of await Promise.all([...starts, ...lists])) expect(status).toBe(0);
    expect((await expectTruth(world())).map(({ instance }) => instance)).toEqual([...names].sort());
    await world().ok('instance', 'stop', '--all');
    await expectGone(world());
  });
});

withFaults('200 instances', (world) => {
  test('started by 8 processes, all listed, all stopped', { timeout: 300_000 }, async () => {
    const names = Array.from({ length: 200 }, (_, index) => `n${String(index).padStart(3, '0')}`);
    await started(world(), 'first');
    const queue = [...names];
    const worker = async (): Promise<void> => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift())
        await world().ok('instance', 'start', world().image(), name);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    const listed = await expectTruth(world());
    expect(listed.map(({ instance }) => instance)).toEqual(['first', ...names]);
    expect(new Set(listed.flatMap(({ pid, keeperPid }) => [pid, keeperPid])).size).toBe(2 * listed.length);
    expect(await world().list('n0[0-4]*')).toHaveLength(50);
    expect(await world().ok('exec', 'instance://n199', 'echo', 'inside')).toBe('inside\n');
    await world().ok('instance', 'stop', 'n1*');
    expect(await expectTruth(world())).toHaveLength(101);
    await world().ok('instance', 'stop', '--all');
    await expectRecovery(world(), 'n100');
  });
});
