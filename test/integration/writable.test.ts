/** Where a container may write: --writable-tmpfs, --overlay and --writable. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asRoot, isRoot } from './support/capabilities';
import { withWorld } from './support/world';

/** Every kind of change to what the image has and has not. Deletes nothing but directories of the image itself. */
const changes = [
  'echo new > /newfile',
  'mkdir -p /new/dir/ectory && echo deep > /new/dir/ectory/file',
  'echo more >> /etc/keep',
  'echo replaced > /srv/site/index.html',
  'mv /srv/site/deep /srv/site/moved 2>/dev/null || cp -r /srv/site/deep /srv/site/moved',
  'touch /bin/added',
  'chmod 600 /etc/os-release',
  'ln -s keep /etc/link',
  'rm /etc/group- 2>/dev/null; rm /srv/site/moved/er/file',
].join(' && ');
const show = [
  'cat /newfile /new/dir/ectory/file /etc/keep /srv/site/index.html',
  'ls -d /bin/added /bin/sh',
  'stat -c %a /etc/os-release',
  'readlink /etc/link',
  'ls /srv/site/moved/er | wc -l',
].join('; ');
const shown = 'new\ndeep\nas in the image\nmore\nreplaced\n/bin/added\n/bin/sh\n600\nkeep\n0';

withWorld('--writable-tmpfs', (world) => {
  test('takes new files, and changes to files and directories of the image', async () => {
    expect(await world().inside(['--writable-tmpfs'], `{ ${changes}; } && { ${show}; }`)).toBe(shown);
  });

  test('forgets them at the end', async () => {
    expect(await world().inside(['--writable-tmpfs'], 'ls /newfile /new 2>&1 | grep -c "No such"; cat /etc/keep')).toBe(
      '2\nas in the image',
    );
  });

  test('deletes files and directories of the image', async () => {
    const script =
      'rm -r /srv/site && mkdir /srv/site && ls -A /srv/site | wc -l; rm /etc/keep && test ! -e /etc/keep && echo gone';
    expect(await world().inside(['--writable-tmpfs'], script)).toBe('0\ngone');
  });

  test('holds 64 MiB', async () => {
    const script = 'dd if=/dev/zero of=/big bs=1M count=200 2>&1 | grep -o "No space left on device"; stat -c %s /big';
    const [message, bytes] = (await world().inside(['--writable-tmpfs'], script)).split('\n');
    expect(message).toBe('No space left on device');
    expect(Number(bytes)).toBeGreaterThan(60 * 1024 * 1024);
    expect(Number(bytes)).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(
      await world().inside(
        ['--writable-tmpfs'],
        'dd if=/dev/zero of=/big bs=1M count=50 2>/dev/null && stat -c %s /big',
      ),
    ).toBe(String(50 * 1024 * 1024));
  });

  test('holds what "sessiondir max size" says', async () => {
    const config = world().write('davit.conf', 'sessiondir max size = 16\n');
    const script = 'dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; stat -c %s /big';
    if (isRoot) {
      const text = await world().ok(
        '--config',
        config,
        'exec',
        '--writable-tmpfs',
        world().image(),
        'sh',
        '-c',
        script,
      );
      expect(Number(text)).toBeLessThanOrEqual(16 * 1024 * 1024);
      expect(Number(text)).toBeGreaterThan(12 * 1024 * 1024);
    } else {
      const text = await world().ok('-c', config, 'exec', '--writable-tmpfs', world().image(), 'sh', '-c', script);
      expect(Number(text)).toBeLessThanOrEqual(16 * 1024 * 1024);
    }
  });

  test('lasts as long as the instance, for all that join', async () => {
    await world().ok('instance', 'start', '--writable-tmpfs', world().image(), 'wt');
    await world().ok('exec', 'instance://wt', 'sh', '-c', changes);
    expect(await world().ok('exec', 'instance://wt', 'sh', '-c', show)).toBe(`${shown}\n`);
    expect(await world().listed('wt')).toMatchObject({ writableTmpfs: true });
    await world().ok('instance', 'stop', 'wt');
    await world().ok('instance', 'start', '--writable-tmpfs', world().image(), 'wt');
    expect(await world().davit('exec', 'instance://wt', 'ls', '/newfile')).toMatchObject({ status: 1 });
  });

  test('is the instance’s own: a second one does not see it', async () => {
    await world().ok('instance', 'start', '--writable-tmpfs', world().image(), 'wt2');
    await world().ok('exec', 'instance://wt', 'touch', '/only-here');
    expect(await world().davit('exec', 'instance://wt2', 'ls', '/only-here')).toMatchObject({ status: 1 });
  });

  test('does not go with a writable overlay', async () => {
    const overlay = world().makeDirectory('ov-clash');
    expect(
      await world().davit('exec', '--writable-tmpfs', '--overlay', overlay, world().image(), 'true'),
    ).toMatchObject({
      status: 255,
      stderr: expect.stringContaining("you can't specify --writable-tmpfs with another writable overlay"),
    });
    expect(
      await world().davit('exec', '--writable-tmpfs', '--overlay', `${overlay}:ro`, world().image(), 'touch', '/x'),
    ).toMatchObject({
      status: 0,
    });
  });

  test('comes from the environment', async () => {
    for (const prefix of ['DAVIT', 'APPTAINER', 'SINGULARITY']) {
      const env = { [`${prefix}_WRITABLE_TMPFS`]: 'yes' };
      const result = await world().davitWith({ env }, 'exec', world().image(), 'touch', '/x');
      // Booleans are those of Go's ParseBool: "yes" is none.
      expect(result.status).toBe(255);
      expect(
        await world().okWith({ env: { [`${prefix}_WRITABLE_TMPFS`]: 'true' } }, 'exec', world().image(), 'touch', '/x'),
      ).toBe('');
    }
  });
});

