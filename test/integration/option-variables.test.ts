/** Every option of a launch through the command line and through its variables, with each of the three prefixes. */
import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { type Capability, testWith } from './support/capabilities';
import { withWorld, type World } from './support/world';

const { homedir: home } = userInfo();

interface Case {
  flag: string[];
  /** Names without prefix, and the value that stands for `flag`. */
  variables: string[];
  value: string;
  /** Shell script that shows whether the option works. */
  script: string;
  expected: string | RegExp;
  action?: 'shell';
}

/** In the order of the list of options that the runtime must have. */
const cases: Record<string, (world: World) => Case> = {
  bind: (world) => ({
    flag: ['--bind', `${world.path('data')}:/opt/data`],
    variables: ['BIND', 'BINDPATH'],
    value: `${world.path('data')}:/opt/data`,
    script: 'cat /opt/data/file',
    expected: 'bound',
  }),
  mount: (world) => ({
    flag: ['--mount', `type=bind,src=${world.path('data')},dst=/opt/data`],
    variables: ['MOUNT'],
    value: `type=bind,src=${world.path('data')},dst=/opt/data`,
    script: 'cat /opt/data/file',
    expected: 'bound',
  }),
  'writable-tmpfs': () => ({
    flag: ['--writable-tmpfs'],
    variables: ['WRITABLE_TMPFS'],
    value: '1',
    script: 'touch /etc/new && echo made',
    expected: 'made',
  }),
  overlay: (world) => ({
    flag: ['--overlay', `${world.path('layer')}:ro`],
    variables: ['OVERLAY', 'OVERLAYIMAGE'],
    value: `${world.path('layer')}:ro`,
    script: 'cat /etc/layered',
    expected: 'layer',
  }),
  home: (world) => ({
    flag: ['--home', `${world.path('data')}:/home/x`],
    variables: ['HOME'],
    value: `${world.path('data')}:/home/x`,
    script: 'cat ~/file; echo $HOME',
    expected: 'bound\n/home/x',
  }),
  'no-home': () => ({
    flag: ['--no-home'],
    variables: ['NO_HOME'],
    value: 'true',
    script: `ls -A ${home} 2>/dev/null | wc -l`,
    expected: '0',
  }),
  contain: () => ({
    flag: ['--contain'],
    variables: ['CONTAIN'],
    value: 'true',
    script: 'ls -A /tmp | wc -l',
    expected: '0',
  }),
  containall: () => ({
    flag: ['--containall'],
    variables: ['CONTAINALL'],
    value: 'true',
    script: 'cat /proc/1/comm; echo "<$MINE>"',
    expected: 'davit-init\n<>',
  }),
  cleanenv: () => ({
    flag: ['--cleanenv'],
    variables: ['CLEANENV'],
    value: 'true',
    script: 'echo "<$MINE>"',
    expected: '<>',
  }),
  'env-file': (world) => ({
    flag: ['--env-file', world.path('file.env')],
    variables: ['ENV_FILE'],
    value: world.path('file.env'),
    script: 'echo $OF_FILE',
    expected: 'yes',
  }),
  'no-env': () => ({
    flag: ['--no-env', 'MINE'],
    variables: ['NOENV'],
    value: 'MINE',
    script: 'echo "<$MINE>"',
    expected: '<>',
  }),
  cwd: () => ({
    flag: ['--cwd', '/srv/site'],
    variables: ['CWD', 'TARGET_CWD'],
    value: '/srv/site',
    script: 'pwd',
    expected: '/srv/site',
  }),
  pwd: () => ({
    flag: ['--pwd', '/srv/site'],
    variables: ['PWD', 'TARGET_PWD'],
    value: '/srv/site',
    script: 'pwd',
    expected: '/srv/site',
  }),
  hostname: () => ({
    flag: ['--hostname', 'inside'],
    variables: ['HOSTNAME'],
    value: 'inside',
    script: 'hostname',
    expected: 'inside',
  }),
  fakeroot: () => ({
    flag: ['--fakeroot'],
    variables: ['FAKEROOT'],
    value: 'true',
    script: 'id -u; echo $HOME',
    expected: '0\n/root',
  }),
  userns: () => ({
    flag: ['--userns'],
    variables: ['USERNS', 'UNSHARE_USERNS'],
    value: 'true',
    script: 'wc -l < /proc/self/uid_map; grep -c 4294967295 /proc/self/uid_map; :',
    expected: '1\n0',
  }),
  pid: () => ({
    flag: ['--pid'],
    variables: ['PID', 'UNSHARE_PID'],
    value: 'true',
    script: 'cat /proc/1/comm',
    expected: 'davit-init',
  }),
  ipc: () => ({
    flag: ['--ipc', '--contain'],
    variables: ['IPC', 'UNSHARE_IPC'],
    value: 'true',
    script: 'readlink /proc/self/ns/ipc',
    expected: /^ipc:/,
  }),
  uts: () => ({
    flag: ['--uts'],
    variables: ['UTS', 'UNSHARE_UTS'],
    value: 'true',
    script: 'readlink /proc/self/ns/uts',
    expected: /^uts:/,
  }),
  'no-mount': () => ({
    flag: ['--no-mount', 'sys'],
    variables: ['NO_MOUNT'],
    value: 'sys',
    script: 'ls -A /sys | wc -l',
    expected: '0',
  }),
  scratch: () => ({
    flag: ['--scratch', '/sc'],
    variables: ['SCRATCH', 'SCRATCHDIR'],
    value: '/sc',
    script: 'touch /sc/x && ls -A /sc',
    expected: 'x',
  }),
  workdir: (world) => ({
    flag: ['--workdir', world.path('wd'), '--contain'],
    variables: ['WORKDIR'],
    value: world.path('wd'),
    script: `grep -c " /wd/tmp /tmp \\|${world.path('wd')}/tmp" /proc/self/mountinfo`,
    expected: '1',
  }),
  'no-init': () => ({
    flag: ['--no-init', '--pid'],
    variables: ['NOSHIMINIT'],
    value: 'true',
    script: 'echo $$',
    expected: '1',
  }),
  app: () => ({
    flag: ['--app', 'hello'],
    variables: ['APP', 'APPNAME'],
    value: 'hello',
    script: 'greet',
    expected: 'greet: hi',
  }),
  'no-eval': () => ({
    flag: ['--no-eval', '--env', 'X=$FROM_IMAGE'],
    variables: ['NO_EVAL'],
    value: 'true',
    script: 'echo "$X"',
    expected: '$FROM_IMAGE',
  }),
  'no-umask': () => ({
    flag: ['--no-umask'],
    variables: ['NO_UMASK'],
    value: 'true',
    script: 'umask',
    expected: '0022',
  }),
  compat: () => ({
    flag: ['--compat'],
    variables: ['COMPAT'],
    value: 'true',
    script: 'echo $$ "<$MINE>"; touch /new && echo made',
    expected: '1 <>\nmade',
  }),
  unsquash: (world) => ({
    flag: ['--unsquash'],
    variables: ['UNSQUASH', 'UNPACK'],
    value: 'true',
    script: `grep " / / " /proc/self/mountinfo | grep -c squash; test -d ${world.home}/.cache/davit && echo cached`,
    expected: '0\ncached',
  }),
  dns: () => ({
    flag: ['--dns', '192.0.2.1'],
    variables: ['DNS'],
    value: '192.0.2.1',
    script: 'cat /etc/resolv.conf',
    expected: /192\.0\.2\.1/,
  }),
  shell: () => ({
    flag: ['--shell', '/bin/ash'],
    variables: ['SHELL'],
    value: '/bin/ash',
    script: 'echo $0',
    expected: '/bin/ash',
    action: 'shell',
  }),
};

