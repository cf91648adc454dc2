/** ext3 overlays: as files and as partitions of a SIF, writable for one launch or read-only for many. */
import { copyFileSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { FUSE_OVERLAY, isRoot, testWith } from './support/capabilities';
import { withWorld, type World } from './support/world';

const MIB = 1 << 20;

/** By the kernel for root, by FUSE servers for others: what only those do is in overlay-fuse.test.ts. */
function testOverlay(title: string, body: () => Promise<void>): void {
  testWith(['mkfs_ext3', ...(isRoot ? (['ext3', 'squashfs'] as const) : FUSE_OVERLAY)], title, body);
}

/** The kernel mounts squashfs for root alone, and it alone writes to a journal. */
function testAsRoot(title: string, body: () => Promise<void>): void {
  if (isRoot) testWith(['ext3', 'squashfs', 'mkfs_ext3', 'mksquashfs'], title, body);
}

async function makeOverlay(world: World, name: string): Promise<string> {
  const image = world.path(name);
  await world.ok('overlay', 'create', '--sparse', image);
  return image;
}

async function sifWithOverlay(world: World, name: string): Promise<string> {
  const image = world.path(name);
  copyFileSync(world.image(), image);
  await world.ok('overlay', 'create', '--sparse', image);
  return image;
}

/** An ext3 file system with what `fill` puts into a directory. */
async function makeExt3(world: World, name: string, fill: (directory: string) => void): Promise<string> {
  const image = world.path(name);
  writeFileSync(image, '');
  truncateSync(image, 16 * MIB);
  const directory = world.makeDirectory(`${name}.d`);
  fill(directory);
  const made = await world.command('mkfs.ext3', ['-q', '-F', '-E', 'root_owner', '-d', directory, image]);
  expect(made).toMatchObject({ status: 0 });
  return image;
}

/** Runs while an instance with `options` is there. */
async function during(world: World, options: string[], image: string, run: () => Promise<void>): Promise<void> {
  await world.ok('instance', 'start', ...options, image, 'user-of-overlay');
  try {
    await run();
  } finally {
    await world.ok('instance', 'stop', 'user-of-overlay');
  }
}

withWorld('an ext3 image as overlay', (world) => {
  afterEach(() => world().stopAll());

  testOverlay('keeps changes from launch to launch', async () => {
    const overlay = await makeOverlay(world(), 'a.img');
    await world().inside(['--overlay', overlay], 'echo one > /kept; rm /etc/keep; mkdir /d');
    expect(await world().inside(['-o', overlay], 'cat /kept; ls -d /etc/keep /d 2>&1; echo two >> /kept')).toBe(
      'one\nls: /etc/keep: No such file or directory\n/d',
    );
    await during(world(), ['--overlay', overlay], world().image(), async () => {
      await world().ok('exec', 'instance://user-of-overlay', 'sh', '-c', 'echo three >> /kept');
    });
    expect(await world().inside(['--overlay', overlay], 'cat /kept')).toBe('one\ntwo\nthree');
    const made = ['--overlay', overlay, '--bind', '/etc/hostname:/made/for/it'];
    expect(await world().inside(made, 'ls /made/for')).toBe('it');
  });

  testOverlay('is a layer with :ro, or for want of permission to write', async () => {
    const overlay = await makeOverlay(world(), 'b.img');
    await world().inside(['--overlay', overlay], 'echo kept > /kept');
    const refused = await world().davit('exec', '--overlay', `${overlay}:ro`, world().image(), 'touch', '/x');
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('Read-only file system') });
    const over = ['--overlay', `${overlay}:ro`, '--writable-tmpfs'];
    expect(await world().inside(over, 'echo changed > /kept; cat /kept')).toBe('changed');
    const upper = world().makeDirectory('upper-over-image');
    expect(await world().inside(['-o', `${overlay}:ro`, '-o', upper], 'cat /kept; echo up > /kept')).toBe('kept');
    expect(await world().inside(['-o', `${overlay}:ro`], 'cat /kept')).toBe('kept');
  });

  testOverlay('has one writer or many readers', async () => {
    const overlay = await makeOverlay(world(), 'c.img');
    const busy = `while loading overlay images: failed to open overlay image ${overlay}: while locking ext3 partition from ${overlay}: can't open ${overlay}`;
    const launch = (spec: string) => world().davit('exec', '--overlay', spec, world().image(), 'true');
    await during(world(), ['--overlay', overlay], world().image(), async () => {
      const writer = await launch(overlay);
      expect(writer).toMatchObject({ status: 255, stderr: expect.stringContaining(busy) });
      expect(writer.stderr).toContain(' for writing, currently in use by another process');
      const reader = await launch(`${overlay}:ro`);
      expect(reader.stderr).toContain(`${busy} for reading, currently in use for writing by another process`);
    });
    await during(world(), ['--overlay', `${overlay}:ro`], world().image(), async () => {
      expect(await launch(`${overlay}:ro`)).toMatchObject({ status: 0 });
      expect((await launch(overlay)).stderr).toContain(`${busy} for writing`);
    });
    expect(await launch(overlay)).toMatchObject({ status: 0, stderr: '' });
  });

  testOverlay('is released whatever is killed', async () => {
    const overlay = await makeOverlay(world(), 'k.img');
    for (const victim of ['keeperPid', 'pid'] as const) {
      await world().ok('instance', 'start', '--overlay', overlay, world().image(), 'victim');
      process.kill((await world().listed('victim'))[victim], 'SIGKILL');
      await expect.poll(() => world().processes().length).toBe(0);
      expect(await world().list()).toEqual([]); // removes the directory without a lock
      await expect.poll(() => world().leftovers()).toEqual([]);
      expect(await world().inside(['--overlay', overlay], 'echo free')).toBe('free');
    }
  });

  testOverlay('may be bare, and leads nowhere else', async () => {
    const bare = await makeExt3(world(), 'bare.img', (directory) => writeFileSync(`${directory}/at-root`, 'x\n'));
    expect(await world().inside(['--overlay', `${bare}:ro`], 'cat /at-root')).toBe('x');
    await world().inside(['--overlay', bare], 'echo y > /changed');
    expect(await world().inside(['--overlay', `${bare}:ro`], 'cat /changed; ls /at-root 2>&1 || true')).toBe(
      'y\nls: /at-root: No such file or directory',
    );
    const link = await makeExt3(world(), 'link.img', (directory) => {
      symlinkSync(world().makeDirectory('outside'), `${directory}/upper`);
      mkdirSync(`${directory}/work`);
    });
    for (const spec of [link, `${link}:ro`]) {
      expect(await world().davit('exec', '--overlay', spec, world().image(), 'touch', '/x')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/open the directory "\/upper" of the overlay image .*ENOTDIR/),
      });
    }
  });

  testOverlay('may be full, or damaged', async () => {
    const full = await makeExt3(world(), 'full.img', () => undefined);
    const fill = 'dd if=/dev/zero of=/big bs=64k 2>&1 | grep -o "No space left on device"';
    expect(await world().inside(['--overlay', full], fill)).toBe('No space left on device');
    expect(await world().inside(['--overlay', full], 'rm /big; echo z > /small; cat /small')).toBe('z');
    const damaged = await makeExt3(world(), 'damaged.img', () => undefined);
    truncateSync(damaged, 3 * MIB);
    // What is missing is not looked at by fuse2fs when it is only to read.
    for (const spec of isRoot ? [damaged, `${damaged}:ro`] : [damaged]) {
      const { status, stderr } = await world().davit('exec', '--overlay', spec, world().image(), 'true');
      expect({ status, stderr }).toMatchObject({ status: 255, stderr: expect.stringContaining(damaged) });
      const mount = isRoot ? 'mount ext3 .*: E[A-Z]+ .*' : 'mount the overlay image .* by .*fuse2fs: .*';
      expect(stderr).toMatch(new RegExp(`${mount}\\n.*mountExt3\\n.*hint: .*e2fsck -f`));
    }
    expect(world().leftovers()).toEqual([]);
  });

  testAsRoot('that was not unmounted is used writable first', async () => {
    const overlay = await makeExt3(world(), 'crashed.img', () => undefined);
    const copy = world().path('crashed-copy.img');
    await during(world(), ['--overlay', overlay], world().image(), async () => {
      await world().ok('exec', 'instance://user-of-overlay', 'sh', '-c', 'echo there > /note; sync');
      copyFileSync(overlay, copy);
    });
    expect(await world().davit('exec', '--overlay', `${copy}:ro`, world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(
        /EROFS .*\n.*\n.*hint: the file system was not unmounted: use it once without ":ro"/,
      ),
    });
    for (const spec of [copy, `${copy}:ro`]) expect(await world().inside(['-o', spec], 'cat /note')).toBe('there');
  });

  testAsRoot('may stand beside a squashfs file', async () => {
    world().write('tree/from-squashfs', 'layer\n');
    const layer = world().path('layer.sqfs');
    await world().command('mksquashfs', [world().path('tree'), layer, '-quiet', '-no-progress']);
    expect(await world().davit('exec', '--overlay', layer, world().image(), 'cat', '/from-squashfs')).toMatchObject({
      stdout: 'layer\n',
      stderr: '',
    });
    const overlay = await makeOverlay(world(), 'beside.img');
    await world().inside(['-o', layer, '-o', overlay], 'echo changed >> /from-squashfs');
    expect(await world().inside(['-o', layer, '-o', overlay], 'cat /from-squashfs')).toBe('layer\nchanged');
  });

  test('says what is wrong with others', async () => {
    const text = world().write('text', 'no image');
    for (const [path, message] of [
      [text, `failed to open overlay image ${text}: image format not recognized`],
      [world().image(), `no overlay partition found in ${world().image()}`],
      [
        `${text}x`,
        `failed to open overlay image ${text}x: failed to retrieve path for ${text}x: lstat ${text}x: no such`,
      ],
    ] as const) {
      expect(await world().davit('exec', '--overlay', path, world().image(), 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining(`FATAL:   while loading overlay images: ${message}`),
      });
    }
  });
});

