/** Every kind of image that davit runs, how it is mounted, and what is refused. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { definition, partition, sifBytes } from '../fixtures/sif-bytes';
import { busyboxRootfs } from './support/busybox';
import { asRoot, asUser, isRoot, testWith } from './support/capabilities';
import { davitPath, withWorld, type World } from './support/world';

const greeting = ['cat', '/etc/keep'];
const arch: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

/** A squashfs of that directory, by squashfs-tools. */
function squashfs(world: World, directory: string, ...options: string[]): string {
  const path = `${directory}.sqfs`;
  execFileSync('mksquashfs', [directory, path, '-noappend', '-quiet', '-no-progress', '-all-root', ...options], {
    stdio: 'pipe',
  });
  chmodSync(path, 0o755);
  return world.path(path.slice(world.directory.length + 1));
}

async function driverOf(world: World, image: string, ...options: string[]): Promise<string> {
  await world.ok('instance', 'start', ...options, image, 'driver');
  const { driver } = await world.listed('driver');
  await world.ok('instance', 'stop', 'driver');
  return driver;
}

withWorld('an image', (world) => {
  test('is mounted by the kernel for root, by squashfuse_ll for users', async () => {
    expect(await driverOf(world(), world().image())).toBe(isRoot ? 'squashfs' : 'squashfuse_ll');
  });

  testWith(['mksquashfs'], 'may be a bare squashfs', async () => {
    const image = squashfs(world(), busyboxRootfs(world(), 'bare'));
    expect(await world().ok('exec', image, ...greeting)).toBe('as in the image\n');
    expect(await world().ok('run', image, 'x')).toContain('runscript: 1: x\n');
    expect(await driverOf(world(), image)).toBe(isRoot ? 'squashfs' : 'squashfuse_ll');
  });

  testWith(['mksquashfs'], 'may be a squashfs behind a launch line', async () => {
    const plain = readFileSync(world().path('bare.sqfs'));
    const path = world().path('launch.sqfs');
    const line = '#!/usr/bin/env run-singularity\n';
    writeFileSync(path, Buffer.concat([Buffer.from(line), plain]), { mode: 0o755 });
    const result = await world().davit('exec', path, ...greeting);
    expect([0, 255]).toContain(result.status);
    if (result.status === 255) expect(result.stderr).toMatch(/^FATAL: /);
  });

  testWith(['mksquashfs'], 'may be laid out as Apptainer does it: gzip, with metadata', async () => {
    const content = readFileSync(squashfs(world(), busyboxRootfs(world(), 'like'), '-comp', 'gzip'));
    const padded = Buffer.concat([content, Buffer.alloc((4096 - (content.length % 4096)) % 4096)]);
    const path = world().path('like.sif');
    const objects = [definition(), partition({ arch: arch[process.arch] ?? 'amd64' }, padded)];
    writeFileSync(path, sifBytes(objects), { mode: 0o755 });
    expect(await world().ok('exec', path, ...greeting)).toBe('as in the image\n');
    expect(await world().ok('instance', 'start', path, 'like')).toBe('');
    expect(await world().ok('exec', 'instance://like', ...greeting)).toBe('as in the image\n');
    await world().ok('instance', 'stop', 'like');
  });

  test('may be a sandbox, read where it lies', async () => {
    const sandbox = busyboxRootfs(world(), 'sandbox');
    expect(await world().ok('exec', sandbox, ...greeting)).toBe('as in the image\n');
    expect(await driverOf(world(), sandbox)).toBe('sandbox');
    writeFileSync(join(sandbox, 'etc/keep'), 'changed\n');
    expect(await world().ok('exec', sandbox, ...greeting)).toBe('changed\n');
    expect(await world().okWith({ cwd: world().directory }, 'exec', './sandbox', ...greeting)).toBe('changed\n');
  });

  test('may be a sandbox without /.singularity.d: an instance of it stays up', async () => {
    const sandbox = busyboxRootfs(world(), 'naked', (directory) =>
      rmSync(join(directory, '.singularity.d'), { recursive: true }),
    );
    expect(await world().ok('exec', sandbox, ...greeting)).toBe('as in the image\n');
    const result = await world().davit('instance', 'start', sandbox, 'naked');
    expect(result).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('INFO:    instance started successfully\n'),
    });
    expect(await world().ok('exec', 'instance://naked', ...greeting)).toBe('as in the image\n');
    await world().ok('instance', 'stop', 'naked');
  });

  test('may be reached by a link', async () => {
    symlinkSync(world().image(), world().path('work/link.sif'));
    expect(await world().ok('exec', 'link.sif', 'sh', '-c', 'echo $APPTAINER_NAME')).toBe('busybox.sif\n');
  });

  test('may have a name with colons, blanks and quotes', async () => {
    const odd = world().path(`odd: name,"it's".sif`);
    writeFileSync(odd, readFileSync(world().image()), { mode: 0o755 });
    expect(await world().ok('exec', odd, 'sh', '-c', 'echo "$APPTAINER_NAME"')).toBe(`odd: name,"it's".sif\n`);
  });

  test('is never /', async () => {
    expect(await world().davit('exec', '/', 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: /),
    });
  });
});