/** Flags that stand beside the one in question: the variable takes only the place of the first. */
const besides: Record<string, string[]> = {
  ipc: ['--contain'],
  workdir: ['--contain'],
  'no-init': ['--pid'],
  'no-eval': ['--env', 'X=$FROM_IMAGE'],
};

async function run(world: World, each: Case, options: string[], env: Record<string, string>): Promise<string> {
  const all = { env: { MINE: 'of the caller', ...env } };
  const image = world.image();
  const text =
    each.action === 'shell'
      ? await world.okWith({ ...all, input: `${each.script}\n` }, 'shell', ...options, image)
      : await world.okWith(all, 'exec', ...options, image, 'sh', '-c', each.script);
  return text.trimEnd();
}

describe('the option', () => {
  withWorld('works as a flag and as a variable:', (world) => {
    test('there is something to see', () => {
      world().write('data/file', 'bound\n');
      world().write('layer/etc/layered', 'layer\n');
      world().write('file.env', 'OF_FILE=yes\n');
      mkdirSync(world().path('wd'), { recursive: true });
    });

    for (const [name, make] of Object.entries(cases)) {
      const needs: Capability[] = name === 'fakeroot' || name === 'userns' ? ['userns'] : [];
      testWith(needs, `--${name}`, async () => {
        const each = make(world());
        const check = (text: string): void => {
          if (typeof each.expected === 'string') expect(text).toBe(each.expected);
          else expect(text).toMatch(each.expected);
        };
        check(await run(world(), each, each.flag, {}));
        const [first, ...others] = each.variables;
        const names = [...['DAVIT_', 'APPTAINER_', 'SINGULARITY_'].map((prefix) => prefix + first)];
        for (const variable of [...names, ...others.map((other) => `APPTAINER_${other}`)]) {
          check(await run(world(), each, besides[name] ?? [], { [variable]: each.value }));
        }
      });
    }
  });
});

