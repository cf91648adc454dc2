/** instance start, run and logs: messages and exit codes. */
import { readFileSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { eventually } from './support/patience';
import { davitPath, isAlive, withWorld } from './support/world';

const started = 'INFO:    instance started successfully\n';

withWorld('instance start', (world) => {
  test('starts the startscript and says so on stderr alone', async () => {
    expect(await world().davit('instance', 'start', world().image(), 'web')).toEqual({
      status: 0,
      signal: null,
      code: 0,
      stdout: '',
      // What the startscript has written to its error output by then comes first.
      stderr: expect.stringMatching(new RegExp(`^(startscript: an error line\\n)?${started}$`)),
    });
  });

  test('refuses a name that is in use', async () => {
    expect(await world().davit('instance', 'start', world().image(), 'web')).toMatchObject({
      status: 255,
      stdout: '',
      stderr: expect.stringMatching(/^FATAL: {3}instance web already exists\n/),
    });
  });

  test('hands its arguments to the startscript unchanged', async () => {
    await world().ok('instance', 'start', world().image(), 'args', 'arg1', 'arg 2', '--bind', '$HOME');
    await eventually(async () =>
      expect(await world().ok('instance', 'logs', 'args')).toBe('startscript: 4: arg1 arg 2 --bind $HOME\n'),
    );
  });

  test('shows the process of the container under its PID of the host', async () => {
    const { pid, programPid, keeperPid } = await world().listed('web');
    for (const each of [pid, programPid, keeperPid]) expect(isAlive(each)).toBe(true);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^NSpid:\t\d+\t1$/m);
    await eventually(() => expect(readFileSync(`/proc/${programPid}/cmdline`, 'utf8')).toContain('sleep'));
  });

  test('writes the PID to --pid-file, over what was there', async () => {
    const file = world().write('args.pid', 'something longer than a number\n');
    await world().ok('instance', 'start', '--pid-file', file, world().image(), 'with-file');
    expect(readFileSync(file, 'utf8')).toBe(`${(await world().listed('with-file')).pid}\n`);
  });

  test('only warns when the PID file cannot be written, or is a link', async () => {
    const missing = await world().davit('instance', 'start', '--pid-file', '/nonexistent/x.pid', world().image(), 'p1');
    expect(missing).toMatchObject({ status: 0 });
    expect(missing.stderr).toMatch(/^WARNING: Failed to write pid file: .*\/nonexistent\/x\.pid/m);

    const target = world().write('target', 'untouched\n');
    symlinkSync(target, world().path('link.pid'));
    const link = await world().davit(
      'instance',
      'start',
      '--pid-file',
      world().path('link.pid'),
      world().image(),
      'p2',
    );
    expect(link).toMatchObject({ status: 0, stderr: expect.stringContaining('WARNING: Failed to write pid file') });
    expect(readFileSync(target, 'utf8')).toBe('untouched\n');
  });

  test.each([['bad/name'], ['bad name'], ['../up'], [''], ['.'], ['..']])('refuses the name "%s"', async (name) => {
    const result = await world().davit('instance', 'start', world().image(), name);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toContain(`FATAL:   while checking instance name: ${name} is not a valid instance name`);
  });

  test('takes letters, digits, dots, underscores and hyphens', async () => {
    await world().ok('instance', 'start', world().image(), 'ok.name-1_X');
    await world().ok('instance', 'stop', 'ok.name-1_X');
  });

  test('asks for image and name', async () => {
    for (const args of [[], [world().image()]]) {
      expect(await world().davit('instance', 'start', ...args)).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(
          /^Usage:\n {2}davit \[global options\.\.\.\] instance start \[start options\.\.\.\] <container path> <instance name> \[startscript args\.\.\.\]\n/,
        ),
        stderr: `Error for command "start": requires at least 2 arg(s), only received ${args.length}\n\n`,
      });
    }
  });

  test('does not start from another instance', async () => {
    expect(await world().davit('instance', 'start', 'instance://web', 'q2')).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('starting an instance from another is not allowed'),
    });
  });

  test('takes its standard input from the caller', async () => {
    const result = await world().davitWith(
      { input: 'a line from the caller\n' },
      ...['instance', 'start', world().image(), 'reader', 'run', 'cat'],
    );
    expect(result.status).toBe(0);
    await eventually(async () =>
      expect(await world().ok('instance', 'logs', 'reader')).toContain('a line from the caller\n'),
    );
  });

  test('tells the startscript what it is', async () => {
    await world().ok('instance', 'start', '--env', 'GIVEN=by --env', world().image(), 'env', 'env');
    await eventually(async () =>
      expect((await world().ok('instance', 'logs', 'env')).split('\n')).toEqual(
        expect.arrayContaining([
          'APPTAINER_INSTANCE=env',
          'SINGULARITY_INSTANCE=env',
          'APPTAINER_COMMAND=start',
          'GIVEN=by --env',
          'FROM_IMAGE=set by the image',
        ]),
      ),
    );
  });

  test('needs no network of its own, has its own processes, and the host name of the host', async () => {
    const own = await world().ok(
      'exec',
      'instance://web',
      'sh',
      '-c',
      'for ns in pid net uts ipc; do readlink /proc/self/ns/$ns; done; hostname',
    );
    const host = await world().command('sh', [
      '-c',
      'for ns in pid net uts ipc; do readlink /proc/self/ns/$ns; done; hostname',
    ]);
    const [ownPid, ...ownRest] = own.split('\n');
    const [hostPid, ...hostRest] = host.stdout.split('\n');
    expect(ownPid).not.toBe(hostPid);
    expect(ownRest).toEqual(hostRest);
  });
});

