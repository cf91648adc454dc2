import { describe, expect, it } from 'vitest';
import { dispatch } from '../../../src/cli/dispatch';
import { Terminal } from '../../../src/cli/terminal/render';
import { version } from '../../../src/cli/command-line/version';

async function davit(
  argv: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const streams = ['', '', ''];
  const terminal = new Terminal((fd, text) => {
    streams[fd] += text;
  });
  const code = await dispatch(argv, env, terminal);
  return { code, out: streams[1] as string, err: streams[2] as string };
}

const usageOf = (line: string): string =>
  `Usage:\n  davit [global options...] ${line}\n\nRun 'davit --help' for more detailed usage information.\n`;

describe('usage errors', () => {
  it('print the usage on stdout and the error on stderr, and exit 1', async () => {
    expect(await davit(['exec'])).toEqual({
      code: 1,
      out: usageOf('exec [exec options...] <container> <command>'),
      err: 'Error for command "exec": requires at least 2 arg(s), only received 0\n\n',
    });
    expect(await davit(['instance', 'start', 'busybox.sif'])).toEqual({
      code: 1,
      out: usageOf('instance start [start options...] <container path> <instance name> [startscript args...]'),
      err: 'Error for command "start": requires at least 2 arg(s), only received 1\n\n',
    });
    expect(await davit(['instance', 'list', 'web1', 'db1'])).toEqual({
      code: 1,
      out: usageOf('instance list [list options...] [<instance name glob>]'),
      err: 'Error for command "list": accepts between 0 and 1 arg(s), received 2\n\n',
    });
    expect(await davit(['instance', 'stats'])).toEqual({
      code: 1,
      out: usageOf('instance stats [stats options...] <instance name>'),
      err: 'Error for command "stats": accepts 1 arg(s), received 0\n\n',
    });
    expect(await davit(['instance', 'stop'])).toEqual({
      code: 1,
      out: usageOf('instance stop [stop options...] [instance]'),
      err: 'Error for command "stop": invalid command\n\n',
    });
  });

  it('print all options of the command for an unknown flag', async () => {
    const { code, out, err } = await davit(['instance', 'start', '--nosuchflag', 'busybox.sif', 'q1']);
    expect(code).toBe(1);
    expect(err).toBe('Error for command "start": unknown flag: --nosuchflag\n\n');
    expect(out.startsWith('Options for start command:\n\n')).toBe(true);
    expect(out.endsWith("\n\nRun 'davit --help' for more detailed usage information.\n")).toBe(true);
    expect(out).toMatch(/^ {2}-B, --bind stringArray {2,}\S/m);
    expect(out).toMatch(/^ {6}--pid-file string {2,}\S/m);
    expect(out).not.toContain('--docker-password');
  });

  it('know the flags that stand in front of a command of a group', async () => {
    const bad = await davit(['remote', '--nosuch', 'list']);
    expect([bad.code, bad.err]).toEqual([1, 'Error for command "remote": unknown flag: --nosuch\n\n']);
    const few = await davit(['remote', '-c', '/nosuch', 'add', 'x']);
    expect([few.code, few.err]).toEqual([1, 'Error for command "add": accepts 2 arg(s), received 1\n\n']);
    expect((await davit(['remote', '-c', '/nosuch'])).out).toMatch(/^ {2}-c, --config string {2,}\S/m);
    expect((await davit(['instance', '-c', '/nosuch', 'list'])).err).toBe(
      'Error for command "instance": unknown shorthand flag: \'c\' in -c\n\n',
    );
  });

  it('name the program for flags in front of the command', async () => {
    const { code, out, err } = await davit(['--nosuch', 'exec']);
    expect([code, err]).toEqual([1, 'Error for command "davit": unknown flag: --nosuch\n\n']);
    expect(out).toContain('Options for davit command:');
  });

  it('list the commands for an unknown command and for a group', async () => {
    const unknown = await davit(['nosuchcommand']);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toBe('Error: unknown command "nosuchcommand" for "davit"\n\n');
    expect(unknown.out).toMatch(/^ {2}exec {8}\S/m);

    const group = await davit(['instance', 'nosuchsub']);
    expect(group.code).toBe(1);
    expect(group.err).toBe('Error for command "instance": invalid command\n\n');
    expect(group.out).toMatch(
      /^Usage:\n {2}davit \[global options...\] instance <command>\n\nAvailable Commands:\n {2}list {8}\S/,
    );
    expect(await davit(['instance'])).toEqual(group);
  });

  it('print the help of some groups instead, as Apptainer does', async () => {
    for (const group of ['remote', 'registry', 'keyserver', 'sif']) {
      const help = await davit(['help', group]);
      expect(help.out).toContain('\nAvailable Commands:\n');
      expect(await davit([group])).toEqual({ ...help, code: 0 });
      expect(await davit([group, 'nosuchsub'])).toEqual(help);
    }
  });

  it('list the commands in alphabetical order', async () => {
    const { out } = await davit([]);
    const names = [...out.matchAll(/^ {2}([a-z-]+) +[A-Z]/gm)].map((match) => match[1]);
    expect(names.length).toBeGreaterThan(20);
    expect(names).toEqual([...names].sort());
  });

  it('leave a call without words with the usage alone', async () => {
    const { code, err } = await davit([]);
    expect([code, err]).toEqual([1, '']);
  });
});

