/** exec, run, shell and test on an image: what is executed, its exit code, what is said when it cannot be. */
import { expect, test } from 'vitest';
import { davitPath, outcome, withWorld } from './support/world';

withWorld('exec', (world) => {
  test.each([
    ['/bin/true', 0],
    ['false', 1],
    ['sh -c exit\\ 42', 42],
    ['sh -c exit\\ 255', 255],
    ['sh -c kill\\ -9\\ $$', 137],
    ['sh -c kill\\ -TERM\\ $$', 143],
    ['sh -c kill\\ -SEGV\\ $$', 139],
    ['sh -c kill\\ -HUP\\ $$', 129],
  ])('passes the exit code of %s', async (words, code) => {
    const command = words.split(/(?<!\\) /).map((word) => word.replaceAll('\\ ', ' '));
    expect(await world().davit('exec', world().image(), ...command)).toMatchObject({ code, stdout: '', stderr: '' });
  });

  test('looks the command up on the PATH of the container, not on the host’s', async () => {
    const tool = world().write('tools/only-here', '#!/bin/sh\necho found\n', 0o755);
    const env = { PATH: `${world().path('tools')}:${world().env.PATH}` };
    expect(await world().davitWith({ env }, 'exec', world().image(), 'only-here')).toMatchObject({ status: 255 });
    expect(await world().okWith({ env }, 'exec', world().image(), tool)).toBe('found\n');
  });

  test.each([
    ['nosuchcmd', '"nosuchcmd": executable file not found in $PATH'],
    ['/etc/passwd', 'permission denied'],
    ['/etc', 'is a directory'],
  ])('%s cannot be executed', async (command, message) => {
    expect(await world().davit('exec', world().image(), command)).toMatchObject({
      status: 255,
      stdout: '',
      stderr: `FATAL:   ${message}\n`,
    });
  });

  test('names a path that does not exist', async () => {
    expect(await world().davit('exec', world().image(), '/no/such/cmd')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}.*\/no\/such\/cmd.*no such file or directory/),
    });
  });

  test('executes a script without a first line by the shell', async () => {
    const script = world().write('bare', 'echo "bare: $1"\n', 0o755);
    expect(await world().ok('exec', world().image(), script, 'x')).toBe('bare: x\n');
  });

  test('says when the interpreter of a script is not in the image', async () => {
    const script = world().write('alien', '#!/usr/bin/no-such-interpreter\n', 0o755);
    expect(await world().davit('exec', world().image(), script)).toMatchObject({ status: 255 });
  });

  test('hands arguments over as they are', async () => {
    const args = ['', ' ', 'a b', '$HOME', '`id`', '"', "'", '\\', '*', '--bind', 'x\ny', 'ü', '-'];
    const script = 'for word in "$@"; do printf "<%s>\\n" "$word"; done';
    expect(await world().ok('exec', world().image(), 'sh', '-c', script, 'sh', ...args)).toBe(
      args.map((arg) => `<${arg}>\n`).join(''),
    );
  });

  test('hands arguments over that are not UTF-8, also into instances', async () => {
    await world().ok('instance', 'start', world().image(), 'bytes');
    const hex = (target: string, words: string): string =>
      `"${davitPath}" exec ${target} printf '%s|' ${words} | od -An -tx1 | tr -d ' \\n'`;
    for (const target of [world().image(), 'instance://bytes']) {
      // Compiled, then remembered; an overlong sequence, a cut one, a byte that is nothing, and what Node puts there.
      for (const plan of ['on', 'on', 'off']) {
        const script = `export DAVIT_PLAN_CACHE=${plan}; a=$(printf '\\377\\300\\200'); b=$(printf 'x\\342\\202')
          c=$(printf '\\357\\277\\275'); ${hex(target, '"$a" "$b" "" "$c"')}`;
        expect((await world().command('sh', ['-c', script])).stdout, `${target} ${plan}`).toBe(
          'ffc0807c78e2827c7cefbfbd7c',
        );
      }
    }
    await world().ok('instance', 'stop', 'bytes');
  });

  test('connects standard input, output and error', async () => {
    const result = await world().davitWith(
      { input: 'from stdin\n' },
      ...['exec', world().image(), 'sh', '-c', 'cat; echo to stderr >&2'],
    );
    expect(result).toMatchObject({ status: 0, stdout: 'from stdin\n', stderr: 'to stderr\n' });
  });

  test('passes megabytes without loss', async () => {
    const input = 'x'.repeat(3_000_000);
    const result = await world().davitWith({ input }, 'exec', world().image(), 'cat');
    expect(result.stdout.length).toBe(input.length);
  });

  test('takes an argument list near the limit of the kernel', async () => {
    const long = 'y'.repeat(120_000);
    expect(await world().ok('exec', world().image(), 'sh', '-c', 'echo ${#1}', 'sh', long)).toBe('120000\n');
  });

  test.each([
    [[], 0],
    [['image'], 1],
  ])('asks for image and command (%j)', async (args, given) => {
    const words = args.map(() => world().image());
    expect(await world().davit('exec', ...words)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(
        /^Usage:\n {2}davit \[global options\.\.\.\] exec \[exec options\.\.\.\] <container> <command>\n/,
      ),
      stderr: `Error for command "exec": requires at least 2 arg(s), only received ${given}\n\n`,
    });
  });

  test('stops reading options at the image', async () => {
    expect(await world().ok('exec', world().image(), 'echo', '--bind', '-e', '--')).toBe('--bind -e --\n');
  });

  test('says that an image does not exist', async () => {
    expect(await world().davit('exec', 'nosuch.sif', 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(
        /^FATAL: {3}.*could not open image \/.*\/work\/nosuch\.sif: .*no such file or directory\n/,
      ),
    });
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGUSR1', 138],
  ] as const)('a %s ends the payload and sets the exit code', async (signal, code) => {
    for (const options of [[], ['--pid']]) {
      const child = world().spawn(['exec', ...options, world().image(), 'sh', '-c', 'echo up; exec sleep 1000000']);
      await new Promise((done) => child.stdout?.once('data', done));
      child.kill(signal);
      expect((await outcome(child)).code).toBe(code);
    }
  });

  test('a signal reaches a payload that handles it', async () => {
    for (const options of [[], ['--pid']]) {
      const script = 'trap "echo got it; exit 5" TERM; echo up; while :; do sleep 0.05; done';
      const child = world().spawn(['exec', ...options, world().image(), 'sh', '-c', script]);
      await new Promise((done) => child.stdout?.once('data', done));
      const end = outcome(child);
      child.kill('SIGTERM');
      expect(await end).toMatchObject({ code: 5, stdout: expect.stringContaining('got it\n') });
    }
  });

  test('the payload is the very process that was started', async () => {
    const child = world().spawn(['exec', world().image(), 'sh', '-c', 'echo $$; read x']);
    const line = await new Promise<string>((done) => child.stdout?.once('data', (data) => done(String(data))));
    expect(Number(line)).toBe(child.pid);
    child.kill('SIGKILL');
    await outcome(child);
  });

  test('core dumps and stops are the caller’s affair: SIGSTOP and SIGCONT work', async () => {
    const child = world().spawn(['exec', world().image(), 'sh', '-c', 'echo up; sleep 0.3; exit 3']);
    await new Promise((done) => child.stdout?.once('data', done));
    child.kill('SIGSTOP');
    child.kill('SIGCONT');
    expect((await outcome(child)).code).toBe(3);
  });
});