withWorld('--overlay', (world) => {
  test('keeps changes in a directory', async () => {
    const overlay = world().makeDirectory('ov');
    await world().inside(['--overlay', overlay], changes);
    expect(readdirSync(overlay).sort()).toEqual(['upper', 'work']);
    expect(readFileSync(`${overlay}/upper/newfile`, 'utf8')).toBe('new\n');
    expect(await world().inside(['--overlay', overlay], show)).toBe(shown);
    expect(await world().inside(['-o', overlay], 'cat /etc/keep')).toBe('as in the image\nmore');
  });

  test('changes nothing with :ro', async () => {
    const overlay = world().path('ov');
    expect(await world().inside(['--overlay', `${overlay}:ro`], show)).toBe(shown);
    expect(await world().davit('exec', '--overlay', `${overlay}:ro`, world().image(), 'touch', '/x')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Read-only file system'),
    });
  });

  test('takes a plain directory as a read-only layer', async () => {
    world().write('layer/etc/from-layer', 'layer\n');
    expect(await world().inside(['--overlay', `${world().path('layer')}:ro`], 'cat /etc/from-layer /etc/keep')).toBe(
      'layer\nas in the image',
    );
  });

  test('stacks one writable and several read-only', async () => {
    world().write('layer2/etc/from-layer', 'second layer\n');
    const overlay = world().makeDirectory('ov-top');
    const options = ['layer', 'layer2'].flatMap((name) => ['--overlay', `${world().path(name)}:ro`]);
    expect(
      await world().inside([...options, '--overlay', overlay], 'cat /etc/from-layer; echo x > /etc/from-layer'),
    ).toMatch(/layer$/);
    expect(readFileSync(`${overlay}/upper/etc/from-layer`, 'utf8')).toBe('x\n');
    expect(readFileSync(world().path('layer/etc/from-layer'), 'utf8')).toBe('layer\n');
  });

  test('is writable once at most', async () => {
    const options = ['--overlay', world().makeDirectory('o1'), '--overlay', world().makeDirectory('o2')];
    expect(await world().davit('exec', ...options, world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}.*overlay/),
    });
  });

  test('must exist', async () => {
    expect(await world().davit('exec', '--overlay', '/nosuch', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}while loading overlay images: failed to open overlay image \/nosuch/),
    });
  });

  test('holds for instances, and is there at the next start', async () => {
    const overlay = world().makeDirectory('ov-instance');
    for (const round of ['first', 'second']) {
      await world().ok('instance', 'start', '--overlay', overlay, world().image(), 'kept');
      await world().ok('exec', 'instance://kept', 'sh', '-c', `echo ${round} >> /var/log-of-rounds`);
      await world().ok('instance', 'stop', 'kept');
    }
    expect(readFileSync(`${overlay}/upper/var/log-of-rounds`, 'utf8')).toBe('first\nsecond\n');
  });
});

