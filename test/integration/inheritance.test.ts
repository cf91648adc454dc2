/** What a payload has of its caller, and what it must not have. */
import { closeSync, openSync } from 'node:fs';
import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { descriptorsOf } from './support/processes';
import { davitPath, outcome, withWorld } from './support/world';

const { homedir: home } = userInfo();

withWorld('descriptors', (world) => {
  const list = 'ls /proc/$$/fd; :';

  test('only 0, 1 and 2 are open inside', async () => {
    expect(await world().inside([], list)).toBe('0\n1\n2');
    expect(await world().inside(['--pid'], list)).toBe('0\n1\n2');
    expect(await world().inside(['--writable-tmpfs', '--contain'], list)).toBe('0\n1\n2');
  });

  test('those of the caller do not leak in', async () => {
    const fds = Array.from({ length: 5 }, () => openSync('/etc/passwd', 'r'));
    try {
      for (const options of [[], ['--pid']]) {
        const result = await world().davitWith(
          { extraStdio: fds },
          'exec',
          ...options,
          world().image(),
          'sh',
          '-c',
          list,
        );
        expect(result.stdout).toBe('0\n1\n2\n');
      }
      await world().okWith({ extraStdio: fds }, 'instance', 'start', world().image(), 'closed');
      const joined = await world().davitWith({ extraStdio: fds }, 'exec', 'instance://closed', 'sh', '-c', list);
      expect(joined.stdout).toBe('0\n1\n2\n');
    } finally {
      for (const fd of fds) closeSync(fd);
    }
    const { pid, keeperPid, programPid } = await world().listed('closed');
    for (const each of [pid, keeperPid, programPid]) {
      const open = (await world().command('sh', ['-c', `readlink /proc/${each}/fd/*`])).stdout;
      expect(open).not.toBe('');
      expect(open).not.toContain('/etc/passwd');
    }
  });

  test('a service has its logs and its standard input alone', async () => {
    const { programPid, logOutPath, logErrPath } = await world().listed('closed');
    // The shell that executes the startscript has that open as well, until it has become the service.
    await expect.poll(() => descriptorsOf(programPid)).toEqual(['/dev/null', logOutPath, logErrPath]);
  });

  test('closed standard descriptors do no harm', async () => {
    const result = await world().command('sh', [
      '-c',
      `exec "${davitPath}" exec "$1" sh -c 'echo out; ls /proc/$$/fd; :' <&-`,
      'sh',
      world().image(),
    ]);
    expect(result).toMatchObject({ status: 0 });
    expect(result.stdout).toMatch(/^out\n/);
    const quiet = await world().command('sh', [
      '-c',
      `"${davitPath}" exec "$1" true >&- 2>&-; echo $?`,
      'sh',
      world().image(),
    ]);
    expect(quiet.stdout).toBe('0\n');
  });
});

withWorld('what a payload inherits', (world) => {
  const run = async (prefix: string, script: string, ...args: string[]) => {
    const words = [...args, world().image(), 'sh', '-c', script];
    return world().command('bash', ['-c', `${prefix}; exec "$0" exec "$@"`, davitPath, ...words]);
  };

  test('the umask, or 0022 with --no-umask', async () => {
    expect((await run('umask 027', 'umask')).stdout).toBe('0027\n');
    expect((await run('umask 077', 'umask', '--pid')).stdout).toBe('0077\n');
    expect((await run('umask 077', 'umask', '--no-umask')).stdout).toBe('0022\n');
  });

  test('the umask of the start in instances', async () => {
    await world().command('sh', [
      '-c',
      'umask 037; "$0" instance start "$1" masked run sh -c "umask; exec sleep 1000000"',
      davitPath,
      world().image(),
    ]);
    await expect.poll(() => world().ok('instance', 'logs', 'masked')).toContain('\n0037\n');
    expect(
      (await world().command('sh', ['-c', 'umask 071; "$0" exec instance://masked sh -c umask', davitPath])).stdout,
    ).toBe('0071\n');
  });

  test('soft limits, as they are', async () => {
    expect((await run('ulimit -S -n 300', 'ulimit -S -n; ulimit -H -n')).stdout).toBe(
      (await world().command('bash', ['-c', 'ulimit -S -n 300; ulimit -S -n; ulimit -H -n'])).stdout,
    );
    expect((await run('ulimit -S -n 300', 'ulimit -S -n', '--pid')).stdout).toBe('300\n');
    expect((await run('ulimit -c 0; ulimit -S -s 4096', 'ulimit -c; ulimit -s')).stdout).toBe('0\n4096\n');
    const plain = await world().command('sh', ['-c', 'ulimit -S -n']);
    expect((await run(':', 'ulimit -S -n')).stdout).toBe(plain.stdout);
  });

  test('ignored signals stay ignored: nohup works', async () => {
    const ignored = 'grep SigIgn /proc/self/status';
    const plain = (await run(':', ignored)).stdout;
    expect((await run(`trap '' HUP USR1`, ignored)).stdout).not.toBe(plain);
    const mask = (text: string): bigint => BigInt(`0x${text.split('\t')[1]?.trim()}`);
    const none = mask(plain);
    expect(mask((await run(`trap '' HUP`, ignored)).stdout) & 1n).toBe(1n);
    expect(none & 1n).toBe(0n);
    // SIGPIPE is ignored by Node itself, and must not be inside.
    expect(none & (1n << 12n)).toBe(0n);
    expect(mask((await run(`trap '' PIPE`, ignored)).stdout) & (1n << 12n)).toBe(1n << 12n);
  });

  test('no blocked signals', async () => {
    for (const options of [[], ['--pid']]) {
      expect((await run(':', 'grep SigBlk /proc/self/status', ...options)).stdout).toBe('SigBlk:\t0000000000000000\n');
    }
  });

  test('its place: session, process group and nice value', async () => {
    const script = 'cut -d" " -f5,6,19 /proc/self/stat';
    const command = `setsid nice -n 39 "$0" exec "$1" sh -c '${script}'`;
    const result = await world().command('sh', ['-c', command, davitPath, world().image()]);
    const [group, session, nice] = result.stdout.trim().split(' ');
    expect(Number(group)).toBeGreaterThan(0);
    expect(group).toBe(session);
    expect(nice).toBe('19'); // the highest there is, wherever the tests started
  });

  test('a working directory that has been deleted does not hinder', async () => {
    const directory = world().makeDirectory('work/doomed');
    const result = await world().command(
      'sh',
      ['-c', `rmdir "$2" && exec "$0" exec "$1" echo fine`, davitPath, world().image(), directory],
      { cwd: directory },
    );
    expect(result).toMatchObject({ status: 0, stdout: 'fine\n' });
  });

  test('output that nobody reads ends the payload by SIGPIPE', async () => {
    const child = world().spawn(['exec', world().image(), 'yes']);
    child.stdout?.destroy();
    expect((await outcome(child)).code).toBe(141);
  });

  test(`HOME of the payload is ${home === '/' ? 'the root' : 'that of the account'}`, async () => {
    expect(await world().inside([], 'echo $HOME')).toBe(home);
  });
});
