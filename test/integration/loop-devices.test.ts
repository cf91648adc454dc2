/** Root: one loop device for each image, whoever else uses loop devices, and none left behind. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, openSync, closeSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { inspectImage } from '../../src/runtime/image/open';
import { FarImage } from './fault/far-image';
import { runTool } from './fault/tool';
import { expectTruth, withFaults } from './fault/truth';
import { asRoot, describeWith } from './support/capabilities';
import { loopsBelow } from './support/processes';
import type { World } from './support/world';

const page = ['cat', '/srv/site/index.html'];
const pageText = 'the page of the image\n';

function losetup(...args: string[]): string {
  return execFileSync('losetup', args, { encoding: 'utf8' }).trim();
}

/** Makes the state directory say that the loop device of that number serves the image (native/sys/loop_device.cc). */
function remember(world: World, device: string): void {
  const directory = join(world.stateDir, 'loops');
  const [memory, ...others] = readdirSync(directory);
  expect(others).toEqual([]);
  const number = Buffer.alloc(4);
  number.writeUInt32LE(Number(device.replace('/dev/loop', '')));
  const fd = openSync(join(directory, memory as string), 'r+');
  writeSync(fd, number, 0, 4, 0);
  closeSync(fd);
}

asRoot(() => {
  describeWith(['squashfs'], 'loop devices', () => {
    withFaults('of one image', (world) => {
      test('64 first starts at once have one', async () => {
        const names = Array.from({ length: 64 }, (_, index) => `web${index}`);
        await Promise.all(names.map((name) => world().ok('instance', 'start', world().image(), name)));
        expect(loopsBelow(world().directory)).toHaveLength(1);
        expect(await world().list()).toHaveLength(64);
        await world().ok('instance', 'stop', '--all');
        await world().expectNothingLeft();
        // And once more, each from a remembered plan.
        await Promise.all(names.map((name) => world().ok('instance', 'start', world().image(), name)));
        expect(loopsBelow(world().directory)).toHaveLength(1);
        await world().ok('instance', 'stop', '--all');
      });

      test('none is to be had: the start says so and names ways out; who has one already shares it', async () => {
        const start = (name: string) =>
          runTool(world(), ['refuse', 'LOOP_CTL_GET_FREE', '28'], ['instance', 'start', world().image(), name]);
        const { status, stderr } = await start('web');
        expect(status).toBe(255);
        expect(stderr).toMatch(/FATAL.*attach the image ".*" to the loop device "\/dev\/loop-control": ENOSPC/);
        expect(stderr).toMatch(/hint: all loop devices are taken: see losetup -a.*--unsquash/);
        expect(await expectTruth(world())).toEqual([]);
        await world().ok('instance', 'start', world().image(), 'first');
        expect(await start('second')).toMatchObject({ status: 0 });
        expect(await world().ok('exec', 'instance://second', ...page)).toBe(pageText);
        expect(loopsBelow(world().directory)).toHaveLength(1);
        await world().ok('instance', 'stop', '--all');
      });

      test('detached by somebody while it is used: it goes on, is shared, and ends with the last', async () => {
        await world().ok('instance', 'start', world().image(), 'first');
        const [device] = loopsBelow(world().directory);
        losetup('--detach', `/dev/${device}`);
        await world().ok('instance', 'start', world().image(), 'second');
        expect(loopsBelow(world().directory)).toEqual([device]);
        await world().ok('instance', 'stop', 'first');
        expect(await world().ok('exec', 'instance://second', ...page)).toBe(pageText);
        await world().ok('instance', 'stop', 'second');
      });
    });

    withFaults('of somebody else', (world) => {
      const foreign: string[] = [];
      afterEach(() => {
        for (const device of foreign.splice(0)) losetup('--detach', device);
      });
      function attach(...args: string[]): string {
        const device = losetup('--find', '--show', ...args);
        foreign.push(device);
        return device;
      }

      /** losetup's options for the image's file system, one of the two numbers another one. */
      function extent(other: { offsetBytes?: number; sizeBytes?: number } = {}): string[] {
        const { offsetBytes, sizeBytes } = { ...inspectImage(world().image()).image.squashfs, ...other };
        return ['--offset', String(offsetBytes), '--sizelimit', String(sizeBytes)];
      }
      const others: Record<string, () => string[]> = {
        'the same file with another offset': () => ['--read-only', ...extent({ offsetBytes: 0 }), world().image()],
        'the same file with another size': () => ['--read-only', ...extent({ sizeBytes: 4096 }), world().image()],
        'the same file, writable': () => [...extent(), world().image()],
        'a copy of the file': () => {
          copyFileSync(world().image(), world().path('copy.sif'));
          return ['--read-only', ...extent(), world().path('copy.sif')];
        },
      };
      test.each(Object.keys(others))('is remembered, but is %s: it is left alone', async (which) => {
        await world().ok('exec', world().image(), 'true');
        await expect.poll(() => loopsBelow(world().directory)).toEqual([]);
        const device = attach(...(others[which] as () => string[])());
        const before = losetup('--list', '--noheadings', device);
        remember(world(), device);
        await world().ok('instance', 'start', world().image(), 'web');
        expect(await world().ok('exec', 'instance://web', ...page)).toBe(pageText);
        expect(loopsBelow(world().directory)).toHaveLength(2);
        await world().ok('instance', 'stop', 'web');
        await expect.poll(() => loopsBelow(world().directory)).toEqual([device.replace('/dev/', '')]);
        expect(losetup('--list', '--noheadings', device)).toBe(before);
      });

      test('is remembered, and has gone', async () => {
        await world().ok('exec', world().image(), 'true');
        for (const device of ['/dev/loop4711', '/dev/loop1048575']) {
          remember(world(), device);
          expect(await world().ok('exec', world().image(), ...page)).toBe(pageText);
        }
      });
    });

    describeWith(['fuse', 'fusermount3', 'squashfuse_ll', 'mksquashfs'], 'of a file system that has died', () => {
      withFaults('and is there again', (world) => {
        test('is not used for another start', async () => {
          const before = await FarImage.mount(world());
          await world().ok('instance', 'start', before.path, 'old');
          const [dead] = loopsBelow(world().directory);
          // The same names, and most often the same device number, but nobody who answers for the old open file.
          process.kill(before.serverPid, 'SIGKILL');
          await before.unmount();
          const after = await FarImage.mount(world());
          try {
            remember(world(), `/dev/${dead}`);
            await world().ok('instance', 'start', after.path, 'new');
            expect(await world().ok('exec', 'instance://new', ...page)).toBe(pageText);
            expect(await expectTruth(world())).toHaveLength(2);
            await world().ok('instance', 'stop', '--all', '--timeout', '1');
            await expect.poll(() => loopsBelow(world().directory)).toEqual([]);
          } finally {
            await after.unmount();
          }
        });
      });
    });
  });
});