withWorld('run, shell, test', (world) => {
  test('run executes the runscript with arguments', async () => {
    expect(await world().ok('run', world().image(), 'a', 'b c', '')).toBe(
      'runscript: 3: a b c \nword: <a>\nword: <b c>\nword: <>\n',
    );
  });

  test('run without a runscript executes /bin/sh and says so', async () => {
    const image = world().path('no-runscript');
    await world().ok('build', '--sandbox', image, world().image());
    await world().command('rm', ['-f', `${image}/.singularity.d/runscript`, `${image}/singularity`]);
    expect(await world().davitWith({ input: 'echo in $0; exit 6\n' }, 'run', image)).toMatchObject({
      status: 6,
      stdout: expect.stringMatching(/^in .*sh\n$/),
      stderr: 'INFO:    No runscript found in container, executing /bin/sh\n',
    });
  });

  test('shell reads commands, and has the prompt of the reference', async () => {
    const result = await world().davitWith({ input: 'echo $0 "$PS1"; exit 3\n' }, 'shell', world().image());
    expect(result).toMatchObject({ status: 3, stdout: '/bin/sh Apptainer> \n', stderr: '' });
  });

  test('shell ignores further arguments with a warning', async () => {
    const result = await world().davitWith({ input: 'echo $#\n' }, 'shell', world().image(), 'a', 'b');
    expect(result).toMatchObject({ status: 0, stdout: '0\n', stderr: expect.stringMatching(/^WARNING: /) });
  });

  test('shell takes the program of --shell', async () => {
    const input = 'echo $0; exit 2\n';
    const env = { APPTAINER_SHELL: '/bin/ash' };
    expect(await world().davitWith({ input }, 'shell', '--shell', '/bin/ash', world().image())).toMatchObject({
      status: 2,
      stdout: '/bin/ash\n',
    });
    expect(await world().davitWith({ input }, 'shell', '-s', '/bin/ash', world().image())).toMatchObject({
      status: 2,
      stdout: '/bin/ash\n',
    });
    expect(await world().davitWith({ input, env }, 'shell', world().image())).toMatchObject({
      status: 2,
      stdout: '/bin/ash\n',
    });
  });

  test('test executes the test script and passes its exit code', async () => {
    expect(await world().davit('test', world().image())).toMatchObject({ status: 0, stdout: 'test: 0: \n' });
    expect(await world().davit('test', world().image(), '4', 'x')).toMatchObject({
      status: 4,
      stdout: 'test: 2: 4 x\n',
    });
  });
});

