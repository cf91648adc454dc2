/** State that cannot lie: services that do not want to stop. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isAlive, type Listed, type Outcome, type World } from './support/world';
import { liveProcesses } from './support/processes';
import { expectGone, expectRecovery, expectTruth, withFaults } from './fault/truth';

/** Starts a service that is a shell script; it has said "ready" when this returns. */
async function service(world: World, script: string, ...options: string[]): Promise<Listed> {
  await world.ok('instance', 'start', ...options, world.image(), 'web', 'run', 'sh', '-c', script);
  await expect.poll(async () => readFileSync((await world.listed('web')).logOutPath, 'utf8')).toContain('ready\n');
  return world.listed('web');
}

async function stop(world: World, ...options: string[]): Promise<Outcome & { ms: number }> {
  const begin = performance.now();
  const outcome = await world.davit('instance', 'stop', ...options, 'web');
  return { ...outcome, ms: performance.now() - begin };
}

function log(instance: Listed): string {
  return readFileSync(instance.logOutPath, 'utf8');
}

/** Milliseconds: what is stopped in less has not waited for the timeout of ten seconds. */
const SOON_MS = 9_500;

/** Stopped by the signal, before the timeout. */
function expectGraceful({ status, stderr, ms }: Outcome & { ms: number }): void {
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('Killing')]);
  expect(ms).toBeLessThan(SOON_MS);
}

function namesOf(world: World): string[] {
  return world.processes().map(({ commandLine }) => commandLine);
}

