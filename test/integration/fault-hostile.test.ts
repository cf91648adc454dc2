/** Images that mean harm: what they contain must make davit neither write nor read outside of the container, nor hang. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { layOutBusybox } from './support/busybox';
import { davitPath, type World } from './support/world';
import { expectGone, expectRecovery, withFaults } from './fault/truth';

function sandbox(world: World, name: string, spoil: (root: string) => void): string {
  rmSync(world.path(name), { recursive: true, force: true });
  const root = world.makeDirectory(name);
  layOutBusybox(root);
  spoil(root);
  return root;
}

/** A link takes the place of whatever is there. */
function link(root: string, path: string, text: string): void {
  rmSync(join(root, path), { recursive: true, force: true });
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(text, join(root, path));
}

function fifo(root: string, path: string): void {
  rmSync(join(root, path), { recursive: true, force: true });
  execFileSync('mkfifo', [join(root, path)]);
}

/** Names, kinds, sizes and times of everything below a directory. */
function snapshot(directory: string): string {
  return execFileSync('find', [directory, '-printf', '%P %y %m %s %T@ %C@ %l\n'], { encoding: 'utf8' });
}

/** Each spoils the root directory of an image; `outside` is a directory of the host with things worth having. */
const images: Record<string, (root: string, outside: string) => void> = {
  '/etc is a link out': (root, outside) => link(root, 'etc', `../../../../../../../..${outside}`),
  '/etc is an absolute link out': (root, outside) => link(root, 'etc', outside),
  '/etc is a link to /proc/self/cwd': (root) => link(root, 'etc', '/proc/self/cwd'),
  '/etc/passwd is a link out': (root, outside) => link(root, 'etc/passwd', `../../../../../../..${outside}/passwd`),
  '/etc/passwd is a link to /proc/self/environ': (root) => link(root, 'etc/passwd', '/proc/self/environ'),
  '/etc/passwd is a link to itself': (root) => link(root, 'etc/passwd', 'passwd'),
  '/etc/passwd and /etc/group are FIFOs': (root) => {
    fifo(root, 'etc/passwd');
    fifo(root, 'etc/group');
  },
  '/etc/passwd is a directory': (root) => {
    rmSync(join(root, 'etc/passwd'));
    mkdirSync(join(root, 'etc/passwd/deep'), { recursive: true });
  },
  '/etc/passwd and /etc/group of three megabytes': (root) => {
    for (const name of ['passwd', 'group'])
      writeFileSync(join(root, 'etc', name), `${'x'.repeat(20)}:x:9:9::/:\n`.repeat(100_000));
  },
  '/etc/passwd without an end of line, with NUL and colons': (root) =>
    writeFileSync(join(root, 'etc/passwd'), `:::\0:::\n${'a:'.repeat(70_000)}`),
  '/etc/resolv.conf, hosts and localtime are links out': (root, outside) => {
    for (const name of ['resolv.conf', 'hosts', 'localtime'])
      link(root, `etc/${name}`, `../../../../../../..${outside}/made`);
  },
  '/etc/resolv.conf is a link to nowhere': (root) =>
    link(root, 'etc/resolv.conf', '../run/systemd/resolve/stub-resolv.conf'),
  '/etc/resolv.conf is a FIFO': (root) => fifo(root, 'etc/resolv.conf'),
  '/proc is a link': (root) => link(root, 'proc', 'etc'),
  '/proc, /sys and /dev are links out': (root, outside) => {
    for (const name of ['proc', 'sys', 'dev']) link(root, name, `../../../../../../../..${outside}/${name}`);
  },
  '/dev is a file': (root) => {
    rmSync(join(root, 'dev'), { recursive: true });
    writeFileSync(join(root, 'dev'), '');
  },
  '/tmp, /var/tmp and /home are links out': (root, outside) => {
    for (const name of ['tmp', 'var/tmp', 'home', 'root'])
      link(root, name, `../../../../../../../..${outside}/${name}`);
  },
  '/home and /root are files': (root) => {
    for (const name of ['home', 'root']) {
      rmSync(join(root, name), { recursive: true });
      writeFileSync(join(root, name), '');
    }
  },
  'links in a circle everywhere': (root) => {
    for (const name of ['etc', 'home', 'tmp', 'var', 'root', 'run', 'mnt', 'srv']) link(root, name, `/${name}/${name}`);
  },
  '/.singularity.d is a link to /proc/self/fd': (root) => link(root, '.singularity.d', '/proc/self/fd'),
  '/.singularity.d/env is a link out': (root, outside) =>
    link(root, '.singularity.d/env', `../../../../../../..${outside}/env`),
  'env scripts are descriptors': (root) => {
    for (let fd = 0; fd < 24; fd++) link(root, `.singularity.d/env/${10 + fd}-x.sh`, `/proc/self/fd/${fd}`);
  },
  'env scripts are FIFOs': (root) => fifo(root, '.singularity.d/env/10-fifo.sh'),
  'the startscript is a FIFO': (root) => fifo(root, '.singularity.d/startscript'),
  'the startscript is a directory': (root) => {
    rmSync(join(root, '.singularity.d/startscript'));
    mkdirSync(join(root, '.singularity.d/startscript'));
  },
  '/bin/sh is a link out': (root, outside) => link(root, 'bin/sh', `../../../../../../..${outside}/sh`),
};

