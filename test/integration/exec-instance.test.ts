/** exec, run, shell and test on instance://NAME: whose environment, whose directory, whose namespaces. */
import { expect, test } from 'vitest';
import { asRoot, isRoot } from './support/capabilities';
import { eventually } from './support/patience';
import { outcome, withWorld } from './support/world';

withWorld('exec instance://', (world) => {
  const uri = 'instance://web';

  test('finds the instance that start made', async () => {
    await world().ok(
      'instance',
      'start',
      '--env',
      'AT_START=1',
      '--bind',
      `${world().makeDirectory('data')}:/srv/data`,
      world().image(),
      'web',
    );
    await world().ok('exec', uri, '/bin/true');
  });

  test.each([
    [['false'], 1],
    [['sh', '-c', 'exit 42'], 42],
    [['sh', '-c', 'kill -9 $$'], 137],
    [['sh', '-c', 'kill -TERM $$'], 143],
  ])('passes the exit code of %j', async (command, code) => {
    expect(await world().davit('exec', uri, ...command)).toMatchObject({ code, stdout: '', stderr: '' });
  });

  test.each([
    ['nosuchcmd', '"nosuchcmd": executable file not found in $PATH'],
    ['/etc/passwd', 'permission denied'],
  ])('%s cannot be executed', async (command, message) => {
    expect(await world().davit('exec', uri, command)).toMatchObject({ status: 255, stderr: `FATAL:   ${message}\n` });
  });

  test.each(['exec', 'run', 'shell', 'test'])('%s knows no instance of another name', async (action) => {
    expect(await world().davit(action, 'instance://nosuch', ...(action === 'exec' ? ['true'] : []))).toMatchObject({
      status: 255,
      stdout: '',
      stderr: expect.stringMatching(/^FATAL: {3}.*no instance found with name nosuch\n/),
    });
  });

  test('sees the processes of the instance, init as number 1, and has no parent there', async () => {
    // The startscript becomes `sleep` after its first lines.
    const rows = await eventually(async () => {
      const lines = (await world().ok('exec', uri, 'ps', '-o', 'pid,ppid,args')).trim().split('\n').slice(1);
      const found = lines.map((line) => line.trim().split(/\s+/));
      expect(found.map((row) => row[2])).toContain('sleep');
      return found;
    });
    expect(rows[0]?.slice(0, 2)).toEqual(['1', '0']);
    expect(rows.find((row) => row[2] === 'sleep')?.[1]).toBe('1');
    expect(rows.find((row) => row[2] === 'ps' || row[2] === '/bin/ps')?.[1]).toBe('0');
  });

  test('has the namespaces of the instance', async () => {
    const { pid } = await world().listed('web');
    for (const name of ['pid', 'mnt', 'user', 'uts', 'ipc', 'net', 'cgroup']) {
      const inside = (await world().ok('exec', uri, 'readlink', `/proc/self/ns/${name}`)).trim();
      expect(inside, name).toBe((await world().command('readlink', [`/proc/${pid}/ns/${name}`])).stdout.trim());
    }
  });

  test('has the environment of the caller, and of the image, but not of the start', async () => {
    const env = { MINE: 'of the caller', FROM_IMAGE: 'of the caller' };
    const lines = (await world().okWith({ env }, 'exec', '--env', 'FOO=bar', uri, 'env')).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'MINE=of the caller',
        'FROM_IMAGE=set by the image',
        'FOO=bar',
        'APPTAINER_INSTANCE=web',
        'SINGULARITY_INSTANCE=web',
        'APPTAINER_COMMAND=exec',
        `APPTAINER_CONTAINER=${world().image()}`,
        'APPTAINER_NAME=busybox.sif',
      ]),
    );
    expect(lines.filter((line) => line.startsWith('AT_START='))).toEqual([]);
  });

  test('passes hardly anything with --cleanenv', async () => {
    const env = { MINE: 'x', http_proxy: 'p' };
    const text = await world().okWith({ env }, 'exec', '--cleanenv', uri, 'env');
    expect(text).not.toContain('MINE=');
    expect(text).toContain('http_proxy=p\n');
    expect(text).toContain('LANG=C\n');
    expect(text).toContain('FROM_IMAGE=set by the image\n');
  });

  test('works in the directory of the caller', async () => {
    expect(await world().ok('exec', uri, 'pwd')).toBe(`${world().cwd}\n`);
    expect(await world().okWith({ cwd: '/tmp' }, 'exec', uri, 'pwd')).toBe('/tmp\n');
  });

  test('falls back with a warning where that does not exist inside', async () => {
    const home = (await world().ok('exec', uri, 'sh', '-c', 'echo $HOME')).trim();
    const result = await world().davitWith({ cwd: '/usr/share' }, 'exec', uri, 'pwd');
    expect(result).toMatchObject({
      status: 0,
      stdout: `${home}\n`,
      stderr: `WARNING: Error changing the container working directory. Using '${home}' instead: chdir /usr/share: no such file or directory\n`,
    });
  });

  test('takes --pwd and --cwd, and fails when that is not there', async () => {
    expect(await world().ok('exec', '--pwd', '/etc', uri, 'pwd')).toBe('/etc\n');
    expect(await world().ok('exec', '--cwd', '/srv/site', uri, 'cat', 'index.html')).toBe('the page of the image\n');
    expect(await world().davit('exec', '--pwd', '/nosuch', uri, 'pwd')).toMatchObject({
      status: 255,
      stdout: '',
      stderr: expect.stringMatching(
        /^FATAL: {3}failed to set working directory: chdir \/nosuch: no such file or directory/,
      ),
    });
  });

  test('sees what the start has bound, and warns of options that come too late', async () => {
    expect(await world().davit('exec', uri, 'ls', '-d', '/srv/data')).toMatchObject({ status: 0, stderr: '' });
    const result = await world().davit('exec', '--bind', '/etc:/mnt', '--hostname', 'x', uri, 'ls', '/mnt');
    expect(result).toMatchObject({ status: 0, stdout: '' });
    expect(result.stderr).toMatch(/^WARNING: .*--bind.*--hostname/);
    expect(result.stderr.trim().split('\n').length).toBe(1);
  });

  test('reads standard input to its end', async () => {
    expect(await world().davitWith({ input: 'hi from stdin\n' }, 'exec', uri, 'cat')).toMatchObject({
      status: 0,
      stdout: 'hi from stdin\n',
    });
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('a %s reaches the payload and sets the exit code', async (signal, code) => {
    const child = world().spawn(['exec', uri, 'sh', '-c', 'echo up; exec sleep 999999']);
    await new Promise((done) => child.stdout?.once('data', done));
    child.kill(signal);
    expect((await outcome(child)).code).toBe(code);
    await eventually(async () =>
      expect(await world().ok('exec', uri, 'ps', '-o', 'args')).not.toContain('sleep 999999'),
    );
  });

  test('a payload that handles the signal decides', async () => {
    const script = 'trap "echo got it; exit 5" TERM; echo up; while :; do sleep 0.05; done';
    const child = world().spawn(['exec', uri, 'sh', '-c', script]);
    await new Promise((done) => child.stdout?.once('data', done));
    const end = outcome(child);
    child.kill('SIGTERM');
    expect(await end).toMatchObject({ code: 5, stdout: expect.stringContaining('got it\n') });
  });

  test('a killed exec leaves no payload behind', async () => {
    const child = world().spawn(['exec', uri, 'sh', '-c', 'echo up; exec sleep 888888']);
    await new Promise((done) => child.stdout?.once('data', done));
    child.kill('SIGKILL');
    await outcome(child);
    await eventually(async () =>
      expect(await world().ok('exec', uri, 'ps', '-o', 'args')).not.toContain('sleep 888888'),
    );
  });

  test('run executes the runscript, test the test script, shell a shell', async () => {
    expect(await world().ok('run', uri, 'a', 'b c')).toBe('runscript: 2: a b c\nword: <a>\nword: <b c>\n');
    expect(await world().davit('test', uri, '3')).toMatchObject({ status: 3, stdout: 'test: 1: 3\n' });
    const input = 'echo $0 $PWD\nexit 3\n';
    expect(await world().davitWith({ input }, 'shell', uri)).toMatchObject({
      status: 3,
      stdout: `/bin/sh ${world().cwd}\n`,
    });
  });

  test('asks for a command', async () => {
    expect(await world().davit('exec', uri)).toMatchObject({
      status: 1,
      stderr: 'Error for command "exec": requires at least 2 arg(s), only received 1\n\n',
    });
  });

  test('is the same user, with the privileges of a payload', async () => {
    const id = (await world().command('id', ['-u'])).stdout;
    expect(await world().ok('exec', uri, 'id', '-u')).toBe(id);
    const status = await world().ok('exec', uri, 'cat', '/proc/self/status');
    expect(status).toMatch(isRoot ? /^NoNewPrivs:\t0$/m : /^NoNewPrivs:\t1$/m);
    if (!isRoot) expect(status.match(/^Cap(Prm|Eff|Bnd|Inh|Amb):\t0+$/gm)?.length).toBe(5);
  });

  test('has HOME of the start', async () => {
    const home = world().makeDirectory('other-home');
    await world().ok('instance', 'start', '--home', `${home}:/home/zz`, world().image(), 'homely');
    expect(await world().ok('exec', 'instance://homely', 'sh', '-c', 'echo $HOME')).toBe('/home/zz\n');
  });

  test('serves many at once', async () => {
    const numbers = Array.from({ length: 12 }, (_, i) => String(i));
    const texts = await Promise.all(numbers.map((i) => world().ok('exec', uri, 'sh', '-c', `sleep 0.1; echo ${i}`)));
    expect(texts).toEqual(numbers.map((i) => `${i}\n`));
  });

  test('works while the startscript has ended', async () => {
    await world().ok('instance', 'start', world().image(), 'over', 'end');
    await eventually(async () => expect(await world().listed('over')).toMatchObject({ state: 'exited' }));
    const rows = (await world().ok('exec', 'instance://over', 'ps', '-o', 'pid,args')).trim().split('\n');
    expect(rows.length).toBe(3);
  });

  asRoot(() => {
    test('root keeps the capabilities that root has', async () => {
      const outside = (await world().command('grep', ['-E', '^Cap(Prm|Eff|Bnd)', '/proc/self/status'])).stdout;
      expect(await world().ok('exec', uri, 'grep', '-E', '^Cap(Prm|Eff|Bnd)', '/proc/self/status')).toBe(outside);
      const dropped = await world().ok('exec', '--drop-caps', 'CAP_CHOWN', uri, 'grep', '^CapEff', '/proc/self/status');
      expect(BigInt(`0x${dropped.split('\t')[1]?.trim()}`) & 1n).toBe(0n);
    });
  });
});