withWorld('variables', (world) => {
  const pwd = (env: Record<string, string>, ...options: string[]) =>
    world().davitWith({ env }, 'exec', ...options, world().image(), 'pwd');

  test('give way to flags', async () => {
    expect(await pwd({ APPTAINER_CWD: '/etc' }, '--cwd', '/srv')).toMatchObject({ stdout: '/srv\n' });
    expect(await pwd({ APPTAINER_CONTAIN: 'true' }, '--contain=false')).toMatchObject({ stdout: `${world().cwd}\n` });
  });

  test('have an order of prefixes, and say when they contradict', async () => {
    expect(await pwd({ DAVIT_CWD: '/etc', APPTAINER_CWD: '/srv', SINGULARITY_CWD: '/opt' })).toMatchObject({
      stdout: '/etc\n',
      stderr: expect.stringMatching(/^WARNING: .*DAVIT_CWD have different values, using the latter\n/),
    });
    expect(await pwd({ APPTAINER_CWD: '/srv', SINGULARITY_CWD: '/srv' })).toMatchObject({
      stdout: '/srv\n',
      stderr: '',
    });
  });

  test('say when the old prefix alone is used', async () => {
    expect(await pwd({ SINGULARITY_CWD: '/srv' })).toMatchObject({
      stdout: '/srv\n',
      stderr: 'INFO:    Environment variable SINGULARITY_CWD is set, but APPTAINER_CWD is preferred\n',
    });
  });

  test('that are empty or blank count as unset', async () => {
    expect(await pwd({ DAVIT_CWD: '', APPTAINER_CWD: '  ', APPTAINER_CONTAIN: '' })).toMatchObject({
      stdout: `${world().cwd}\n`,
      stderr: '',
    });
  });

  test('with a value that does not fit are an error that names them', async () => {
    expect(await pwd({ APPTAINER_CONTAIN: 'perhaps' })).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('APPTAINER_CONTAIN'),
    });
  });

  test('of other commands have no effect', async () => {
    expect(await pwd({ APPTAINER_SIGNAL: 'nonsense', APPTAINER_FORCE: 'nonsense' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });

  test.each([
    ['DEBUG', /^DEBUG: /m],
    ['VERBOSE', /^VERBOSE: /m],
  ])('%s makes davit talk, and the flag does as well', async (name, expected) => {
    const flag = name === 'DEBUG' ? '-d' : '-v';
    for (const result of [
      await pwd({ [`APPTAINER_${name}`]: '1' }),
      await world().davit(flag, 'exec', world().image(), 'pwd'),
    ]) {
      expect(result).toMatchObject({ status: 0, stdout: `${world().cwd}\n` });
      expect(result.stderr).toMatch(expected);
    }
  });

  test('-q and -s silence what is not an error', async () => {
    const start = (...flags: string[]) =>
      world().davit(...flags, 'instance', 'start', world().image(), `s${flags.join('')}`);
    expect(await start('-q')).toMatchObject({ status: 0, stderr: '' });
    expect(await start('-s')).toMatchObject({ status: 0, stderr: '' });
    expect((await start('-s', '-v')).status).toBe(0);
    expect((await world().davit('-s', 'exec', 'nosuch.sif', 'true')).stderr).toMatch(/^FATAL: /);
    expect((await world().davitWith({ env: { APPTAINER_QUIET: '1' } }, 'instance', 'stop', 's-q')).stderr).toBe('');
  });
});