describe('version and help', () => {
  it('lists the options that every command takes with those of each, but not where only help can be asked for', async () => {
    for (const words of ['exec', 'instance start', 'instance stop', 'sif list', 'version']) {
      const { out } = await davit(['help', ...words.split(' ')]);
      expect(out, words).toMatch(/^ {6}--timing +\S/m);
      expect(out, words).toMatch(/^ {6}--trace string +\S/m);
    }
    for (const words of ['instance', 'sif'])
      expect((await davit(['help', words])).out, words).not.toContain('--timing');
    expect((await davit(['exec', '--nosuch'])).out).toContain('--trace string');
  });

  it('print the version', async () => {
    expect(await davit(['--version'])).toEqual({ code: 0, out: `davit version ${version()}\n`, err: '' });
    expect(await davit(['version'])).toEqual({ code: 0, out: `${version()}\n`, err: '' });
  });

  it('print the same by every way', async () => {
    const help = await davit(['help', 'instance', 'start']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('davit instance start [start options...]');
    expect(await davit(['instance', 'start', '--help'])).toEqual(help);
    expect(await davit(['instance', 'start', '-h', 'x'])).toEqual(help);
    expect((await davit(['--help'])).out).toBe((await davit(['help'])).out);
  });

  it('answer an unknown topic without an error', async () => {
    const { code, out } = await davit(['help', 'nosuch']);
    expect(code).toBe(0);
    expect(out).toContain('Unknown help topic [`nosuch`]');
  });

  it('leave --help behind the image to the payload', async () => {
    const { err } = await davit(['exec', '/nonexistent.sif', 'ls', '--help']);
    expect(err).toMatch(/^FATAL: /);
  });
});

describe('fatal errors', () => {
  it('exit 255', async () => {
    const { code, out, err } = await davit(['exec', '/nonexistent.sif', 'true']);
    expect([code, out]).toEqual([255, '']);
    expect(err).toMatch(/^FATAL: {3}.*nonexistent\.sif/);
  });

  it('refuse commands that are not there yet, and say so in their help', async () => {
    const later = await davit(['checkpoint', 'create', 'x']);
    expect(later.code).toBe(255);
    expect(later.err).toContain('FATAL:   not supported yet: davit checkpoint\n');
    expect((await davit(['checkpoint', '--help'])).out).toContain('not supported yet');
  });

  it('refuse options that are not there yet, by flag and by variable', async () => {
    const flag = await davit(['exec', '--nv', '/x.sif', 'true']);
    expect(flag.code).toBe(255);
    expect(flag.err).toMatch(/^FATAL: {3}not supported yet: --nv\n/);
    const variable = await davit(['exec', '/x.sif', 'true'], { APPTAINER_MEMORY: '1g' });
    expect(variable.err).toMatch(/^FATAL: {3}not supported yet: APPTAINER_MEMORY \(--memory\)\n/);
  });

  it('refuse options that are not there yet in every command', async () => {
    expect((await davit(['build', '--encrypt', '/x.sif', '/y'])).err).toMatch(
      /^FATAL: {3}not supported yet: --encrypt\n/,
    );
  });

  it('say that an option is deprecated', async () => {
    const { err } = await davit(['exec', '--underlay', '/nonexistent.sif', 'true']);
    expect(err).toMatch(/^WARNING: Flag --underlay has been deprecated, default overlay is preferred\n/);
  });

  it('refuse to start an instance from an instance', async () => {
    const { code, err } = await davit(['instance', 'start', 'instance://web1', 'q2']);
    expect(code).toBe(255);
    expect(err).toBe('FATAL:   While setting image/instance: starting an instance from another is not allowed\n');
  });

  it('refuse bad instance names', async () => {
    for (const name of ['bad/name', 'bad name', '../up', '', '.', '..', 'a'.repeat(129)]) {
      const { code, err } = await davit(['instance', 'start', '/', name]);
      expect(code, name).toBe(255);
      expect(err).toContain(`FATAL:   while checking instance name: ${name} is not a valid instance name\n`);
    }
  });

  it('show an unexpected fault with its stack under --debug', async () => {
    const broken = new Terminal(() => {});
    let text = '';
    const terminal = new Terminal((_, bytes) => {
      text += bytes;
    });
    expect(broken.level).toBe(1);
    const throwing = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new TypeError('boom');
        },
      },
    );
    expect(await dispatch(['-d', 'version'], throwing, terminal)).toBe(255);
    expect(text).toContain('FATAL:   boom');
  });
});

describe('standard output', () => {
  it('that cannot be written is an error, one without a reader is not', async () => {
    const run = async (result: unknown): Promise<[number, string]> => {
      let text = '';
      const terminal = new Terminal((fd, bytes) => {
        if (fd === 1) return result;
        text += bytes;
        return true;
      });
      return [await dispatch(['version'], {}, terminal), text];
    };
    const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
    expect(await run(full)).toEqual([255, 'FATAL:   write /dev/stdout: no space left on device\n']);
    expect(await run(false)).toEqual([0, '']);
    expect(await run(true)).toEqual([0, '']);
  });
});

describe('levels', () => {
  it('come from flags, from the environment and from MESSAGELEVEL', async () => {
    const level = async (argv: string[], env: Record<string, string> = {}): Promise<number> => {
      const terminal = new Terminal(() => {});
      await dispatch([...argv, 'version'], env, terminal);
      return terminal.level;
    };
    expect(await level([])).toBe(1);
    expect(await level(['-q'])).toBe(-1);
    expect(await level(['-s'])).toBe(-3);
    expect(await level(['-v'])).toBe(4);
    expect(await level(['-d', '-q'])).toBe(5);
    expect(await level([], { APPTAINER_VERBOSE: '1' })).toBe(4);
    expect(await level([], { APPTAINER_MESSAGELEVEL: '-1' })).toBe(-1);
    expect(await level([], { APPTAINER_MESSAGELEVEL: 'x' })).toBe(1);
    expect(await level(['-q'], { APPTAINER_MESSAGELEVEL: '5' })).toBe(-1);
  });
});
