/**
 * State that cannot lie: a start that is suspended in its middle, as the processes of a batch job are, and one that hangs on
 * a dead file system. Nobody else waits for it, and it can be ended.
 */
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeWith, isRoot } from './support/capabilities';
import { davitPath, outcome, type World } from './support/world';
import { faultTool, runTool } from './fault/tool';
import { expectGone, expectRecovery, expectTruth, withFaults } from './fault/truth';

const everyPoint = process.env.DAVIT_TEST_FAULTS === 'all';
const never = '1000000';

/** PID of the suspended process, or nothing when it made fewer system calls. */
async function startSuspended(
  world: World,
  role: string,
  at: number | string,
  ...more: string[]
): Promise<{ pid?: number; count: number }> {
  const verb = ['suspend', role, String(at), isRoot ? '0' : '1'];
  const { stdout } = await runTool(world, verb, ['-q', 'instance', 'start', world.image(), 'web', ...more]);
  if (stdout.startsWith('end ')) return { count: Number(stdout.split(/\s/)[1]) };
  return { pid: Number(stdout.split(/\s/)[1]), count: 0 };
}

const needs = isRoot ? (['squashfs'] as const) : (['fuse', 'squashfuse_ll', 'userns'] as const);

describeWith(needs, 'suspended in the middle of a start', () => {
  withFaults('start', (world) => {
    for (const role of ['starter', 'keeper', 'init']) {
      test(`the ${role}: list does not wait, start says so, and it goes on`, { timeout: 300_000 }, async () => {
        const { count } = await startSuspended(world(), role, never);
        await world().ok('instance', 'stop', 'web');
        const step = everyPoint ? 1 : (count - 1) / 4;
        for (let point = 1; point <= count; point += step) {
          const at = Math.floor(point);
          const { pid } = await startSuspended(world(), role, at);
          if (pid === undefined) {
            // It made fewer system calls this time, and nothing was in its way.
            await world().ok('instance', 'stop', 'web');
            continue;
          }
          const begin = performance.now();
          const listed = await world().list();
          // It would wait for as long as that process is stopped.
          expect(performance.now() - begin, `list, ${role} at ${at}`).toBeLessThan(20_000);
          const other = await world().davit('instance', 'start', world().image(), 'web');
          if (other.status !== 0) expect(other.stderr).toContain('instance web already exists');
          else expect(listed).toEqual([]);
          process.kill(pid, 'SIGCONT');
          // The suspended start has won, or found the name taken.
          await expect.poll(async () => (await world().list()).length).toBe(1);
          await expect
            .poll(() =>
              world()
                .processes()
                .some(({ state }) => state === 'T'),
            )
            .toBe(false);
          await expectTruth(world());
          await world().ok('instance', 'stop', 'web');
          await expectGone(world());
        }
        await expectRecovery(world());
      });
    }

    test('a startscript that ends while its keeper is suspended has not ended before it was started', async () => {
      const over = world().path('over');
      const script = ['run', 'sh', '-c', ': >"$0"; exit 7', over];
      const { count } = await startSuspended(world(), 'keeper', never, ...script);
      await world().ok('instance', 'stop', 'web');
      // The program has been executed; the keeper describes it.
      for (const at of [count - 10, count - 7, count - 4]) {
        rmSync(over, { force: true });
        const { pid } = await startSuspended(world(), 'keeper', at, ...script);
        await expect.poll(() => existsSync(over)).toBe(true);
        if (pid !== undefined) process.kill(pid, 'SIGCONT');
        await expect.poll(async () => (await world().list()).map(({ exitStatus }) => exitStatus)).toEqual([7]);
        const { startedAt, exitedAt } = await world().listed('web');
        expect(Date.parse(exitedAt ?? ''), `keeper at ${at} of ${count}`).toBeGreaterThanOrEqual(Date.parse(startedAt));
        await world().ok('instance', 'stop', 'web');
        await expectGone(world());
      }
    });
  });
});

describeWith([...needs, 'fuse', 'userns'], 'file system that never answers', () => {
  withFaults('launch', (world) => {
    const launches: Record<string, (dead: string) => string[]> = {
      'instance start': (dead) => ['instance', 'start', '--bind', `${dead}:/mnt`, world().image(), 'web'],
      'instance start, the directory deep below': (dead) => [
        'instance',
        'start',
        '--bind',
        `${dead}/a/b:/mnt`,
        world().image(),
        'web',
      ],
      'instance start with the home there': (dead) => [
        'instance',
        'start',
        '--home',
        `${dead}:/home/x`,
        world().image(),
        'web',
      ],
      'exec in place': (dead) => ['exec', '--bind', `${dead}/a:/mnt`, world().image(), 'true'],
      'exec in a PID namespace': (dead) => ['exec', '--pid', '--bind', `${dead}/a:/mnt`, world().image(), 'true'],
    };
    for (const [what, args] of Object.entries(launches)) {
      test.each(['SIGINT', 'SIGKILL'] as const)(`${what}: hangs until %s, then nothing is left`, async (signal) => {
        const dead = world().makeDirectory('dead');
        const child = spawn(faultTool(), ['hang', dead, davitPath, ...args(dead)], {
          cwd: world().cwd,
          env: world().env,
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const ended = outcome(child, {}, what);
        await expect.poll(() => world().processes().length).toBeGreaterThan(0);
        await new Promise((done) => setTimeout(done, 400));
        expect([child.exitCode, child.signalCode], 'it hangs').toEqual([null, null]);
        expect(await world().list()).toEqual([]);
        process.kill(child.pid as number, signal);
        await ended;
        await expectRecovery(world());
      });
    }

    test('an init that is killed before its program was executed: the start fails', async () => {
      // The environment's scripts are read by the program before it is executed.
      const scripts = world().makeDirectory('scripts');
      const dead = world().makeDirectory('scripts/50-dead.sh');
      const start = ['instance', 'start', '--bind', `${scripts}:/.singularity.d/env`, world().image(), 'web'];
      const child = spawn(faultTool(), ['hang', dead, davitPath, ...start], {
        cwd: world().cwd,
        env: world().env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const ended = outcome(child, {}, 'instance start');
      const init = (): number => {
        const all = world().processes();
        const found = all.find(({ pid, name }) => name === 'davit-init' && all.some(({ parent }) => parent === pid));
        return found?.pid ?? 0;
      };
      await expect.poll(init).toBeGreaterThan(0);
      process.kill(init(), 'SIGKILL');
      const { status, stderr } = await ended;
      expect([status, stderr]).toEqual([255, expect.stringContaining('init ended during the start')]);
      await expectRecovery(world());
    });
  });
});