withFaults('stop', (world) => {
  test('of a service that ends by the signal', async () => {
    const instance = await service(world(), 'trap "echo bye; exit 0" INT; echo ready; while :; do sleep 0.1; done');
    expectGraceful(await stop(world()));
    expect(log(instance)).toContain('bye\n');
    await expectRecovery(world());
  });

  test('of a service that ignores SIGINT: after the timeout SIGKILL, and INFO says so', async () => {
    const instance = await service(world(), 'trap "echo heard" INT; echo ready; while :; do sleep 0.1; done');
    const { status, stderr, ms } = await stop(world(), '--timeout', '2');
    expect(status).toBe(0);
    const lines = stderr.trim().split('\n');
    expect(lines).toEqual([
      `INFO:    Stopping web instance of ${world().image()} (PID=${instance.pid})`,
      `INFO:    Killing web instance of ${world().image()} (PID=${instance.pid}) (Timeout)`,
    ]);
    expect(ms).toBeGreaterThan(1_900);
    expect(ms).toBeLessThan(SOON_MS);
    expect(log(instance)).toContain('heard\n');
    await expectRecovery(world());
  });

  test('of a service that ignores every signal, without a timeout and by force', async () => {
    for (const options of [['--timeout', '0'], ['--force'], ['--signal', 'SIGKILL']]) {
      await service(world(), "trap '' INT TERM HUP QUIT; echo ready; while :; do sleep 0.1; done");
      const { status, ms } = await stop(world(), ...options);
      expect([options, status]).toEqual([options, 0]);
      expect(ms).toBeLessThan(SOON_MS);
      await expectGone(world());
    }
    await expectRecovery(world());
  });

  for (const [what, rest, state] of [
    ['has ended', 'exit 0', 'exited'],
    ['still runs', 'exec sleep 1000', 'running'],
  ] as const) {
    test(`of a daemon in a session of its own, whose startscript ${what}`, async () => {
      const said = world().write('daemon.log', '');
      const daemon = `trap "echo bye >> ${said}; exit 0" INT; echo up >> ${said}; while :; do sleep 0.1; done`;
      await service(world(), `start-stop-daemon -S -b -x /bin/sh -- -c '${daemon}'; echo ready; ${rest}`);
      await expect.poll(() => readFileSync(said, 'utf8')).toBe('up\n');
      await expect.poll(async () => (await world().listed('web')).state).toBe(state);
      expectGraceful(await stop(world()));
      expect(readFileSync(said, 'utf8')).toBe('up\nbye\n');
      await expectRecovery(world());
    });
  }

  test('of a daemon that is suspended, beside a startscript that runs', async () => {
    const said = world().write('daemon.log', '');
    const daemon = `trap "echo bye >> ${said}; exit 0" INT; echo $$ >> ${said}; while :; do sleep 0.1; done`;
    await service(world(), `start-stop-daemon -S -b -x /bin/sh -- -c '${daemon}'; echo ready; exec sleep 1000`);
    await expect.poll(() => readFileSync(said, 'utf8')).not.toBe('');
    await world().ok('exec', 'instance://web', 'kill', '-STOP', readFileSync(said, 'utf8').trim());
    expectGraceful(await stop(world()));
    expect(readFileSync(said, 'utf8')).toMatch(/bye\n$/);
    await expectRecovery(world());
  });

  test('of a startscript that has ended and left nothing', async () => {
    await service(world(), 'echo ready; exit 0');
    await expect.poll(async () => (await world().listed('web')).state).toBe('exited');
    expectGraceful(await stop(world()));
    await expectRecovery(world());
  });

  for (const [who, pick] of Object.entries({
    service: ({ programPid }: Listed) => [programPid],
    init: ({ pid }: Listed) => [pid],
    'init and the service': ({ pid, programPid }: Listed) => [programPid, pid],
    'everything, as a suspended batch job is,': ({ pid, programPid, keeperPid }: Listed) => [
      programPid,
      pid,
      keeperPid,
    ],
  })) {
    test(`${who} suspended (SIGSTOP): listed, woken and stopped`, async () => {
      const instance = await service(world(), 'trap "echo bye; exit 0" INT; echo ready; while :; do sleep 0.1; done');
      for (const pid of pick(instance)) process.kill(pid, 'SIGSTOP');
      expect(await expectTruth(world())).toMatchObject([{ instance: 'web', state: 'running' }]);
      expectGraceful(await stop(world()));
      expect(log(instance)).toContain('bye\n');
      await expectRecovery(world());
    });
  }

  test('of a service that forks without end', async () => {
    const instance = await service(world(), 'echo ready; while :; do sh -c "sleep 0.2" & sleep 0.01; done');
    const { status } = await stop(world(), '--timeout', '2');
    expect(status).toBe(0);
    expect(isAlive(instance.pid)).toBe(false);
    await expectRecovery(world());
  });

  test('of a service that forks without end and ignores every signal', async () => {
    const loop = 'trap \\"\\" INT TERM HUP QUIT; while :; do setsid sleep 0.3 & sleep 0.02; done';
    await service(world(), `for i in 1 2 3; do setsid sh -c "${loop}" & done; echo ready; wait`);
    const { status } = await stop(world(), '--timeout', '1');
    expect(status).toBe(0);
    await expectRecovery(world());
  });

  test('with commands running inside: they end with the instance', async () => {
    await service(world(), 'echo ready; exec sleep 1000');
    const inside = [1, 2, 3].map(() => world().davit('exec', 'instance://web', 'sleep', '1000'));
    const sleeping = (): number => namesOf(world()).filter((name) => /(^|\/)sleep 1000$/.test(name)).length;
    await expect.poll(sleeping).toBe(4);
    expect((await stop(world(), '--timeout', '1')).status).toBe(0);
    for (const { status, signal } of await Promise.all(inside)) expect(status ?? signal).not.toBe(0);
    await expectRecovery(world());
  });

  test('twice at once', async () => {
    await service(world(), 'trap "" INT; echo ready; while :; do sleep 0.1; done');
    const both = await Promise.all([stop(world(), '--timeout', '1'), stop(world(), '--timeout', '1')]);
    for (const { status } of both) expect([0, 1]).toContain(status);
    expect(both.some(({ status }) => status === 0)).toBe(true);
    await expectRecovery(world());
  });

  test('orphans are reaped: no zombies gather', async () => {
    const { pid } = await service(
      world(),
      'for i in 1 2 3 4 5 6 7 8; do (sleep 0.2 &) ; done; echo ready; exec sleep 1000',
    );
    const inside = (): number => liveProcesses().filter(({ parent }) => parent === pid).length;
    await expect.poll(inside).toBe(1);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
    expect(children).toHaveLength(1);
    expectGraceful(await stop(world()));
    await expectRecovery(world());
  });

  test('SIGTERM, SIGINT and SIGHUP to the keeper, as a logout or a batch system sends them', async () => {
    const script = 'trap "echo hup" HUP; trap "echo bye; exit 0" TERM INT; echo ready; while :; do sleep 0.1; done';
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const instance = await service(world(), script);
      process.kill(instance.keeperPid, 'SIGHUP');
      await new Promise((done) => setTimeout(done, 200));
      expect(await expectTruth(world())).toMatchObject([{ state: 'running' }]);
      process.kill(instance.keeperPid, signal);
      await expectGone(world());
      expect(log(instance)).toMatch(/ready\nbye\n$/);
    }
    await expectRecovery(world());
  });
});
