import { describe, expect, it } from 'vitest';
import { applyEnvironment } from '../../../src/cli/command-line/environment';
import { fetchOptions } from '../../../src/cli/network/fetch';
import { flagsOf } from '../../../src/cli/flags';
import { dropWithoutEffect, launchOptions, settleNetwork } from '../../../src/cli/launch/launch-options';
import { type Options, parseFlags } from '../../../src/cli/command-line/parse';
import { Terminal } from '../../../src/cli/terminal/render';
import { refuseUnsupported } from '../../../src/cli/command-line/unsupported';
import { defaultLaunchOptions } from '../../../src/runtime/launch/options';

function given(argv: string[], env: Record<string, string> = {}, command = 'exec'): Options {
  const flags = () => flagsOf(command);
  const { options } = parseFlags(argv, flags);
  applyEnvironment(options, flags, env, new Terminal(() => {}));
  return options;
}

function recorder(): { terminal: Terminal; text: () => string } {
  let text = '';
  return {
    terminal: new Terminal((_, bytes) => {
      text += bytes;
    }),
    text: () => text,
  };
}

describe('launchOptions', () => {
  it('are the defaults when nothing is asked for', () => {
    expect(launchOptions(given([]))).toEqual(defaultLaunchOptions());
  });

  it('carry every option that works', () => {
    // Each flag changes the options; one that changes nothing has been forgotten.
    const all = (options: Options): string =>
      JSON.stringify({ ...launchOptions(options), ...fetchOptions(options, {}) });
    const plain = all(given([]));
    const elsewhere = ['dry-run', 'json', 'docker-login', 'count', 'atomic', 'jobs'];
    for (const command of ['shell', 'instance start']) {
      for (const flag of flagsOf(command)) {
        if (flag.state !== 'works' || elsewhere.includes(flag.name)) continue;
        const value = { bool: 'true', seconds: '2', map: 'A=1' }[flag.type as string] ?? 'value';
        expect(all(given([`--${flag.name}=${value}`], {}, command)), flag.name).not.toBe(plain);
      }
    }
  });
});

describe('refuseUnsupported', () => {
  const refused =
    (...argv: string[]): (() => void) =>
    () =>
      refuseUnsupported(given(argv), () => flagsOf('exec'));

  it('names the option', () => {
    expect(refused('--nv')).toThrow('not supported yet: --nv');
    expect(refused('--memory', '1g')).toThrow('not supported yet: --memory');
    expect(refused('--security', 'uid:1')).toThrow('not supported yet: --security');
    expect(() => refuseUnsupported(given([], { APPTAINER_NV: '1' }), () => flagsOf('exec'))).toThrow(
      'not supported yet: APPTAINER_NV (--nv)',
    );
  });

  it('lets pass what asks for nothing', () => {
    expect(refused('--nv=false', '--pids-limit', '0', '--cpu-shares', '-1', '--memory=')).not.toThrow();
    expect(refused('--no-nv', '--disable-cache', '--tmpdir', '/x', '--nohttps')).not.toThrow();
  });
});

describe('settleNetwork', () => {
  it('gives a namespace with loopback alone', () => {
    for (const argv of [
      ['--network', 'none'],
      ['--net', '--network', 'none'],
    ]) {
      const options = given(argv);
      settleNetwork(options, false, recorder().terminal);
      expect(launchOptions(options)).toMatchObject({ net: true, network: 'none' });
    }
  });

  it('refuses all others', () => {
    expect(() => settleNetwork(given(['--net']), true, recorder().terminal)).toThrow(
      'not supported yet: --net with network "bridge"',
    );
    expect(() => settleNetwork(given(['--network', 'none,bridge']), true, recorder().terminal)).toThrow('none,bridge');
  });

  it('falls back for --fakeroot of a plain user', () => {
    const { terminal, text } = recorder();
    const options = given(['--net', '--fakeroot']);
    settleNetwork(options, false, terminal);
    expect(options.text('network')).toBe('none');
    expect(text()).toMatch(/^WARNING: /);
  });

  it('leaves a launch without the options alone', () => {
    const options = given([]);
    settleNetwork(options, true, recorder().terminal);
    expect(options.has('net')).toBe(false);
  });
});

describe('dropWithoutEffect', () => {
  const join = (argv: string[], env: Record<string, string> = {}): { options: Options; text: string } => {
    const { terminal, text } = recorder();
    const options = given(argv, env);
    dropWithoutEffect(options, () => flagsOf('exec'), terminal);
    return { options, text: text() };
  };

  it('warns once for all options that a running instance ignores', () => {
    const { options, text } = join([
      '--bind',
      '/a',
      '-B',
      '/b',
      '--home',
      '/h',
      '--memory',
      '1g',
      '--pid',
      '--env',
      'A=1',
    ]);
    expect(text).toBe('WARNING: --bind, --home, --memory, --pid: no effect on a running instance, ignored\n');
    expect(options.map('env')).toEqual({ A: '1' });
    expect(launchOptions(options).bind).toEqual([]);
  });

  it('keeps what applies', () => {
    const argv = ['--env', 'A=1', '--cleanenv', '--cwd', '/x', '--app', 'a', '--add-caps', 'x', '--drop-caps', 'y'];
    const { options, text } = join(argv);
    expect(text).toBe('');
    expect(launchOptions(options)).toMatchObject({
      env: { A: '1' },
      cleanEnv: true,
      cwd: '/x',
      app: 'a',
      addCaps: 'x',
      dropCaps: 'y',
    });
  });

  it('keeps what --containall and --compat mean for the environment', () => {
    expect(launchOptions(join(['--containall']).options)).toMatchObject({
      cleanEnv: true,
      noEval: false,
      containAll: false,
    });
    expect(launchOptions(join(['--compat']).options)).toMatchObject({ cleanEnv: true, noEval: true, noUmask: true });
  });

  it('is silent about what the environment gives', () => {
    const { options, text } = join([], { APPTAINER_BIND: '/site', APPTAINER_NV: '1' });
    expect(text).toBe('');
    expect(options.has('bind')).toBe(false);
    expect(() => refuseUnsupported(options, () => flagsOf('exec'))).not.toThrow();
  });

  it('has an info line for --fakeroot', () => {
    expect(join(['--fakeroot']).text).toMatch(/^INFO: {4}--fakeroot ignored when joining instance\n$/);
  });
});
