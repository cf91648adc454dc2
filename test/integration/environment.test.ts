/** Which variables a payload sees, and who wins. */
import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { withWorld, type World } from './support/world';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const home = userInfo().homedir;

/** Every variable of the payload, sorted. */
async function environment(world: World, env: Record<string, string>, ...options: string[]): Promise<string[]> {
  const text = await world.okWith({ env }, 'exec', ...options, world.image(), 'env');
  return text.split('\n').filter(Boolean).sort();
}

/** What the runtime sets in every container of the fixture image. */
function own(world: World, changes: Record<string, string> = {}): string[] {
  const image = world.image();
  const values = {
    APPTAINER_APPNAME: '',
    APPTAINER_BIND: '',
    APPTAINER_COMMAND: 'exec',
    APPTAINER_CONTAINER: image,
    APPTAINER_ENVIRONMENT: '/.singularity.d/env/91-environment.sh',
    APPTAINER_NAME: 'busybox.sif',
    HOME: home,
    LD_LIBRARY_PATH: '/.singularity.d/libs',
    PATH: defaultPath,
    PROMPT_COMMAND: 'PS1="Apptainer> "; unset PROMPT_COMMAND',
    PS1: 'Apptainer> ',
    PWD: world.cwd,
    SINGULARITY_BIND: '',
    SINGULARITY_CONTAINER: image,
    SINGULARITY_ENVIRONMENT: '/.singularity.d/env/91-environment.sh',
    SINGULARITY_NAME: 'busybox.sif',
    FROM_IMAGE: 'set by the image',
    LISTEN_PORT: '9000',
    EMPTY_IN_IMAGE: '',
    SCIF_APPDATA_hello: '/scif/data/hello',
    SCIF_APPMETA_hello: '/scif/apps/hello/scif',
    SCIF_APPROOT_hello: '/scif/apps/hello',
    SCIF_APPBIN_hello: '/scif/apps/hello/bin',
    SCIF_APPLIB_hello: '/scif/apps/hello/lib',
    SCIF_APPENV_hello: '/scif/apps/hello/scif/env/90-environment.sh',
    SCIF_APPRUN_hello: '/scif/apps/hello/scif/runscript',
    SCIF_APPSTART_hello: '/scif/apps/hello/scif/startscript',
    ...changes,
  };
  return Object.entries(values).map(([name, value]) => `${name}=${value}`);
}