withWorld('--writable', (world) => {
  test('changes a sandbox itself', async () => {
    const sandbox = world().path('sandbox');
    await world().ok('build', '--sandbox', sandbox, world().image());
    await world().ok('exec', '--writable', sandbox, 'sh', '-c', 'echo new > /newfile; echo more >> /etc/keep');
    expect(readFileSync(`${sandbox}/newfile`, 'utf8')).toBe('new\n');
    expect(readFileSync(`${sandbox}/etc/keep`, 'utf8')).toBe('as in the image\nmore\n');
    await world().ok('exec', '-w', sandbox, 'rm', '/newfile');
    expect(existsSync(`${sandbox}/newfile`)).toBe(false);
  });

  test('without it a sandbox is read-only', async () => {
    expect(await world().davit('exec', world().path('sandbox'), 'touch', '/x')).toMatchObject({ status: 1 });
    expect(existsSync(world().path('sandbox/x'))).toBe(false);
  });

  test('makes no mount points: a bind needs its destination', async () => {
    const sandbox = world().path('sandbox');
    expect(await world().davit('exec', '-w', '--bind', '/etc:/nowhere', sandbox, 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('/nowhere'),
    });
    expect(existsSync(`${sandbox}/nowhere`)).toBe(false);
    expect(await world().inside(['-w', '--bind', '/etc:/mnt'], 'ls -d /mnt/passwd', sandbox)).toBe('/mnt/passwd');
  });

  test('is refused for an image, and with an overlay', async () => {
    expect(await world().davit('exec', '--writable', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}/),
    });
    const overlay = world().makeDirectory('ov');
    expect(await world().davit('exec', '-w', '--overlay', overlay, world().path('sandbox'), 'true')).toMatchObject({
      status: 255,
    });
  });

  test('wins over --writable-tmpfs, with a warning', async () => {
    const result = await world().davit('exec', '-w', '--writable-tmpfs', world().path('sandbox'), 'touch', '/kept');
    expect(result).toMatchObject({ status: 0, stderr: expect.stringMatching(/^WARNING: Disabling --writable-tmpfs/) });
    expect(existsSync(world().path('sandbox/kept'))).toBe(true);
  });

  asRoot(() => {
    test('leaves passwd and group of the sandbox alone for root', async () => {
      const before = readFileSync(world().path('sandbox/etc/passwd'), 'utf8');
      expect(await world().inside(['-w'], 'cat /etc/passwd', world().path('sandbox'))).toBe(before.trimEnd());
    });
  });

  test('starts instances that change it', async () => {
    const sandbox = world().path('sandbox');
    await world().ok('instance', 'start', '--writable', sandbox, 'writer');
    await world().ok('exec', 'instance://writer', 'sh', '-c', 'echo x > /by-instance');
    expect(readFileSync(`${sandbox}/by-instance`, 'utf8')).toBe('x\n');
    writeFileSync(`${sandbox}/by-host`, 'y\n');
    expect(await world().ok('exec', 'instance://writer', 'cat', '/by-host')).toBe('y\n');
    expect(statSync(`${sandbox}/by-instance`).uid).toBe(process.getuid?.());
  });
});
