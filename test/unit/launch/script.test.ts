import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { envLines, FakeRoot, type Outcome, SHELLS } from './shells';
import { compile, userCaller } from './support';

/** The caller's environment when the reference output was recorded (user hpc, Apptainer 1.4.5). */
const HOST = {
  PWD: '/',
  LOGNAME: 'hpc',
  LANG: 'C.UTF-8',
  USER: 'hpc',
  SHLVL: '1',
  HOME: '/home/hpc',
  PATH: '/usr/local/bin:/usr/bin:/bin',
};
const ENV = ['/usr/bin/env', '-0'];

let root: FakeRoot;
beforeEach(() => {
  root = new FakeRoot();
});
afterEach(() => rmSync(root.path, { recursive: true }));

describe.each(SHELLS)('the action script under $name', (shell) => {
  interface Wish {
    options?: Partial<LaunchOptions>;
    command?: string[];
    host?: Record<string, string>;
    cwd?: string;
  }
  const caller = (host: Record<string, string>) =>
    userCaller({ env: host, user: { name: 'hpc', gecos: '', home: '/home/hpc', shell: '/bin/bash' } });
  const exec = ({ options = {}, command = ENV, host = {}, cwd }: Wish): Outcome => {
    const all = { ...HOST, ...host };
    return root.run(compile(options, { action: 'exec', command, caller: caller(all) }), shell, all, cwd);
  };
  const variable = (name: string, wish: Wish): string | undefined =>
    envLines(exec(wish).stdout)
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1);

  it('gives exec the environment that the original gives', () => {
    root.withEnvironmentFiles();
    // bash sets _ and counts SHLVL down itself.
    const lines = envLines(exec({}).stdout).filter((line) => !/^(_|SHLVL)=/.test(line));
    expect(lines).toEqual([
      'APPTAINER_APPNAME=',
      'APPTAINER_BIND=',
      'APPTAINER_COMMAND=exec',
      'APPTAINER_CONTAINER=/images/lab.sif',
      'APPTAINER_ENVIRONMENT=/.singularity.d/env/91-environment.sh',
      'APPTAINER_NAME=lab.sif',
      'HOME=/home/hpc',
      'LANG=C.UTF-8',
      'LD_LIBRARY_PATH=/.singularity.d/libs',
      'LOGNAME=hpc',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'PROMPT_COMMAND=PS1="Apptainer> "; unset PROMPT_COMMAND',
      'PS1=Apptainer> ',
      'PWD=/',
      'SINGULARITY_BIND=',
      'SINGULARITY_CONTAINER=/images/lab.sif',
      'SINGULARITY_ENVIRONMENT=/.singularity.d/env/91-environment.sh',
      'SINGULARITY_NAME=lab.sif',
      'USER=hpc',
      'USER_PATH=/usr/local/bin:/usr/bin:/bin',
    ]);
  });

  it('keeps almost nothing with --cleanenv', () => {
    root.withEnvironmentFiles();
    const host = { TERM: 'xterm', SECRET: '1', http_proxy: 'http://p', HTTPS_PROXY: 'q' };
    const lines = envLines(exec({ options: { cleanEnv: true }, host }).stdout);
    const names = lines.map((line) => line.slice(0, line.indexOf('=')));
    expect(names.filter((name) => !/^(APPTAINER|SINGULARITY)_/.test(name) && name !== '_' && name !== 'SHLVL')).toEqual(
      ['HOME', 'HTTPS_PROXY', 'LANG', 'LD_LIBRARY_PATH', 'PATH', 'PROMPT_COMMAND', 'PS1', 'PWD', 'TERM', 'http_proxy'],
    );
    expect(lines).toContain('LANG=C');
  });

  it('lets the image win, restores what it left alone, and removes what it emptied', () => {
    root.withEnvironmentFiles(
      'export FOO=image\nexport EMPTIED=\nexport HV=\nUNEXPORTED=1\nLATE=$FOO\nexport LATE\nSEEN="<${HOSTONLY-none}>"\nexport SEEN\n',
    );
    const host = { FOO: 'host', HV: 'host', UNEXPORTED: 'host', HOSTONLY: 'a b', EMPTYHOST: '', EMPTIED: 'host' };
    const lines = envLines(exec({ host }).stdout);
    expect(lines).toEqual(
      expect.arrayContaining(['FOO=image', 'LATE=image', 'HOSTONLY=a b', 'EMPTYHOST=', 'SEEN=<none>']),
    );
    expect(lines.filter((line) => /^(HV|UNEXPORTED|EMPTIED|DAVIT_)/.test(line))).toEqual([]);
  });

  it('brings values with newlines, quotes and dollars through unharmed', () => {
    root.withEnvironmentFiles();
    const value = 'a\nb "c" \'d\' $HOME `id` \\ *';
    expect(variable('ML', { host: { ML: value } })).toBe(value);
  });

  it.each([
    ['a"b', 'a"b'],
    ['a\\$HOME', 'a$HOME'],
    ['a\\\\b', 'a\\b'],
    ["it's", "it's"],
    ['$FOO-$HOME-$PATH', '-/home/hpc-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ['a=b', 'a=b'],
    ['a\nb', 'a\nb'],
    ['$(echo hi)', 'hi'],
    ['ends with \\', 'ends with \\'],
    ['${UNSET:-default}', 'default'],
    ['', ''],
  ])('evaluates --env X=%j once, as double-quoted text', (given, expected) => {
    root.withEnvironmentFiles();
    expect(variable('X', { options: { env: { X: given } }, host: { FOO: 'host' } })).toBe(expected);
  });

  it('takes --env literally with --no-eval', () => {
    root.withEnvironmentFiles();
    const text = '$FOO"\\a`b`\'';
    const options = { env: { X: text }, noEval: true };
    expect(variable('X', { options })).toBe(text);
    expect(variable('SINGULARITY_NO_EVAL', { options })).toBe('1');
  });

  it('lets --env and APPTAINERENV_ beat the image', () => {
    root.withEnvironmentFiles('export FOO=image BAR=image\n');
    const wish = {
      options: { env: { FOO: 'flag:$FOO' } },
      host: { APPTAINERENV_BAR: 'variable', APPTAINERENV_FOO: 'no' },
    };
    expect(variable('FOO', wish)).toBe('flag:image');
    expect(variable('BAR', wish)).toBe('variable');
  });

  it.each([
    [{ PATH: '/x:$PATH' }, '/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    [{ PREPEND_PATH: '/pre' }, '/pre:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    [{ APPEND_PATH: '/post' }, '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/post'],
    [{ PREPEND_PATH: '/pre', APPEND_PATH: '/post', PATH: '/bin' }, '/bin'],
    [{ PREPEND_PATH: '$HOME/bin' }, '/home/hpc/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  ])('applies %j to PATH at the end', (env, expected) => {
    root.withEnvironmentFiles();
    expect(variable('PATH', { options: { env } })).toBe(expected);
  });

  it.each([
    [{ LD_LIBRARY_PATH: '/foo' }, '/foo:/.singularity.d/libs'],
    [{ LD_LIBRARY_PATH: '' }, ''],
    [{ LD_LIBRARY_PATH: '/x:$LD_LIBRARY_PATH' }, '/x:/.singularity.d/libs:/.singularity.d/libs'],
    [{ PREPEND_LD_LIBRARY_PATH: '/a', APPEND_LD_LIBRARY_PATH: '/b' }, '/a:/.singularity.d/libs:/b'],
  ])('gives LD_LIBRARY_PATH for %j', (env, expected) => {
    root.withEnvironmentFiles();
    expect(variable('LD_LIBRARY_PATH', { options: { env }, host: { LD_LIBRARY_PATH: '/host' } })).toBe(expected);
  });

  it('injects into an image that has no environment files, and sets the prompt there', () => {
    const lines = envLines(exec({ options: { env: { A: '1', PREPEND_PATH: '/p' } } }).stdout);
    expect(lines).toEqual(expect.arrayContaining(['A=1', 'PS1=Apptainer> ']));
    expect(lines).toContain('PATH=/p:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
    expect(lines.filter((line) => line.startsWith('LD_LIBRARY_PATH'))).toEqual([]);
  });

  it('sources /environment where there is no directory of environment files', () => {
    root.write('/environment', 'export OLD_IMAGE=yes\n');
    expect(variable('OLD_IMAGE', {})).toBe('yes');
  });

  it('completes the PATH of an image that came from OCI', () => {
    root
      .withEnvironmentFiles()
      .write('/.singularity.d/env/10-docker2singularity.sh', 'export PATH=/usr/local/bin:/foo\n');
    expect(variable('PATH', {})).toBe('/usr/local/bin:/foo:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin');
  });

  it('gives the default PATH when the image unsets it', () => {
    root.withEnvironmentFiles('unset PATH\n');
    expect(variable('PATH', { command: ENV })).toBe('/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
  });

  it('survives an image that changes IFS', () => {
    root.withEnvironmentFiles('IFS=_\n');
    const wish = { options: { env: { X: '1', Y: '2' } }, host: { A_B: 'c' } };
    expect(variable('Y', wish)).toBe('2');
    expect(variable('A_B', wish)).toBe('c');
  });

  it('wraps a PROMPT_COMMAND of the host and takes the prompt of the image', () => {
    root.withEnvironmentFiles('PS1="img> "\nexport PS1\n');
    const wish = { host: { PROMPT_COMMAND: 'hostpc', PS1: 'host> ' } };
    expect(variable('PS1', wish)).toBe('img> ');
    expect(variable('PROMPT_COMMAND', wish)).toBe(
      'hostpc; PROMPT_COMMAND="${PROMPT_COMMAND%%; PROMPT_COMMAND=*}"; PS1="img> "',
    );
  });

  it('ends with the status of an environment file that exits, and goes on after one that returns', () => {
    root.withEnvironmentFiles('exit 7\n');
    expect(exec({ command: ['/bin/echo', 'ran'] })).toMatchObject({ status: 7, stdout: '' });
    root.withEnvironmentFiles('return 7\n');
    expect(exec({ command: ['/bin/echo', 'ran'] })).toMatchObject({ status: 0, stdout: 'ran\n' });
  });

  it('keeps UID and the like away from the shell, and passes them on', () => {
    root.withEnvironmentFiles();
    const plan = compile({}, { action: 'exec', command: ENV, caller: caller({ ...HOST, GID: '77' }) });
    expect(plan.plan.program?.environment?.set).toContainEqual({ name: 'GID', fromHost: 'GID' });
    expect(variable('GID', { host: { GID: '77' } })).toBe('77');
  });

  it('looks the command up on the PATH of the container and passes arguments on unchanged', () => {
    root.withEnvironmentFiles(`export PATH=${root.path}/first:${root.path}/second\n`);
    root.write('/first/tool', 'not executable', 0o644).write('/second/tool', '#!/bin/sh\nprintf "%s|" "$0" "$@"\n');
    expect(exec({ command: ['tool', '', 'a b', '$HOME', '*'] }).stdout).toBe(`${root.path}/second/tool||a b|$HOME|*|`);
  });

  it('resolves a relative command by the working directory', () => {
    root.write('/job/tool', '#!/bin/sh\necho "$0"\n');
    expect(exec({ command: ['./tool'], cwd: `${root.path}/job` }).stdout).toBe(`${root.path}/job/tool\n`);
    expect(exec({ command: ['job/tool'], cwd: root.path }).stdout).toBe(`${root.path}/job/tool\n`);
  });

  it.each([
    ['nosuchcmd', '"nosuchcmd": executable file not found in $PATH'],
    ['', '"": executable file not found in $PATH'],
    ['/nosuch/x', 'stat /nosuch/x: no such file or directory'],
    ['/etc/passwd', 'permission denied'],
    ['/etc', 'is a directory'],
  ])('refuses to execute %j', (command, message) => {
    root.withEnvironmentFiles();
    expect(exec({ command: [command] })).toMatchObject({ status: 255, stdout: '', stderr: `FATAL:   ${message}\n` });
  });
});

describe('the text of the script', () => {
  const script = (asked: Partial<LaunchOptions>, request = {}) => compile(asked, request).plan.program?.script;

  it('is the same whatever the values are', () => {
    expect(script({ env: { A: '1' } })).toBe(script({ env: { B: '$(x)' } }));
    expect(script({ app: 'a' }, { action: 'run' })).toBe(script({ app: 'b' }, { action: 'run' }));
  });

  it('has no part that is not needed, and stays short', () => {
    expect(script({})).not.toContain('davit_inject');
    expect(script({})).not.toContain('DAVIT_PREPEND');
    expect((script({}) as string).length).toBeLessThan(2400);
  });

  it('uses nothing that the embedded shell lacks', () => {
    for (const action of ['exec', 'run', 'shell', 'test', 'start'] as const) {
      const text = script({ env: { A: '1', PATH: 'x', APPEND_LD_LIBRARY_PATH: 'y' } }, { action }) as string;
      expect(text).not.toMatch(/\$\(|`|<<|(?<!\|)\|(?!\|)|\(\s|&\s*$/m);
    }
  });

  it('is quiet when asked, and coloured for a terminal', () => {
    const text = (messageLevel: number, color: boolean) =>
      script({}, { action: 'test', output: { messageLevel, color } }) as string;
    expect(text(-1, false)).not.toContain('No test script');
    expect(text(1, true)).toContain('\x1b[34mINFO:   \x1b[0m ');
  });
});