withWorld('the environment', (world) => {
  test('is the caller’s, the image’s and the runtime’s, and nothing else', async () => {
    const { PATH } = world().env;
    const seen = await environment(world(), { MINE: 'x', LOGNAME: 'me', EMPTY: '' });
    const expected = own(world(), { MINE: 'x', LOGNAME: 'me', EMPTY: '', LANG: 'C.UTF-8', USER_PATH: PATH as string });
    // The programs that start davit may set these.
    expect(seen.filter((line) => !/^(_|SHLVL|OLDPWD)=/.test(line))).toEqual(expected.sort());
  });

  test('is nearly empty with --cleanenv', async () => {
    const env = {
      MINE: 'x',
      TERM: 'vt100',
      http_proxy: 'p',
      NO_PROXY: 'n',
      LANG: 'de_DE.UTF-8',
      LD_LIBRARY_PATH: '/x',
    };
    const expected = own(world(), { TERM: 'vt100', http_proxy: 'p', NO_PROXY: 'n', LANG: 'C' });
    expect(await environment(world(), env, '--cleanenv')).toEqual(expected.sort());
    expect(await environment(world(), env, '-e')).toEqual(expected.sort());
  });

  test('is that of --cleanenv with --containall, in HOME', async () => {
    const expected = own(world(), { LANG: 'C', PWD: home });
    expect(await environment(world(), { MINE: 'x' }, '--containall')).toEqual(expected.sort());
  });

  test('has no DAVIT_, APPTAINER_ or SINGULARITY_ variable of the caller', async () => {
    const env = { DAVIT_X: '1', APPTAINER_X: '2', SINGULARITY_X: '3', DAVIT_CACHEDIR: world().path('cache') };
    const seen = await environment(world(), env);
    expect(seen.filter((line) => /_X=|CACHEDIR|STATE_DIR/.test(line))).toEqual([]);
  });

  test('lets values of the image win over those of the caller', async () => {
    const env = { FROM_IMAGE: 'of the caller', LISTEN_PORT: '1' };
    const seen = await environment(world(), env);
    expect(seen).toContain('FROM_IMAGE=set by the image');
    expect(seen).toContain('LISTEN_PORT=9000');
  });

  test('removes a variable of the caller that the image sets to nothing', async () => {
    expect((await environment(world(), { EMPTY_IN_IMAGE: 'x' })).filter((line) => line.startsWith('EMPTY_IN'))).toEqual(
      [],
    );
  });

  test('has injected values on top', async () => {
    const env = { APPTAINERENV_FROM_IMAGE: 'injected', APPTAINERENV_NEW: 'n' };
    const seen = await environment(world(), env);
    expect(seen).toContain('FROM_IMAGE=injected');
    expect(seen).toContain('NEW=n');
    expect(await environment(world(), env, '--env', 'FROM_IMAGE=by flag')).toContain('FROM_IMAGE=by flag');
    expect(await environment(world(), env, '--cleanenv')).toContain('NEW=n');
  });

  test('takes the prefixes in their order', async () => {
    const names = ['DAVITENV_X', 'APPTAINERENV_X', 'SINGULARITYENV_X'];
    for (const [i, name] of names.entries()) {
      const env = Object.fromEntries(names.slice(i).map((each) => [each, each]));
      expect(await environment(world(), env)).toContain(`X=${name}`);
    }
  });

  test('says when only the old prefix is used', async () => {
    const result = await world().davitWith({ env: { SINGULARITYENV_OLD: '2' } }, 'exec', world().image(), 'true');
    expect(result.stderr).toBe(
      'INFO:    Environment variable SINGULARITYENV_OLD is set, but APPTAINERENV_OLD is preferred\n',
    );
  });

  test('has multi-line values and odd characters as they were', async () => {
    const value = ' a\n b "c" \'d\' $HOME `id` \\n \\ € ';
    expect(await world().okWith({ env: { ODD: value } }, 'exec', world().image(), 'sh', '-c', 'printf %s "$ODD"')).toBe(
      value,
    );
  });

  test('leaves out what is no name of a variable', async () => {
    const env = { 'BASH_FUNC_f%%': '() { :; }', 'A.B': 'x', 'A-B': 'x', '1A': 'x', GOOD_1: 'y' };
    const seen = await environment(world(), env);
    expect(seen.filter((line) => /BASH_FUNC|^A[.-]B|^1A/.test(line))).toEqual([]);
    expect(seen).toContain('GOOD_1=y');
  });

  test('leaves out what --no-env names', async () => {
    const env = { A: '1', B: '2', C: '3' };
    const seen = await environment(world(), env, '--no-env', 'A,B');
    expect(seen.filter((line) => /^[ABC]=/.test(line))).toEqual(['C=3']);
  });

  test('never has APPTAINER_APPDATA', async () => {
    for (const options of [[], ['--app', 'hello']]) {
      const seen = await environment(world(), { APPTAINER_APPDATA: '/x', SINGULARITY_APPDATA: '/x' }, ...options);
      expect(seen.filter((line) => /^(APPTAINER|SINGULARITY)_APPDATA/.test(line))).toEqual([]);
    }
  });
});

withWorld('--env', (world) => {
  const show = (names: string): string =>
    names
      .split(' ')
      .map((name) => `echo "<$${name}>"`)
      .join('; ');

  test.each([
    [['--env', 'A=1,B=2'], 'A B', '<1>\n<2>'],
    [['--env', 'A=1', '--env', 'B=x y'], 'A B', '<1>\n<x y>'],
    [['--env', 'A=1', '--env', 'A=2'], 'A', '<2>'],
    [['--env', '"A=1,2"'], 'A', '<1,2>'],
    [['--env', 'A=b=c'], 'A', '<b=c>'],
    [['--env', 'A='], 'A', '<>'],
  ])('%j', async (options, names, expected) => {
    expect(await world().inside(options, show(names))).toBe(expected);
  });

  test('is evaluated once, as double-quoted text', async () => {
    expect(await world().inside(['--env', 'A=$FROM_IMAGE-${LISTEN_PORT}'], show('A'))).toBe('<set by the image-9000>');
    expect(await world().inside(['--env', 'A=\\$FROM_IMAGE'], show('A'))).toBe('<$FROM_IMAGE>');
    expect(await world().inside(['--env', 'A=$(echo hi)-`echo ho`'], show('A'))).toBe('<hi-ho>');
    expect(await world().inside(['--env', 'A=$(echo \\$x)'], show('A'))).toBe('<$x>');
  });

  test('is taken as it is with --no-eval', async () => {
    expect(await world().inside(['--no-eval', '--env', 'A=$FROM_IMAGE $(id) \\$x'], show('A'))).toBe(
      '<$FROM_IMAGE $(id) \\$x>',
    );
  });

  test('asks for a value', async () => {
    expect(await world().davit('exec', '--env', 'A', world().image(), 'true')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Error for command "exec": invalid argument "A" for "--env" flag'),
    });
  });

  test('cannot set HOME', async () => {
    const result = await world().davit('exec', '--env', 'HOME=/x', world().image(), 'sh', '-c', 'echo $HOME');
    expect(result).toMatchObject({ status: 0, stdout: `${home}\n`, stderr: expect.stringMatching(/^WARNING: .*HOME/) });
  });
});

