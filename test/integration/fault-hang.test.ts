/**
 * State that cannot lie: an image on a file system that begins to hang in the middle of a start. The start can be ended,
 * its name is free then, and what still hangs leaves nothing behind when the file system goes on.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asUser, describeWith } from './support/capabilities';
import { liveProcesses, type ProcessFacts } from './support/processes';
import { isAlive, type World } from './support/world';
import { FarImage } from './fault/far-image';
import { runTool } from './fault/tool';
import { expectTruth, withFaults } from './fault/truth';

asUser(() => {
  describeWith(['fuse', 'fusermount3', 'squashfuse_ll', 'mksquashfs', 'userns'], 'image that hangs', () => {
    withFaults('from the middle of a launch on', (world) =>
      describe('ends', () => {
        let far: FarImage;
        beforeEach(async () => {
          far = await FarImage.mount(world());
        });
        afterEach(async () => await far.unmount());

        /** Of the world, without the far file system's own server. */
        const ours = (): ProcessFacts[] =>
          world()
            .processes()
            .filter(({ pid }) => pid !== far.serverPid);

        /** Runs davit up to that process's first step, makes the file system hang and lets the launch go on. */
        async function hangingFrom(
          role: 'starter' | 'keeper',
          ...args: string[]
        ): Promise<{ pid: number; parent: number }> {
          const { stdout } = await runTool(world(), ['suspend', role, '1', '1'], ['-q', ...args]);
          const pid = Number(stdout.split(/\s/)[1]);
          const parent = liveProcesses().find((process) => process.pid === pid)?.parent ?? 0;
          await far.hang();
          process.kill(pid, 'SIGCONT');
          // Whoever opens the image, the holder or a FUSE server.
          await expect.poll(() => ours().some(({ pid }) => waitsForServer(pid))).toBe(true);
          return { pid, parent };
        }

        /** The file system goes on: nothing is left of the launch. */
        async function expectNothing(): Promise<void> {
          far.goOn();
          await expect.poll(() => ours().map(({ commandLine }) => commandLine)).toEqual([]);
          expect(sharedFiles(world())).toEqual([]);
          expect(await expectTruth(world())).toEqual([]);
        }

        const start = (name: string): string[] => ['instance', 'start', far.path, name];

        test.each(['SIGINT', 'SIGKILL'] as const)('start, then %s: the name is free at once', async (signal) => {
          const { pid: keeper, parent: starter } = await hangingFrom('keeper', ...start('web'));
          expect(isAlive(starter)).toBe(true);
          expect(await world().list()).toEqual([]);
          process.kill(starter, signal);
          await expect.poll(() => isAlive(keeper)).toBe(false);
          // Another image, the same name, while the first one still hangs.
          await world().ok('instance', 'start', world().image(), 'web');
          await world().ok('instance', 'stop', 'web');
          await expectNothing();
        });

        test('the keeper is killed: the holder that comes too late leaves nothing, and the next start is whole', async () => {
          const { pid: keeper } = await hangingFrom('keeper', ...start('web'));
          process.kill(keeper, 'SIGKILL');
          await expect.poll(() => isAlive(keeper)).toBe(false);
          await expectNothing();
          await world().ok(...start('web'));
          await world().ok(...start('second'));
          expect(new Set((await world().list()).map(({ serverPid }) => serverPid)).size).toBe(1);
          await world().ok('instance', 'stop', '--all');
          await expectNothing();
        });

        test('for longer than a holder is waited for: the start goes on with a server of its own', async () => {
          const { pid: keeper } = await hangingFrom('keeper', ...start('web'));
          await expect.poll(() => sharedFiles(world())).toEqual([]);
          expect(isAlive(keeper)).toBe(true);
          far.goOn();
          await expect.poll(async () => await world().list()).toMatchObject([{ instance: 'web', keeperPid: keeper }]);
          expect(await world().ok('exec', 'instance://web', 'ls', '/bin/busybox')).toBe('/bin/busybox\n');
          // The holder that nobody waits for any more ends when it comes to that.
          const holders = (): ProcessFacts[] =>
            ours().filter(({ commandLine }) => commandLine.startsWith('davit image'));
          await expect.poll(holders).toEqual([]);
          await world().ok('instance', 'stop', 'web');
          await expectNothing();
        });

        test.each([[[]], [['--pid']]])('exec with %j, then SIGINT', async (options) => {
          const { pid } = await hangingFrom('starter', 'exec', ...options, far.path, 'true');
          expect(isAlive(pid)).toBe(true);
          process.kill(pid, 'SIGINT');
          await expect.poll(() => isAlive(pid)).toBe(false);
          await expectNothing();
        });
      }),
    );
  });
});

/** Whether the kernel keeps that process until a FUSE server answers. */
function waitsForServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8').startsWith('request_wait');
  } catch {
    return false; // it has ended meanwhile
  }
}

/** Files of shared FUSE servers in the state directory. */
function sharedFiles(world: World): string[] {
  const directory = join(world.stateDir, 'fuse');
  return existsSync(directory) ? readdirSync(directory) : [];
}
