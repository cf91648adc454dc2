/** State that cannot lie: images that change or vanish while instances run from them. */
import { copyFileSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { layOutBusybox } from './support/busybox';
import { describeWith, isRoot } from './support/capabilities';
import { isAlive, type World } from './support/world';
import { expectGone, expectRecovery, expectTruth, started, withFaults } from './fault/truth';

const needs = isRoot ? (['squashfs'] as const) : (['fuse', 'squashfuse_ll', 'userns'] as const);

/** Another image: the same but for one page. */
async function otherImage(world: World): Promise<string> {
  const path = world.path('other.sif');
  const rootfs = world.makeDirectory('other-rootfs');
  layOutBusybox(rootfs);
  writeFileSync(`${rootfs}/srv/site/index.html`, 'the page of the other image\n');
  await world.ok('build', '--force', path, rootfs);
  rmSync(rootfs, { recursive: true });
  return path;
}

/** The image of these tests: none of the fixture's own copies is changed. */
function victimImage(world: World): string {
  const path = world.path('victim.sif');
  copyFileSync(world.image(), path);
  return path;
}

/** Waits until the service has read from its image all that it will ever need: it sleeps. */
async function settled(world: World, name: string): Promise<void> {
  const { programPid } = await world.listed(name);
  await vi.waitFor(() => expect(readFileSync(`/proc/${programPid}/wchan`, 'utf8')).toContain('nanosleep'), 10_000);
}

const page = ['cat', '/srv/site/index.html'];

describeWith(needs, 'image', () => {
  withFaults('changed while an instance runs from it', (world) => {
    /** The instance `web` runs from `image`, which `change` changes; then it is listed, stopped and gone. */
    async function around(change: (image: string) => Promise<void> | void, body = async (): Promise<void> => {}) {
      const image = victimImage(world());
      await world().ok('instance', 'start', image, 'web');
      expect(await world().ok('exec', 'instance://web', ...page)).toBe('the page of the image\n');
      await settled(world(), 'web');
      await change(image);
      expect(await expectTruth(world())).toMatchObject([{ instance: 'web', img: image, state: 'running' }]);
      await body();
      await world().ok('instance', 'stop', 'web');
      await expectGone(world());
    }

    test('replaced by a rename: the running one keeps the old, a new one gets the new', async () => {
      const other = await otherImage(world());
      await around(
        (image) => renameSync(other, image),
        async () => {
          await world().ok('instance', 'start', world().path('victim.sif'), 'new');
          expect(await world().ok('exec', 'instance://new', ...page)).toBe('the page of the other image\n');
          expect(await world().ok('exec', 'instance://web', ...page)).toBe('the page of the image\n');
          expect(await expectTruth(world())).toHaveLength(2);
          await world().ok('instance', 'stop', 'new');
        },
      );
      await expectRecovery(world());
    });

    test('deleted: the running one goes on, a new one says what is missing', async () => {
      await around(
        (image) => rmSync(image),
        async () => {
          expect(await world().ok('exec', 'instance://web', 'ls', '/bin/busybox')).toBe('/bin/busybox\n');
          const { status, stderr } = await world().davit('instance', 'start', world().path('victim.sif'), 'new');
          expect([status, stderr]).toEqual([255, expect.stringContaining(world().path('victim.sif'))]);
          expect(await expectTruth(world())).toHaveLength(1);
        },
      );
      await expectRecovery(world());
    });

    test('overwritten in place by another image: a new instance sees the new one', async () => {
      const other = await otherImage(world());
      const { ino } = statSync(victimImage(world()));
      await around(
        (image) => {
          copyFileSync(other, image);
          expect(statSync(image).ino).toBe(ino);
        },
        async () => {
          await world().ok('instance', 'start', world().path('victim.sif'), 'new');
          expect(await world().ok('exec', 'instance://new', ...page)).toBe('the page of the other image\n');
          await world().ok('instance', 'stop', 'new');
        },
      );
      await expectRecovery(world());
    });

    test.each([0, 4096, 200_000])('truncated to %i bytes', async (size) => {
      await around(
        (image) => truncateSync(image, size),
        async () => {
          // What it still can do depends on what the machine has in its memory; it must not hang.
          await world().davit('exec', 'instance://web', 'ls', '/srv/site/deep/er');
          const { status, stderr } = await world().davit('instance', 'start', world().path('victim.sif'), 'new');
          expect([status, stderr]).toEqual([255, expect.stringContaining('FATAL')]);
        },
      );
      await expectRecovery(world());
    });

    test('overwritten with noise', async () => {
      await around(
        (image) => writeFileSync(image, Buffer.alloc(statSync(image).size, 0xa5)),
        async () => void (await world().davit('exec', 'instance://web', 'ls', '/srv/site')),
      );
      await expectRecovery(world());
    });

    test('unreadable for its owner', async () => {
      await around(
        async (image) => void (await world().command('chmod', ['000', image])),
        async () => expect(await world().ok('exec', 'instance://web', 'ls', '/bin/busybox')).toBe('/bin/busybox\n'),
      );
      await expectRecovery(world());
    });
  });

  if (!isRoot) {
    withFaults('FUSE server', (world) => {
      test('stopped (SIGSTOP): the instance is listed and can be stopped', async () => {
        const instance = await started(world());
        process.kill(instance.serverPid, 'SIGSTOP');
        expect(await expectTruth(world())).toHaveLength(1);
        const hanging = world().spawn(['exec', 'instance://web', 'ls', '-R', '/srv']);
        await new Promise((done) => setTimeout(done, 300));
        await world().ok('instance', 'stop', '--timeout', '1', 'web');
        await expect.poll(() => isAlive(instance.serverPid)).toBe(false);
        if (hanging.exitCode === null && hanging.signalCode === null)
          await new Promise((done) => hanging.once('exit', done));
        await expectRecovery(world());
      });

      test('killed: the log of the instance says why it ended', async () => {
        const instance = await started(world());
        process.kill(instance.serverPid, 'SIGKILL');
        await expectGone(world());
        const { stdout } = await world().command('cat', [instance.logErrPath]);
        expect(stdout).toContain('the FUSE server of the image ended; the instance is ended');
        await expectRecovery(world());
      });
    });
  }
});