withWorld('--env-file', (world) => {
  test('is read as a shell would, later files and --env win', async () => {
    const first = world().write('first.env', '# comment\nA=1\nB="x y"\nexport C=3\nD=$A$A\nE=${NONE:-e}\n');
    const second = world().write('second.env', 'A=2\n');
    const show = 'echo "<$A><$B><$C><$D><$E>"';
    expect(await world().inside(['--env-file', first], show)).toBe('<1><x y><3><11><e>');
    expect(await world().inside(['--env-file', `${first},${second}`], show)).toBe('<2><x y><3><11><e>');
    expect(await world().inside(['--env-file', first, '--env', 'A=9'], show)).toBe('<9><x y><3><11><e>');
  });

  test('executes nothing, and says so', async () => {
    const file = world().write('commands.env', 'A=1\nB=$(uname)\n');
    const result = await world().davit('exec', '--env-file', file, world().image(), 'sh', '-c', 'echo "<$A><$B>"');
    expect(result).toMatchObject({ status: 0, stdout: '<1><>\n' });
    expect(result.stderr).toContain('could not execute "uname": execution is disabled');
  });

  test('that does not exist is named', async () => {
    expect(await world().davit('exec', '--env-file', '/no/such/file', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}.*\/no\/such\/file/),
    });
  });
});

withWorld('PATH and LD_LIBRARY_PATH', (world) => {
  const show = 'echo $PATH $LD_LIBRARY_PATH';

  test.each([
    [['--env', 'PATH=/x:/bin'], '/x:/bin /.singularity.d/libs'],
    [['--env', 'PREPEND_PATH=/first'], `/first:${defaultPath} /.singularity.d/libs`],
    [['--env', 'APPEND_PATH=/last'], `${defaultPath}:/last /.singularity.d/libs`],
    [['--env', 'PREPEND_PATH=/first,APPEND_PATH=/last'], `/first:${defaultPath}:/last /.singularity.d/libs`],
    [['--env', 'PREPEND_PATH=/first,APPEND_PATH=/last,PATH=/bin'], '/bin /.singularity.d/libs'],
    [['--env', 'LD_LIBRARY_PATH=/q'], `${defaultPath} /q:/.singularity.d/libs`],
  ])('%j', async (options, expected) => {
    expect(await world().inside(options, show)).toBe(expected);
  });

  test('are not the caller’s', async () => {
    const env = { LD_LIBRARY_PATH: '/host/lib' };
    expect(await world().okWith({ env }, 'exec', world().image(), 'sh', '-c', show)).toBe(
      `${defaultPath} /.singularity.d/libs\n`,
    );
  });

  test('come from injected variables as well', async () => {
    const env = { APPTAINERENV_PREPEND_PATH: '/first', SINGULARITYENV_APPEND_PATH: '/last' };
    expect(await world().okWith({ env }, 'exec', world().image(), 'sh', '-c', 'echo $PATH')).toBe(
      `/first:${defaultPath}:/last\n`,
    );
  });

  test('has what is hidden from Node on its way to the payload, and Node obeys it where a network may be used', async () => {
    const given = { NODE_OPTIONS: '--require=/nonexistent/module', NODE_EXTRA_CA_CERTS: '/nonexistent/ca.pem' };
    const expected = Object.entries(given).map(([name, value]) => `${name}=${value}`);
    expect(await environment(world(), given)).toEqual(expect.arrayContaining(expected));
    const file = world().write('node.env', 'SEEN=$NODE_OPTIONS\n');
    expect(await environment(world(), given, '--env-file', file)).toContain(`SEEN=${given.NODE_OPTIONS}`);
    expect(await environment(world(), given)).not.toContainEqual(expect.stringContaining('DAVIT_HIDDEN'));

    await world().okWith({ env: given }, 'instance', 'start', world().image(), 'hidden');
    const inside = await world().okWith({ env: given }, 'exec', 'instance://hidden', 'env');
    expect(inside.split('\n')).toEqual(expect.arrayContaining(expected));

    const refused = await world().davitWith({ env: given }, 'pull', 'docker://127.0.0.1:1/none');
    expect(refused.stderr).toContain('/nonexistent/module');
  });
});