withFaults('hostile image', (world) => {
  /** A directory of the host that no container is given, with a program that gives itself away. */
  function outside(): string {
    const directory = world().makeDirectory('outside');
    writeFileSync(join(directory, 'passwd'), 'secret:x:0:0:taken from the host:/:\n');
    writeFileSync(join(directory, 'sh'), '#!/bin/sh\necho TAKEN FROM THE HOST >&2\n', { mode: 0o755 });
    mkdirSync(join(directory, 'env'), { recursive: true });
    writeFileSync(join(directory, 'env/10.sh'), 'echo TAKEN FROM THE HOST >&2\n');
    return directory;
  }

  for (const [what, spoil] of Object.entries(images)) {
    test(`${what}: starts or fails with words, and touches nothing`, async () => {
      const host = outside();
      const root = sandbox(world(), 'rootfs', (path) => spoil(path, host));
      const before = [snapshot(host), snapshot(root)];
      // A writable layer of the launch's own and one of none; the host's directories are out of reach.
      for (const options of [
        ['--contain'],
        ['--contain', '--writable-tmpfs'],
        ['--containall', '--bind', `${host}/passwd:/opt/new/place`],
      ]) {
        const start = await world().davit('instance', 'start', ...options, root, 'web');
        expect(`${start.stdout}${start.stderr}`).not.toMatch(/TAKEN FROM/i);
        if (start.status === 0) {
          const script = '[ -f /etc/passwd ] && /bin/busybox cat /etc/passwd';
          const command = ['exec', 'instance://web', '/bin/busybox', 'sh', '-c', script];
          const inside = await world().davit(...command);
          if (!options.includes('--bind')) expect(`${inside.stdout}${inside.stderr}`).not.toMatch(/taken from/i);
          await world().ok('instance', 'stop', '--timeout', '1', 'web');
        } else expect([start.status, start.stderr]).toEqual([255, expect.stringContaining('FATAL')]);
        await expectGone(world());
      }
      expect([snapshot(host), snapshot(root)]).toEqual(before);
      rmSync(root, { recursive: true });
    });
  }

  test('no directory that davit has open becomes the working directory', async () => {
    const root = sandbox(world(), 'rootfs', (path) => {
      for (let fd = 3; fd < 23; fd++) link(path, `escape/${fd}`, `/proc/self/fd/${fd}`);
    });
    for (const start of [
      (directory: string) => world().davit('exec', '--contain', '--cwd', directory, root, 'readlink', '/proc/self/cwd'),
      (directory: string) =>
        world().davit('exec', '--containall', '--cwd', directory, root, 'readlink', '/proc/self/cwd'),
      (directory: string) => world().davit('exec', '--cwd', directory, 'instance://web', 'readlink', '/proc/self/cwd'),
    ]) {
      await world().davit('instance', 'start', '--contain', root, 'web');
      const outcomes = await Promise.all(readdirSync(join(root, 'escape')).map((fd) => start(`/escape/${fd}`)));
      for (const { status, stdout } of outcomes) {
        if (status === 0) expect(stdout).toMatch(/^\/(?!.*world).*\n$/);
        else expect(status).toBe(255);
      }
    }
    await world().ok('instance', 'stop', 'web');
    for (let fd = 3; fd < 23; fd++) {
      const { status } = await world().davit('instance', 'start', '--contain', '--cwd', `/escape/${fd}`, root, 'web');
      if (status !== 0) continue;
      const { programPid } = await world().listed('web');
      const cwd = execFileSync('readlink', [`/proc/${programPid}/cwd`], { encoding: 'utf8' });
      expect(cwd).not.toContain(world().directory);
      await world().ok('instance', 'stop', 'web');
    }
    await expectRecovery(world());
  });

  test('names with odd bytes, and paths of every depth', async () => {
    const root = sandbox(world(), 'rootfs', () => undefined);
    const deep = `/${Array.from({ length: 1200 }, () => 'd').join('/')}`;
    const long = `/${'n'.repeat(255)}`;
    for (const target of [deep, long, '/a b/c\td', '/ä/ö\u{1f6a2}', '/new\nline', '/..//.././up', '/in/./side']) {
      const { status, stdout, stderr } = await world().davit(
        'exec',
        '--contain',
        '--mount',
        `type=bind,source=/dev/null,destination=${target}`,
        root,
        'sh',
        '-c',
        'test -e "$1" && echo there',
        'sh',
        target,
      );
      expect([target, status, stdout, stderr]).toEqual([target, 0, 'there\n', '']);
    }
    for (const target of [`/${'n'.repeat(256)}`, `${deep}${deep}${deep}`]) {
      const { status, stderr } = await world().davit(
        'exec',
        '--mount',
        `type=bind,source=/dev/null,destination=${target}`,
        root,
        'true',
      );
      expect([status, stderr]).toEqual([255, expect.stringContaining('ENAMETOOLONG')]);
    }
    await expectRecovery(world());
  });

  test('two thousand binds, with 64 descriptors allowed', async () => {
    const root = sandbox(world(), 'rootfs', () => undefined);
    const binds = Array.from({ length: 2000 }, (_, index) => [
      '--bind',
      `/etc/hostname:/b/${index % 50}/${index}`,
    ]).flat();
    const limited = ['-c', 'ulimit -Sn 64; exec "$@"', 'sh'];
    const script = 'ls /b/*/* | wc -l; ulimit -Sn';
    const { status, stdout, stderr } = await world().command('sh', [
      ...limited,
      davitPath,
      'exec',
      ...binds,
      root,
      'sh',
      '-c',
      script,
    ]);
    expect([status, stdout, stderr]).toEqual([0, '2000\n64\n', '']);
    await expectRecovery(world());
  });
});