withWorld('an overlay partition of a SIF', (world) => {
  afterEach(() => world().stopAll());

  testOverlay('takes changes with --writable and is seen without', async () => {
    const image = await sifWithOverlay(world(), 'e.sif');
    await world().inside(['--writable'], 'echo kept > /kept; echo more >> /etc/keep', image);
    expect(await world().inside([], 'cat /kept', image)).toBe('kept');
    expect(await world().davit('exec', image, 'touch', '/x')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Read-only file system'),
    });
    expect(await world().inside(['--writable-tmpfs'], 'cat /kept; rm /kept', image)).toBe('kept');
    expect(await world().inside(['--overlay', `${image}:ro`], 'cat /kept')).toBe('kept');
    await world().inside(['--overlay', image], 'echo over > /kept');
    await during(world(), ['--writable'], image, async () => {
      expect(await world().ok('exec', 'instance://user-of-overlay', 'cat', '/kept')).toBe('over\n');
      expect(await world().davit('exec', image, 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining(
          `could not open image ${image}: while locking ext3 partition from ${image}: can't open ${image} for reading`,
        ),
      });
    });
  });

  test('is asked for where there is none', async () => {
    expect(await world().davit('exec', '--writable', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringContaining(`no SIF writable overlay partition found in ${world().image()}`),
    });
  });
});
