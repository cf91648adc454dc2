/** Builds that are killed with all their processes: the next one clears up behind them, and behind nobody else. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { base, buildEnv, leftovers, SECTIONS } from './support/definitions';
import { eventually } from './support/patience';
import { childrenOf, printed } from './support/processes';
import { type World, withWorld } from './support/world';

function definition(world: World): string {
  return world.write('small.def', `Bootstrap: localimage\nFrom: ${base(world)}\n%post\n true\n`);
}

async function buildOnce(world: World): Promise<void> {
  await world.okWith({ env: buildEnv(world) }, 'build', '--force', world.path('small.sif'), definition(world));
}

describeWith([...SECTIONS, 'busybox'], 'temporary directories', () => {
  withWorld('of builds that were killed', (world) => {
    test('are removed by the next build', async () => {
      const { DAVIT_TMPDIR = '' } = buildEnv(world());
      for (let round = 0; round < 4; round++) {
        const args = ['build', '--force', world().path('killed.sif'), definition(world())];
        const child = world().spawn(args, { env: buildEnv(world()) });
        let isOver = false;
        const ended = new Promise((resolve) => child.once('close', resolve)).then(() => {
          isOver = true;
        });
        // On a busy machine a build may be over before it was seen to begin; the other rounds are not.
        await eventually(() => expect(isOver || readdirSync(DAVIT_TMPDIR).length > 0).toBe(true));
        await new Promise((resolve) => setTimeout(resolve, 15 * round));
        child.kill('SIGKILL');
        await ended;
        await eventually(() => expect(world().processes()).toEqual([]));
        await buildOnce(world());
        const left = leftovers(world()).flatMap((name) => [name, ...readdirSync(join(DAVIT_TMPDIR, name))]);
        expect(left).toEqual([]);
      }
    });

    test('are removed by the next build when one was at work in them', async () => {
      const { DAVIT_TMPDIR = '' } = buildEnv(world());
      const text = `Bootstrap: localimage\nFrom: ${base(world())}\n%post\n mkdir /x; chown 1 /x || true; echo begun; sleep 1000\n`;
      const child = world().spawn(['build', world().path('begun.sif'), world().write('begun.def', text)], {
        env: buildEnv(world()),
      });
      const ended = new Promise((resolve) => child.once('close', resolve));
      await printed(child.stdout as NodeJS.ReadableStream, 'begun');
      // Stopped first: neither can clear up behind the other.
      const both = [child.pid as number, ...childrenOf(child.pid as number)];
      expect(both).toHaveLength(2);
      for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of both) process.kill(pid, signal);
      await ended;
      const [left = ''] = readdirSync(DAVIT_TMPDIR);
      expect(readdirSync(join(DAVIT_TMPDIR, left))).toContain('rootfs');
      await world().expectNothingLeft();
      await buildOnce(world());
      expect(leftovers(world())).toEqual([]);
    });

    test('are not taken from one of many builds that begin at once', async () => {
      const one = definition(world());
      const images = Array.from({ length: 6 }, (_, at) => world().path(`many-${at}.sif`));
      await Promise.all(images.map((image) => world().okWith({ env: buildEnv(world()) }, 'build', image, one)));
      expect(leftovers(world())).toEqual([]);
    });

    test('stay when somebody holds them, or has them from another program', async () => {
      const { DAVIT_TMPDIR = '' } = buildEnv(world());
      const make = (name: string, ...files: string[]): string => {
        const directory = join(DAVIT_TMPDIR, `build-temp-${name}`);
        mkdirSync(directory);
        for (const file of files) writeFileSync(join(directory, file), '');
        return directory;
      };
      const abandoned = make('gone', 'davit.lock', 'task.json');
      const empty = make('davit-empty');
      const held = make('held', 'davit.lock', 'task.json');
      const others = [make('other'), make('foreign', 'task.json'), make('older', 'davit.lock', 'rootfs')];
      const script = 'flock -n "$0" sh -c "echo held; exec sleep 1000"';
      const holder = spawn('sh', ['-c', `exec ${script}`, join(held, 'davit.lock')], { detached: true });
      try {
        await new Promise((resolve) => holder.stdout.once('data', resolve));
        await buildOnce(world());
        expect([abandoned, empty].filter(existsSync)).toEqual([]);
        for (const directory of [held, ...others]) expect(existsSync(directory), directory).toBe(true);
      } finally {
        process.kill(-(holder.pid as number), 'SIGKILL');
      }
    });
  });
});