withWorld('--app', (world) => {
  test('runs the runscript of the app, with its environment', async () => {
    expect(await world().ok('run', '--app', 'hello', world().image(), 'x', 'y z')).toBe('app run: hello 2: x y z\n');
  });

  test('puts the programs of the app on PATH', async () => {
    expect(await world().ok('exec', '--app', 'hello', world().image(), 'greet')).toBe('greet: hi\n');
    expect(await world().davit('exec', world().image(), 'greet')).toMatchObject({ status: 255 });
  });

  test('sets the variables of the app, and never APPTAINER_APPDATA', async () => {
    const lines = (await world().ok('exec', '--app', 'hello', world().image(), 'env')).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'APPTAINER_APPNAME=hello',
        'SINGULARITY_APPNAME=hello',
        'SCIF_APPNAME=hello',
        'SCIF_APPS=/scif/apps',
        'HELLO_GREETING=hi',
      ]),
    );
    expect(lines.find((line) => line.startsWith('PATH='))).toMatch(
      /^PATH=\/scif\/apps\/hello\/bin:\/scif\/apps\/hello:\/scif\/apps\/singularity:/,
    );
    expect(lines.find((line) => line.startsWith('LD_LIBRARY_PATH='))).toContain('/scif/apps/hello/lib');
    expect(lines.filter((line) => line.startsWith('APPTAINER_APPDATA'))).toEqual([]);
  });

  test('tests the app', async () => {
    expect(await world().davit('test', '--app', 'hello', world().image(), '5')).toMatchObject({
      status: 5,
      stdout: 'app test 5\n',
    });
  });

  test('opens a shell in the environment of the app', async () => {
    const result = await world().davitWith({ input: 'greet\n' }, 'shell', '--app', 'hello', world().image());
    expect(result).toMatchObject({ status: 0, stdout: 'greet: hi\n' });
  });

  test('starts the app as an instance, and joins it', async () => {
    await world().ok('instance', 'start', '--app', 'hello', world().image(), 'app', 'x');
    expect(await world().ok('run', '--app', 'hello', 'instance://app', 'y')).toBe('app run: hello 1: y\n');
    expect(await world().ok('instance', 'logs', 'app')).toBe('app start: hello x\n');
    expect(await world().listed('app')).toMatchObject({ app: 'hello' });
    await world().ok('instance', 'stop', 'app');
  });

  test('an unknown app is named', async () => {
    for (const action of ['run', 'test']) {
      const result = await world().davit(action, '--app', 'nosuch', world().image());
      expect(result.status).toBe(1);
      expect(result.stdout + result.stderr).toContain('nosuch');
    }
  });

  test('comes from the environment as well', async () => {
    for (const name of ['DAVIT_APP', 'APPTAINER_APP', 'SINGULARITY_APPNAME']) {
      expect(await world().okWith({ env: { [name]: 'hello' } }, 'run', world().image())).toBe('app run: hello 0: \n');
    }
  });
});
