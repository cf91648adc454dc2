/** What a container sees of the host: binds, home, tmp, the working directory, and how to leave them out. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
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
    const before = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;
    const child = world().spawn(['exec', '--bind', '/etc:/mnt', world().image(), 'sh', '-c', 'echo up; read x'], {
      input: undefined,
    });
    await new Promise((done) => child.stdout?.once('data', done));
    expect(readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length).toBe(before);
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

withWorld('--bind', (world) => {
  const page = 'cat /data/index.html';
  const site = (): string => world().path('site');

  test('takes SRC:DEST, SRC alone, several, and options', async () => {
    world().write('site/index.html', 'the page of the host\n');
    expect(await world().inside(['--bind', `${site()}:/data`], page)).toBe('the page of the host');
    expect(await world().inside(['-B', `${site()}:/data`], page)).toBe('the page of the host');
    expect(await world().inside(['--bind', `${site()}:/data:rw`], 'echo x > /data/new && cat /data/new')).toBe('x');
    expect(await world().inside(['--bind', `${site()}:/data,/etc:/host-etc`], 'ls -d /data/new /host-etc/passwd')).toBe(
      '/data/new\n/host-etc/passwd',
    );
    expect(
      await world().inside(['--bind', `${site()}:/data`, '--bind', '/etc:/host-etc'], 'ls -d /data/new /host-etc'),
    ).toBe('/data/new\n/host-etc');
    expect(await world().inside(['--contain', '--bind', site()], `cat ${site()}/index.html`)).toBe(
      'the page of the host',
    );
  });

  test('is read-only with :ro', async () => {
    const result = await world().davit('exec', '--bind', `${site()}:/data:ro`, world().image(), 'touch', '/data/x');
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('Read-only file system') });
  });

  test('covers what the image has, and makes what it has not', async () => {
    expect(await world().inside(['--bind', `${site()}:/srv/site`], 'cat /srv/site/index.html')).toBe(
      'the page of the host',
    );
    expect(await world().inside(['--bind', `${site()}:/a/new/place`], 'cat /a/new/place/index.html')).toBe(
      'the page of the host',
    );
    expect(await world().inside(['--bind', `${site()}/index.html:/etc/keep`], 'cat /etc/keep')).toBe(
      'the page of the host',
    );
    expect(await world().inside(['--bind', `${site()}/index.html:/etc/fresh`], 'cat /etc/fresh; cat /etc/keep')).toBe(
      'the page of the host\nas in the image',
    );
  });

  test('takes relative sources, and names with colons and commas', async () => {
    expect(await world().okWith({ cwd: site() }, 'exec', '--bind', '.:/data', world().image(), 'sh', '-c', page)).toBe(
      'the page of the host\n',
    );
    world().write('odd:na,me/file', 'odd\n');
    const odd = world().path('odd\\:na\\,me');
    expect(await world().inside(['--bind', `${odd}:/data`], 'cat /data/file')).toBe('odd');
  });

  test('follows links of the image without leaving it', async () => {
    const sandbox = world().path('linked');
    await world().ok('build', '--sandbox', sandbox, world().image());
    symlinkSync('/srv/site', `${sandbox}/opt/link`);
    symlinkSync('../../../../../../srv/site', `${sandbox}/opt/far`);
    for (const link of ['link', 'far']) {
      expect(await world().inside(['--bind', `${site()}:/opt/${link}`], 'cat /srv/site/index.html', sandbox)).toBe(
        'the page of the host',
      );
    }
  });

  test('nests: parents come before children, in whatever order they are given', async () => {
    mkdirSync(`${site()}/inner`, { recursive: true });
    const other = world().path('other');
    world().write('other/deep', 'deep\n');
    for (const order of [`${site()}:/data,${other}:/data/inner`, `${other}:/data/inner,${site()}:/data`]) {
      expect(await world().inside(['--bind', order], 'cat /data/index.html /data/inner/deep')).toBe(
        'the page of the host\ndeep',
      );
    }
  });

  test('lists the destinations in APPTAINER_BIND', async () => {
    expect(
      await world().inside(['--bind', `${site()}:/data,/etc:/host-etc`], 'echo $APPTAINER_BIND $SINGULARITY_BIND'),
    ).toBe('/data,/host-etc /data,/host-etc');
  });

  test('warns of a destination that is given twice; the first wins', async () => {
    const result = await world().davit(
      'exec',
      '--bind',
      `${site()}:/data`,
      '--bind',
      '/etc:/data',
      world().image(),
      'ls',
      '/data/index.html',
    );
    expect(result).toMatchObject({ status: 0, stderr: expect.stringMatching(/^WARNING: .*\/data/) });
  });

  test.each([
    ['/nosuch:/data', /while mounting \/nosuch: mount source \/nosuch doesn't exist/],
    ['/etc:relative', /destination must be an absolute path/],
    ['/etc:/data:xx', /xx is not a valid bind option/],
    ['/etc:/data:ro:more', /\/etc:\/data:ro/],
  ])('refuses %s', async (spec, message) => {
    const result = await world().davit('exec', '--bind', spec, world().image(), 'true');
    expect(result).toMatchObject({ status: 255, stdout: '', stderr: expect.stringMatching(/^FATAL: /) });
    expect(result.stderr).toMatch(message);
  });

  test('adds what the environment gives', async () => {
    const env = { APPTAINER_BIND: `${site()}:/data`, DAVIT_BINDPATH: '/usr:/host-usr' };
    expect(
      await world().okWith(
        { env },
        'exec',
        '--bind',
        '/etc:/host-etc',
        world().image(),
        'ls',
        '-d',
        '/data/index.html',
        '/host-etc/passwd',
        '/host-usr/bin',
      ),
    ).toBe('/data/index.html\n/host-etc/passwd\n/host-usr/bin\n');
  });

  test('reaches instances', async () => {
    await world().ok('instance', 'start', '--bind', `${site()}:/data:ro`, world().image(), 'bound');
    expect(await world().ok('exec', 'instance://bound', 'cat', '/data/index.html')).toBe('the page of the host\n');
  });
});

withWorld('--mount', (world) => {
  test.each([
    'type=bind,source=/etc,destination=/data',
    'type=bind,src=/etc,dst=/data',
    'type=bind,src=/etc,target=/data,ro',
    'type=bind,"src=/etc",destination=/data,readonly',
  ])('takes %s', async (spec) => {
    expect(await world().inside(['--mount', spec], 'ls -d /data/passwd')).toBe('/data/passwd');
  });

  test('is read-only with ro', async () => {
    const options = ['--mount', `type=bind,src=${world().cwd},dst=/data,ro`];
    expect(await world().davit('exec', ...options, world().image(), 'touch', '/data/x')).toMatchObject({ status: 1 });
  });

  test('takes quoted names with commas', async () => {
    world().write('a,b/file', 'comma\n');
    const spec = `type=bind,"src=${world().path('a,b')}",dst=/data`;
    expect(await world().inside(['--mount', spec], 'cat /data/file')).toBe('comma');
  });

  test('takes several lines from the environment', async () => {
    const env = { APPTAINER_MOUNT: 'type=bind,src=/etc,dst=/a\ntype=bind,src=/usr,dst=/b' };
    expect(await world().okWith({ env }, 'exec', world().image(), 'ls', '-d', '/a/passwd', '/b/bin')).toBe(
      '/a/passwd\n/b/bin\n',
    );
  });

  test.each([
    ['type=tmpfs,dst=/a', /unsupported mount type "tmpfs"/],
    ['type=bind,source=/etc', /must specify a source and a destination/],
    ['type=bind,destination=/a', /must specify a source and a destination/],
    ['type=bind,source=/etc,destination=/a,foo=1', /invalid key "foo"/],
    ['type=bind,source=/etc,destination=/a,bind-propagation=private', /bind-propagation not supported/],
  ])('refuses %s', async (spec, message) => {
    expect(await world().davit('exec', '--mount', spec, world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(message),
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
  test('has an empty home, tmp and a small /dev', async () => {
    expect(await world().inside(['--contain'], `pwd; find ${home} /tmp /var/tmp -mindepth 1`)).toBe(home);
    expect(await world().inside(['-c'], 'ls /dev')).toBe(
      'fd null ptmx pts random shm stderr stdin stdout tty urandom zero'.replaceAll(' ', '\n'),
    );
    expect(await world().inside(['--contain'], 'stat -c "%a" /tmp /var/tmp /dev/shm')).toBe('1777\n1777\n1777');
    expect(
      await world().inside(['--contain'], 'touch ~/x /tmp/x /var/tmp/x /dev/shm/x && echo x > /dev/null && echo ok'),
    ).toBe('ok');
  });

  test('leaves nothing of that on the host', () => {
    for (const directory of ['/tmp', '/var/tmp', '/dev/shm', home]) {
      expect(readdirSync(directory)).not.toContain('x');
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