withWorld('an unpacked image', (world) => {
  const rootfs = (): string[] =>
    readdirSync(world().path('home/.cache/davit/rootfs')).filter((name) => !name.endsWith('.lock'));
  /** One that was made again is another file. */
  const unpacked = (): number[] => rootfs().map((name) => statSync(world().path('home/.cache/davit/rootfs', name)).ino);

  for (const flag of ['--unsquash', '--unpack']) {
    test(`${flag} uses a directory in the cache, the same each time`, async () => {
      expect(await driverOf(world(), world().image(), flag)).toBe('unpacked');
      const before = unpacked();
      expect(before).toHaveLength(1);
      expect(await world().ok('exec', flag, world().image(), ...greeting)).toBe('as in the image\n');
      expect(unpacked()).toEqual(before);
      const mount = await world().inside([flag], 'grep " / / " /proc/self/mountinfo');
      expect(mount).not.toContain('squash');
    });
  }

  test('is removed by "cache clean --type=rootfs", and by no other', async () => {
    await world().ok('exec', '--unsquash', world().image(), 'true');
    expect(rootfs()).not.toEqual([]);
    await world().ok('cache', 'clean', '--force');
    expect(rootfs()).not.toEqual([]);
    await world().ok('cache', 'clean', '--force', '--type=rootfs');
    expect(rootfs()).toEqual([]);
    expect(await world().ok('exec', '--unsquash', world().image(), ...greeting)).toBe('as in the image\n');
  });

  test('is as read-only as a mounted one', async () => {
    expect(await world().davit('exec', '--unsquash', world().image(), 'touch', '/etc/new')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Read-only file system'),
    });
    expect(await world().inside(['--unsquash', '--writable-tmpfs'], 'echo x >> /etc/keep; cat /etc/keep')).toBe(
      'as in the image\nx',
    );
    expect(await world().inside(['--unsquash'], 'cat /etc/keep')).toBe('as in the image');
  });

  asUser(() => {
    testWith(['userns'], 'takes the place of FUSE where there is no /dev/fuse', async () => {
      // A mount namespace in which the device is covered by a file that is none.
      const cover = 'mount --bind /etc/hostname /dev/fuse && exec unshare -U --map-user=$0 --map-group=$1 "${@:2}"';
      const ids = [String(process.getuid?.()), String(process.getgid?.())];
      const run = (...args: string[]) =>
        world().command('unshare', ['-Urm', 'bash', '-c', cover, ...ids, davitPath, ...args]);
      const result = await run('exec', world().image(), ...greeting);
      expect(result).toMatchObject({ status: 0, stdout: 'as in the image\n' });
      expect(await run('instance', 'start', world().image(), 'no-fuse')).toMatchObject({ status: 0 });
      expect(await world().listed('no-fuse')).toMatchObject({ driver: 'unpacked' });
      await world().ok('instance', 'stop', 'no-fuse');
    });
  });

  asRoot(() => {
    test('has the owners of the image for root', async () => {
      expect(await world().inside(['--unsquash'], 'stat -c "%u %g %a" /etc/keep /tmp')).toMatch(/^0 0 644\n/);
    });
  });
});

withWorld('instances of one image', (world) => {
  asRoot(() => {
    testWith(['squashfs'], 'share one loop device', async () => {
      for (const name of ['one', 'two', 'three']) await world().ok('instance', 'start', world().image(), name);
      const loops = (await world().command('losetup', ['-n', '-O', 'NAME', '-j', world().image()])).stdout.trim();
      expect(loops.split('\n').length).toBe(1);
      await world().ok('instance', 'stop', '--all');
      await world().expectNothingLeft();
    });
  });

  test('go on when others end', async () => {
    for (const name of ['one', 'two']) await world().ok('instance', 'start', world().image(), name);
    await world().ok('instance', 'stop', 'one');
    expect(await world().ok('exec', 'instance://two', ...greeting)).toBe('as in the image\n');
  });
});

