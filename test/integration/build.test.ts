import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layOutBusybox } from './support/busybox';
import { asRoot, asUser, describeWith, testWith } from './support/capabilities';
import { eventually } from './support/patience';
import { withWorld, type World } from './support/world';

/** A directory with a busybox in it. */
function rootfs(world: World): string {
  const path = world.path('rootfs');
  if (!existsSync(path)) layOutBusybox(world.makeDirectory('rootfs'));
  return path;
}

withWorld('davit build', (world) => {
  test('packs a directory into an image that runs', async () => {
    const image = world().path('packed.sif');
    const built = await world().davit('build', image, rootfs(world()));
    expect(built).toMatchObject({ status: 0, stdout: '' });
    expect(built.stderr.replace(/^INFO: {4}Done: packing, .* in .* s\n/m, '')).toBe(
      ['Starting build...', 'Extracting local image...', 'Creating SIF file...', `Build complete: ${image}`]
        .map((text) => `INFO:    ${text}\n`)
        .join(''),
    );
    expect(statSync(image).mode & 0o777).toBe(0o755 & ~process.umask());
    expect(await world().ok('run', image, 'a b')).toContain('word: <a b>');
    expect(await world().ok('exec', image, 'cat', '/.singularity.d/Singularity')).toContain('bootstrap: localimage');
    expect(await world().ok('exec', image, 'stat', '-c', '%u %g %A', '/bin/busybox')).toMatch(/^\d+ \d+ -rwxr-xr-x\n$/);
  });

  test('does not touch the directory it packs', async () => {
    const source = rootfs(world());
    const before = readdirSync(join(source, '.singularity.d'));
    await world().ok('build', world().path('untouched.sif'), source);
    expect(readdirSync(join(source, '.singularity.d'))).toEqual(before);
    expect(existsSync(join(source, 'environment'))).toBe(false);
  });

  test('refuses a name that is taken, unless forced', async () => {
    const image = world().write('taken.sif', 'not an image\n');
    expect(await world().davit('build', image, rootfs(world()))).toMatchObject({
      status: 255,
      stderr: `FATAL:   While checking build target: build target '${image}' already exists. Use --force if you want to overwrite it\n`,
    });
    expect(readFileSync(image, 'utf8')).toBe('not an image\n');
    await world().ok('build', '--force', image, rootfs(world()));
    expect(await world().ok('exec', image, 'echo', 'now it is')).toBe('now it is\n');
  });

  test('unpacks an image into a sandbox, and packs that again', async () => {
    const sandbox = world().path('sandbox');
    const built = await world().davit('build', '--sandbox', sandbox, world().image());
    expect(built.stderr).toContain('INFO:    Creating sandbox directory...\n');
    expect(await world().ok('exec', sandbox, 'cat', '/etc/keep')).toBe('as in the image\n');
    writeFileSync(join(sandbox, 'etc/keep'), 'changed\n');
    const again = world().path('again.sif');
    await world().ok('build', again, sandbox);
    expect(await world().ok('exec', again, 'cat', '/etc/keep')).toBe('changed\n');
    expect(await world().ok('exec', again, 'ls', '/.singularity.d/bootstrap_history')).toBe('Apptainer0\n');
  });

  test('gives an image another compression', async () => {
    const image = world().path('gzip.sif');
    await world().ok('build', '--compression', 'gzip:9', image, world().image());
    expect(await world().ok('exec', image, 'cat', '/etc/keep')).toBe('as in the image\n');
  });

  test.each([
    ['shub://a/b', /shut down/],
    ['nosuch', /Unable to build from nosuch: unable to open file nosuch: open nosuch: no such file or directory/],
    ['/etc/passwd', /image format not recognized/],
    ['/', /root directory of the host/],
  ])('refuses to build from %s', async (source, message) => {
    const result = await world().davit('build', world().path('never.sif'), source);
    expect(result.status).toBe(255);
    expect(result.stderr).toMatch(/^FATAL: {3}/);
    expect(result.stderr).toMatch(message);
    expect(existsSync(world().path('never.sif'))).toBe(false);
  });

  test('refuses a compression it does not know', async () => {
    const result = await world().davit('build', '--compression', 'rar', world().path('never.sif'), rootfs(world()));
    expect(result).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/unknown compression "rar"\n +hint: write one of/),
    });
  });

  asUser(() => {
    test('refuses a place that may not be written to', async () => {
      const result = await world().davit('build', '/never.sif', rootfs(world()));
      expect(result).toMatchObject({
        status: 255,
        stderr: 'FATAL:   While checking build target: the directory "/" is not writable: EACCES\n',
      });
    });

    test('says which file it may not read', async () => {
      const closed = world().makeDirectory('closed');
      world().write('closed/etc/shadow', 'secret', 0o000);
      const result = await world().davit('build', world().path('closed.sif'), closed);
      expect(result.status).toBe(255);
      expect(result.stderr).toContain(
        'FATAL:   While performing build: open "etc/shadow": EACCES (Permission denied)\n',
      );
      expect(existsSync(world().path('closed.sif'))).toBe(false);
    });
  });

  test('leaves nothing when it is interrupted', async () => {
    const place = world().makeDirectory('interrupted');
    const large = world().makeDirectory('large');
    const noise = createReadStream('/dev/urandom', { end: (40 << 20) - 1 });
    writeFileSync(join(large, 'noise'), await noise.toArray().then((chunks) => Buffer.concat(chunks)));
    // xz takes seconds for this.
    const child = world().spawn(['build', '--compression', 'xz', join(place, 'image.sif'), large]);
    await eventually(() => expect(readdirSync(place)).toHaveLength(1));
    expect(readdirSync(place)[0]).toMatch(/^\.image\.sif\..*\.partial$/);
    child.kill('SIGINT');
    const signal = await new Promise((resolve) => child.once('close', (_status, by) => resolve(by)));
    expect(signal).toBe('SIGINT');
    expect(readdirSync(place)).toEqual([]);
  });
});

withWorld('an image without a shell', (world) => {
  test('runs, with its environment', async () => {
    expect(await world().ok('run', world().image('static'), 'args', 'x y')).toContain('argument: <x y>\n');
    expect(await world().ok('exec', world().image('static'), '/service', 'env')).toContain(
      'FROM_IMAGE=set by the image\n',
    );
  });
});

describe('bare squashfs files of mksquashfs', () => {
  describeWith(['mksquashfs'], 'run', () => {
    withWorld('with every compressor', (world) => {
      for (const compressor of ['gzip', 'xz', 'lzo', 'lz4', 'zstd']) {
        asRoot(() => {
          testWith(['squashfs'], `${compressor}, mounted by the kernel`, () => runsWith(world(), compressor, []));
        });
        testWith(['fuse', 'squashfuse_ll', 'userns'], `${compressor}, mounted by squashfuse`, () =>
          runsWith(world(), compressor, ['--userns']),
        );
        test(`${compressor}, unpacked`, () => runsWith(world(), compressor, ['--unsquash']));
      }
    });
  });
});

async function runsWith(world: World, compressor: string, options: string[]): Promise<void> {
  const image = world.path(`${compressor}.squashfs`);
  if (!existsSync(image)) {
    const made = await world.command('mksquashfs', [rootfs(world), image, '-comp', compressor, '-no-progress']);
    expect(made.status, made.stderr).toBe(0);
  }
  mkdirSync(world.path('cache'), { recursive: true });
  const env = { DAVIT_CACHEDIR: world.path('cache') };
  expect(await world.okWith({ env }, 'exec', ...options, image, 'cat', '/etc/keep')).toBe('as in the image\n');
}
