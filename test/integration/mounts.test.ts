/** What a container sees of the host: home, tmp, the working directory, and how to leave them out. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
import { mountsBelow } from './support/processes';
import { withWorld } from './support/world';

const { homedir: home, uid } = userInfo();

withWorld('by default', (world) => {
  test('/tmp, /var/tmp, HOME and the working directory are the host’s', async () => {
    world().write('work/here', 'found\n');
    expect(await world().inside([], 'cat here')).toBe('found');
    for (const directory of ['/tmp', '/var/tmp', home]) {
      expect(await world().inside([], `stat -c %i ${directory}`)).toBe(String(statSync(directory).ino));
    }
    await world().inside([], 'echo written > there');
    expect(readFileSync(world().path('work/there'), 'utf8')).toBe('written\n');
  });

  test('the image is read-only', async () => {
    const result = await world().davit('exec', world().image(), 'touch', '/newfile', '/etc/keep');
    expect(result).toMatchObject({ status: 1 });
    expect(result.stderr.match(/Read-only file system/g)?.length).toBe(2);
  });

  test('the whole of /dev is there, and the processes of the host', async () => {
    expect(await world().inside([], 'test -c /dev/null && test -d /dev/pts && echo ok')).toBe('ok');
    expect(await world().inside([], 'readlink /proc/self/ns/pid')).toBe(
      (await world().command('readlink', ['/proc/self/ns/pid'])).stdout.trim(),
    );
  });

  test('mounts of the container are not seen outside', async () => {
    const atMnt = (): number => readFileSync('/proc/self/mountinfo', 'utf8').split(' /mnt ').length;
    const before = atMnt();
    const child = world().spawn(
      ['exec', '--bind', `${world().path('work')}:/mnt`, world().image(), 'sh', '-c', 'echo up; read x'],
      {
        input: undefined,
      },
    );
    await new Promise((done) => child.stdout?.once('data', done));
    expect(mountsBelow(world().directory)).toEqual([]);
    expect(atMnt()).toBe(before);
    child.kill('SIGKILL');
    await new Promise((done) => child.once('close', done));
  });

  test('set-user-id programs and devices of binds have no effect', async () => {
    const mounts = await world().inside(['--bind', `${world().cwd}:/srv/data`], 'cat /proc/self/mountinfo');
    for (const target of ['/srv/data', '/tmp', '/etc/hosts', home]) {
      const line = mounts.split('\n').find((each) => each.split(' ')[4] === target);
      expect(line, target).toMatch(/ rw,nosuid,nodev/);
    }
  });

  test('the host’s hosts, localtime and resolv.conf are there', async () => {
    expect(await world().inside([], 'cat /etc/hosts')).toBe(readFileSync('/etc/hosts', 'utf8').replace(/\n$/, ''));
    expect(await world().inside([], 'cat /etc/resolv.conf')).toBe(
      readFileSync('/etc/resolv.conf', 'utf8').replace(/\n$/, ''),
    );
  });

  test('passwd and group are the image’s, and know the caller', async () => {
    const { username } = userInfo();
    const passwd = (await world().inside([], 'cat /etc/passwd')).split('\n');
    expect(passwd).toContain('nobody:x:65534:65534:nobody:/nonexistent:/bin/false');
    const own = passwd.filter((line) => line.split(':')[2] === String(uid));
    expect(own.length).toBe(1);
    expect(own[0]?.split(':')).toMatchObject({ 0: isRoot ? 'root' : username, 5: home });
    expect(await world().inside([], 'id -un; id -gn')).toMatch(/^\S+\n\S+$/);
  });
});

withWorld('the working directory', (world) => {
  test('is the caller’s, under the same name', async () => {
    mkdirSync(world().path('work/deep/er'), { recursive: true });
    expect(await world().okWith({ cwd: world().path('work/deep/er') }, 'exec', world().image(), 'pwd')).toBe(
      `${world().path('work/deep/er')}\n`,
    );
    for (const cwd of ['/', '/tmp', home]) {
      expect(await world().okWith({ cwd }, 'exec', world().image(), 'pwd')).toBe(`${cwd}\n`);
    }
  });

  test('may be reached by a link', async () => {
    mkdirSync(world().path('real'), { recursive: true });
    symlinkSync(world().path('real'), world().path('link'));
    const env = { PWD: world().path('link') };
    expect(await world().okWith({ cwd: world().path('real'), env }, 'exec', world().image(), 'pwd', '-P')).toBe(
      `${world().path('real')}\n`,
    );
  });

  test('falls back to HOME where it is not there, with a warning', async () => {
    const result = await world().davitWith({ cwd: '/usr/lib' }, 'exec', '--no-mount', 'cwd', world().image(), 'pwd');
    expect(result).toMatchObject({ status: 0, stdout: `${home}\n` });
    expect(result.stderr).toBe(
      `WARNING: Error changing the container working directory. Using '${home}' instead: chdir /usr/lib: no such file or directory\n`,
    );
  });

  test.each(['--cwd', '--pwd'])('%s goes elsewhere, or fails', async (flag) => {
    expect(await world().ok('exec', flag, '/srv/site', world().image(), 'cat', 'index.html')).toBe(
      'the page of the image\n',
    );
    expect(await world().davit('exec', flag, '/nosuch', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(
        /^FATAL: {3}failed to set working directory: chdir \/nosuch: no such file or directory/,
      ),
    });
  });

  test('is not bound with --no-mount cwd, nor with --contain', async () => {
    const directory = world().makeDirectory('work');
    const missing = `chdir ${directory}: no such file or directory`;
    const without = await world().davitWith(
      { cwd: directory },
      'exec',
      '--no-mount',
      'cwd,tmp',
      world().image(),
      'pwd',
    );
    expect(without).toMatchObject({ stdout: `${home}\n`, stderr: expect.stringContaining(missing) });
    expect(await world().davitWith({ cwd: directory }, 'exec', '--contain', world().image(), 'pwd')).toMatchObject({
      stdout: `${home}\n`,
      stderr: '',
    });
  });
});

withWorld('--home and --no-home', (world) => {
  const show = "cd; pwd; echo $HOME; awk -F: -v u=$(id -u) '$3 == u {print $6}' /etc/passwd";

  test('--home SRC:DEST is bound there, and is HOME', async () => {
    world().write('house/file', 'mine\n');
    expect(await world().inside(['--home', `${world().path('house')}:/home/other`], `${show}; cat file`)).toBe(
      '/home/other\n/home/other\n/home/other\nmine',
    );
  });

  test('--home SRC keeps its name', async () => {
    const house = world().path('house');
    for (const flag of ['--home', '-H']) {
      expect(await world().inside([flag, house], show)).toBe(`${house}\n${house}\n${house}`);
    }
  });

  test('a home that is asked for stays with --contain', async () => {
    const house = world().path('house');
    expect(await world().inside(['--contain', '--home', `${house}:/home/x`], 'pwd; cat file')).toBe('/home/x\nmine');
    expect(await world().inside(['--contain', '--home', house], 'pwd; cat file')).toBe(`${house}\nmine`);
  });

  test('--no-home leaves it out, HOME stays', async () => {
    for (const options of [['--no-home'], ['--no-mount', 'home']]) {
      expect(await world().inside(options, `echo $HOME; ls -A ${home} 2>/dev/null | wc -l`)).toBe(`${home}\n0`);
    }
  });

  test.each([
    ['/a:/b:/c', /incorrect number of elements/],
    ['/tmp:relative', /path relative is not an absolute path/],
  ])('--home %s is refused', async (spec, message) => {
    expect(await world().davit('exec', '--home', spec, world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(message),
    });
  });
});

withWorld('--contain', (world) => {
  // A name that nobody else gives a file in places that all share.
  const mark = `davit-contain-${process.pid}`;

  test('has an empty home, tmp and a small /dev', async () => {
    expect(await world().inside(['--contain'], `pwd; find ${home} /tmp /var/tmp -mindepth 1`)).toBe(home);
    expect(await world().inside(['-c'], 'ls /dev')).toBe(
      'fd null ptmx pts random shm stderr stdin stdout tty urandom zero'.replaceAll(' ', '\n'),
    );
    expect(await world().inside(['--contain'], 'stat -c "%a" /tmp /var/tmp /dev/shm')).toBe('1777\n1777\n1777');
    expect(
      await world().inside(
        ['--contain'],
        `touch ~/${mark} /tmp/${mark} /var/tmp/${mark} /dev/shm/${mark} && echo x > /dev/null && echo ok`,
      ),
    ).toBe('ok');
  });

  test('leaves nothing of that on the host', () => {
    for (const directory of ['/tmp', '/var/tmp', '/dev/shm', home]) {
      expect(readdirSync(directory)).not.toContain(mark);
    }
  });

  test('--containall also has its own processes, IPC and a clean environment', async () => {
    for (const flag of ['--containall', '-C']) {
      const text = await world().okWith(
        { env: { MINE: 'x' } },
        'exec',
        flag,
        world().image(),
        'sh',
        '-c',
        'ps -o pid; readlink /proc/self/ns/ipc; echo "<$MINE>"; ls -d /dev/mqueue',
      );
      const lines = text
        .trim()
        .split('\n')
        .map((line) => line.trim());
      expect(lines.slice(0, 2)).toEqual(['PID', '1']);
      expect(lines).toContain('<>');
      expect(lines).toContain('/dev/mqueue');
      expect(lines).not.toContain((await world().command('readlink', ['/proc/self/ns/ipc'])).stdout.trim());
    }
  });

  test('--workdir keeps home and tmp; --scratch lies there as well', async () => {
    const workdir = world().makeDirectory('workdir');
    const options = ['--contain', '--workdir', workdir, '--scratch', '/sc/deep'];
    await world().inside(options, 'echo t > /tmp/t; echo v > /var/tmp/v; echo h > ~/h; echo s > /sc/deep/s');
    const found = (await world().command('find', [workdir, '-type', 'f'])).stdout.trim().split('\n').sort();
    expect(found.map((path) => path.slice(workdir.length))).toEqual([
      '/home/h',
      '/scratch/sc/deep/s',
      '/tmp/t',
      '/var_tmp/v',
    ]);
    expect(await world().inside(options, 'cat /tmp/t ~/h /sc/deep/s')).toBe('t\nh\ns');
  });

  test('--workdir may be relative, and must be there', async () => {
    mkdirSync(world().path('work/rel'), { recursive: true });
    await world().inside(['--contain', '-W', 'rel'], 'touch /tmp/q');
    expect(readdirSync(world().path('work/rel/tmp'))).toEqual(['q']);
    expect(await world().davit('exec', '--contain', '--workdir', '/no/such', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('/no/such'),
    });
  });

  test('--scratch alone is fresh each time', async () => {
    for (const options of [
      ['--scratch', '/sc'],
      ['-S', '/sc'],
    ]) {
      expect(await world().inside(options, 'ls -A /sc; touch /sc/x && ls /sc')).toBe('x');
    }
    expect(await world().inside(['--scratch', '/sc,/sd'], 'ls -d /sc /sd')).toBe('/sc\n/sd');
    expect(await world().davit('exec', '--scratch', 'rel', world().image(), 'true')).toMatchObject({ status: 255 });
  });
});

describe('--no-mount', () => {
  withWorld('leaves out', (world) => {
    test.each([
      ['tmp', 'ls -A /tmp | wc -l', '0'],
      ['home', `ls -A ${home} 2>/dev/null | wc -l`, '0'],
      ['sys', 'ls -A /sys | wc -l', '0'],
      ['dev', 'ls -A /dev | wc -l', '0'],
      ['proc', 'echo /proc/*', '/proc/*'],
      ['bind-paths', 'cat /etc/hosts', '127.0.0.1 localhost'],
      ['/etc/hosts', 'cat /etc/hosts', '127.0.0.1 localhost'],
      ['/etc/resolv.conf', 'cat /etc/resolv.conf', ''],
    ])('%s', async (what, script, expected) => {
      expect(await world().okWith({ cwd: '/' }, 'exec', '--no-mount', what, world().image(), 'sh', '-c', script)).toBe(
        expected === '' ? '' : `${expected}\n`,
      );
    });

    test('several, and warns of what it does not know', async () => {
      expect(
        await world().okWith(
          { cwd: '/' },
          'exec',
          '--no-mount',
          'tmp,sys',
          world().image(),
          'sh',
          '-c',
          'ls -A /tmp /sys',
        ),
      ).toBe('/sys:\n\n/tmp:\n');
      const result = await world().davit('exec', '--no-mount', 'nosuch', world().image(), 'true');
      expect(result).toMatchObject({ status: 0, stderr: expect.stringMatching(/^WARNING: .*nosuch/) });
    });
  });
});