withWorld('what is no image', (world) => {
  const whole = () => readFileSync(world().image());
  const cases: [string, () => Buffer, RegExp][] = [
    ['text', () => Buffer.from('not an image at all\n'), /image format not recognized/],
    ['nothing', () => Buffer.alloc(0), /image format not recognized/],
    ['a truncated table', () => whole().subarray(0, 5000), /./],
    ['a truncated partition', () => whole().subarray(0, 60_000), /./],
    [
      'another architecture',
      () => sifBytes([definition(), partition({ arch: process.arch === 'x64' ? 'ppc64le' : 'amd64' })]),
      /ppc64le|amd64/,
    ],
    ['no partition', () => sifBytes([definition()]), /partition/],
    ['an encrypted partition', () => sifBytes([definition(), partition({ fsType: 5 })]), /encrypt/],
    ['an ext3 partition', () => sifBytes([definition(), partition({ fsType: 2 })]), /ext3/],
  ];

  for (const [what, bytes, message] of cases) {
    test(`${what}: an error before anything is mounted`, async () => {
      const path = world().path('bad.sif');
      writeFileSync(path, bytes(), { mode: 0o755 });
      for (const args of [
        ['exec', path, 'true'],
        ['instance', 'start', path, 'bad'],
      ]) {
        const result = await world().davit(...args);
        expect(result).toMatchObject({ status: 255, stdout: '' });
        expect(result.stderr).toMatch(/^FATAL: {3}/);
        expect(result.stderr).toMatch(message);
        expect(result.stderr).toContain('bad.sif');
        expect(result.stderr).not.toMatch(/step \d+ of/);
      }
      expect(await world().list()).toEqual([]);
    });
  }

  test('a file that is cut while nobody looks: an error, not a hang', async () => {
    const path = world().path('cut.sif');
    writeFileSync(path, whole(), { mode: 0o755 });
    truncateSync(path, whole().length - 4096);
    expect((await world().davit('exec', path, 'true')).status).toBe(255);
  });

  asUser(() => {
    test('an image that may not be read', async () => {
      const path = world().path('closed.sif');
      writeFileSync(path, whole(), { mode: 0o755 });
      chmodSync(path, 0);
      expect(await world().davit('exec', path, 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}.*closed\.sif.*permission denied/),
      });
    });
  });

  test('a device, a pipe and a directory that is not there', async () => {
    for (const path of ['/dev/null', world().path('not/there')]) {
      expect(await world().davit('exec', path, 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: /),
      });
    }
    execFileSync('mkfifo', [world().path('fifo')]);
    expect(await world().davit('exec', world().path('fifo'), 'true')).toMatchObject({ status: 255 });
  });
});

withWorld('./image.sif', (world) => {
  test('runs by itself when run-singularity is on PATH', async () => {
    mkdirSync(world().path('bin'));
    symlinkSync(davitPath, world().path('bin/run-singularity'));
    const env = { PATH: `${world().path('bin')}:${world().env.PATH}` };
    const result = await world().command(world().image(), ['a', 'b c', '--bind'], { env });
    expect(result).toMatchObject({
      status: 0,
      stdout: 'runscript: 3: a b c --bind\nword: <a>\nword: <b c>\nword: <--bind>\n',
    });
    const relative = await world().command('./busybox.sif', [], { env, cwd: world().directory });
    expect(relative.stdout).toBe('runscript: 0: \n');
  });

  test('davit works through a link on PATH, from any directory', async () => {
    symlinkSync(davitPath, world().path('bin/davit'));
    for (const cwd of ['/', world().path('bin'), '/proc']) {
      const result = await world().command(world().path('bin/davit'), ['exec', '--cwd', '/', world().image(), 'pwd'], {
        cwd,
      });
      expect(result).toMatchObject({ status: 0, stdout: '/\n' });
    }
    const env = { PATH: `${world().path('bin')}:${world().env.PATH}` };
    expect((await world().command('davit', ['version'], { env })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await world().command('davit', ['--version'], { env })).stdout).toMatch(/^davit version \d+\.\d+\.\d+\n$/);
  });
});