withWorld('instance run', (world) => {
  test('executes the runscript instead', async () => {
    expect(await world().davit('instance', 'run', world().image(), 'once', 'a', 'b c')).toMatchObject({ status: 0 });
    await eventually(async () =>
      expect(await world().ok('instance', 'logs', 'once')).toBe('runscript: 2: a b c\nword: <a>\nword: <b c>\n'),
    );
  });

  test('leaves the instance up when the runscript has ended', async () => {
    await eventually(async () =>
      expect(await world().listed('once')).toMatchObject({ state: 'exited', exitStatus: 0, isRun: true }),
    );
    expect(await world().ok('exec', 'instance://once', 'echo', 'still here')).toBe('still here\n');
  });
});

withWorld('instance logs', (world) => {
  test('prints output, or errors with --err', async () => {
    await world().ok('instance', 'start', world().image(), 'web', 'x');
    await eventually(async () => {
      expect(await world().ok('instance', 'logs', 'web')).toBe('startscript: 1: x\n');
      expect(await world().ok('instance', 'logs', '--err', 'web')).toBe('startscript: an error line\n');
    });
  });

  test('still has them after the stop, and appends at the next start', async () => {
    await world().ok('instance', 'stop', 'web');
    expect(await world().ok('instance', 'logs', 'web')).toBe('startscript: 1: x\n');
    await world().ok('instance', 'start', world().image(), 'web', 'y');
    await eventually(async () =>
      expect(await world().ok('instance', 'logs', 'web')).toBe('startscript: 1: x\nstartscript: 1: y\n'),
    );
  });

  test('follows with -f what is written, until the instance ends', async () => {
    const script = 'i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo tick $i; sleep 0.1; done; exec sleep 1000000';
    await world().ok('instance', 'start', world().image(), 'ticker', 'run', 'sh', '-c', script);
    const follower = world().spawn(['instance', 'logs', '-f', 'ticker']);
    let seen = '';
    follower.stdout?.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    const end = new Promise((done) => follower.once('close', (status) => done(status)));
    await eventually(() => expect(seen).toContain('tick 3\n'));
    expect(follower.exitCode).toBe(null);
    await world().ok('instance', 'stop', 'ticker');
    expect(await end).toBe(0);
    expect(seen).toBe(`startscript: 4: run sh -c ${script}\ntick 1\ntick 2\ntick 3\n`);
  });

  test('follows no longer than somebody reads', async () => {
    const script = 'while :; do echo tick; sleep 0.05; done';
    await world().ok('instance', 'start', world().image(), 'endless', 'run', 'sh', '-c', script);
    const reader = await world().command('sh', ['-c', `${davitPath} instance logs -f endless | head -n 1`]);
    expect(reader).toMatchObject({ status: 0, stdout: `startscript: 4: run sh -c ${script}\n` });
    await world().ok('instance', 'stop', '--force', 'endless');
  });

  test('knows no instance of a name without logs', async () => {
    const result = await world().davit('instance', 'logs', 'nosuch');
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('nosuch');
  });

  test('go to --log-dir', async () => {
    const directory = world().makeDirectory('elsewhere');
    await world().ok('instance', 'start', '--log-dir', directory, world().image(), 'placed');
    await eventually(() => expect(readFileSync(`${directory}/placed.err`, 'utf8')).toContain('an error line'));
    expect(await world().listed('placed')).toMatchObject({ logOutPath: `${directory}/placed.out` });
  });
});

describe('instance', () => {
  withWorld('usage', (world) => {
    test.each([[['instance']], [['instance', 'nosuchsub']]])('of %j', async (args) => {
      expect(await world().davit(...args)).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(/^Usage:\n {2}davit \[global options\.\.\.\] instance <command>\n/),
        stderr: 'Error for command "instance": invalid command\n\n',
      });
    });

    test('of an unknown option', async () => {
      expect(await world().davit('instance', 'start', '--nosuchflag', world().image(), 'q')).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(/^Options for start command:\n/),
        stderr: 'Error for command "start": unknown flag: --nosuchflag\n\n',
      });
    });
  });
});
