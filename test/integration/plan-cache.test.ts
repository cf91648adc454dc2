/** Remembered launches: what hits, and that nothing else does. A hit needs no Node; a miss finds none at DAVIT_NODE. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
import { eventually } from './support/patience';
import { NOT_OTHERS } from './support/remembered';
import { davitPath, type Outcome, type RunOptions, withWorld } from './support/world';

const NO_NODE = '/nonexistent/node';
/** A file that was changed a moment ago is not relied upon (native/state/sight.cc). */
const SETTLED_MS = 3_100;

withWorld('the plan cache', (world) => {
  let image = '';
  let config = '';
  const env = (more: Record<string, string> = {}): Record<string, string> => ({ DAVIT_CONFIG_FILE: config, ...more });
  const plans = (): string[] => {
    const directory = join(world().stateDir, 'plans');
    return existsSync(directory) ? readdirSync(directory) : [];
  };
  const planFile = (): string => join(world().stateDir, 'plans', plans()[0] as string);

  const run = (args: string[], options: RunOptions = {}): Promise<Outcome> =>
    world().davitWith({ ...options, env: env(options.env as Record<string, string>) }, ...args);
  const withoutNode = (args: string[], options: RunOptions = {}): Promise<Outcome> =>
    run(args, { ...options, env: { ...options.env, DAVIT_NODE: NO_NODE } });
  const isMiss = ({ stderr }: Outcome): boolean => stderr.includes(`execute "${NO_NODE}"`);

  async function expectHit(args: string[], options: RunOptions = {}): Promise<Outcome> {
    const outcome = await withoutNode(args, options);
    expect(outcome).toMatchObject({ status: 0 });
    return outcome;
  }
  async function expectMiss(args: string[], options: RunOptions = {}): Promise<void> {
    expect(await withoutNode(args, options)).toSatisfy(isMiss);
  }
  /** Compiles it, so that the next one hits. */
  async function prime(args: string[], options: RunOptions = {}): Promise<void> {
    expect(await run(args, options)).toMatchObject({ status: 0 });
  }

  beforeAll(async () => {
    image = world().image();
    config = world().write('davit.conf', 'plan cache = yes\n');
    await sleep(SETTLED_MS);
  });

  describe('hits', () => {
    test('with other arguments, and gives them to the payload', async () => {
      await prime(['exec', image, 'true']);
      const { stdout } = await expectHit(['exec', image, 'printf', '%s|', 'a b', '', '-x', '$HOME']);
      expect(stdout).toBe('a b||-x|$HOME|');
      expect(await withoutNode(['exec', image, 'sh', '-c', 'exit 7'])).toMatchObject({ status: 7 });
    });

    test('with another environment that the compiler has not asked for', async () => {
      await prime(['exec', image, 'true']);
      const { stdout } = await expectHit(['exec', image, 'env'], { env: { COLOUR: 'blue', NODE_OPTIONS: '--x' } });
      expect(stdout).toContain('COLOUR=blue\n');
      expect(stdout).toContain('NODE_OPTIONS=--x\n');
    });

    test('with other values of variables that were there, as in each task of a job, and without them', async () => {
      const task = { SLURM_PROCID: '0', SHLVL: '1', OLDPWD: '/', _: '/usr/bin/srun' };
      const shown = ['exec', image, 'sh', '-c', 'echo $SLURM_PROCID'];
      await prime(shown, { env: task });
      const next = { SLURM_PROCID: '1', SHLVL: '2', OLDPWD: '/tmp', _: '/usr/bin/xargs' };
      expect((await expectHit(shown, { env: next })).stdout).toBe('1\n');
      expect((await expectHit(shown)).stdout).toBe('\n');
    });

    test('gives a payload the same environment, directory and mask as a miss', async () => {
      const args = [
        'exec',
        image,
        'sh',
        '-c',
        `env | sort; pwd; umask; ${NOT_OTHERS} /proc/self/mountinfo | wc -l; ls /proc/self/fd`,
      ];
      const missed = await run(args, { env: { DAVIT_PLAN_CACHE: 'off' } });
      await prime(args);
      expect((await expectHit(args)).stdout).toBe(missed.stdout);
    });

    test('for instances of other names and arguments', async () => {
      await prime(['instance', 'start', image, 'first', 'argument-1']);
      await expectHit(['instance', 'start', image, 'second', 'argument-2', 'argument-3']);
      const record = readFileSync(join(world().stateDir, 'instances/second/record.pb'), 'latin1');
      expect(record.match(/argument-\d/g)).toEqual(['argument-2', 'argument-3']);
      await eventually(async () => {
        expect(await world().ok('instance', 'logs', 'second')).toContain('startscript: 2: argument-2 argument-3\n');
      });
      expect(await world().ok('exec', 'instance://second', 'sh', '-c', 'echo $APPTAINER_INSTANCE')).toBe('second\n');
      const again = await withoutNode(['instance', 'start', image, 'second']);
      expect(again).toMatchObject({ status: 255, stderr: expect.stringContaining('instance second already exists') });
      const wrong = await run(['instance', 'start', image, 'not/a/name']);
      expect(wrong.stderr).toContain('not/a/name is not a valid instance name');
    });

    test('in a running instance, the first time too', async () => {
      for (const name of ['first', 'second']) {
        const uri = `instance://${name}`;
        const show = 'echo $APPTAINER_INSTANCE $APPTAINER_NAME $APPTAINER_COMMAND';
        const { stdout } = await expectHit(['exec', uri, 'sh', '-c', show]);
        expect(stdout).toBe(`${name} ${image.split('/').at(-1)} exec\n`);
        expect((await expectHit(['run', uri, 'a', 'b'])).stdout).toContain('runscript: 2: a b\n');
        expect((await expectHit(['shell', uri], { input: 'echo $APPTAINER_COMMAND\n' })).stdout).toBe('shell\n');
        expect(await withoutNode(['test', uri, '3'])).toMatchObject({ status: 3, stdout: 'test: 1: 3\n' });
      }
      await expectMiss(['exec', 'instance://first']);
      await expectMiss(['shell', 'instance://first', 'argument']);
      await expectMiss(['exec', 'instance://nosuch', 'true']);
      await expectMiss(['exec', 'instance://', 'true']);
      await expectMiss(['exec', 'instance://../instances/first', 'true']);
      await expectMiss(['exec', 'instance://first', 'true'], { env: { DAVIT_PLAN_CACHE: 'off' } });
    });

    test('in any instance with the options of an earlier join', async () => {
      const join = (name: string, ...command: string[]): string[] => [
        'exec',
        '--env',
        'A=1',
        `instance://${name}`,
        ...command,
      ];
      await expectMiss(join('first', 'true'));
      await prime(join('first', 'true'));
      expect((await expectHit(join('second', 'sh', '-c', 'echo $A $APPTAINER_INSTANCE'))).stdout).toBe('1 second\n');
      await expectMiss(join('nosuch', 'true'));
      await expectMiss(join('', 'true'));
      await expectHit(join('first', 'true'));
      await expectMiss(['exec', '--env', 'A=2', 'instance://first', 'true']);
    });

    test('in an instance that was started anew', async () => {
      await world().ok('instance', 'stop', 'first');
      await expectMiss(['exec', 'instance://first', 'true']);
      expect((await run(['exec', 'instance://first', 'true'])).stderr).toContain('no instance found with name first');
      await run(['instance', 'start', '--home', `${world().makeDirectory('new-home')}:/new`, image, 'first']);
      expect((await expectHit(['exec', 'instance://first', 'sh', '-c', 'echo $HOME'])).stdout).toBe('/new\n');
      const options = ['exec', '--env', 'A=1', 'instance://first', 'sh', '-c', 'echo $A $HOME'];
      expect((await expectHit(options)).stdout).toBe('1 /new\n');
    });

    test('for run, shell and test, each by itself', async () => {
      for (const action of ['run', 'test']) {
        await expectMiss([action, image]);
        await prime([action, image]);
        expect(await withoutNode([action, image, 'argument'])).not.toSatisfy(isMiss);
      }
      await prime(['shell', image], { input: 'exit\n' });
      expect((await expectHit(['shell', image], { input: 'echo typed\n' })).stdout).toBe('typed\n');
      await expectMiss(['shell', image, 'more']);
    });
  });

  describe('misses when it changes:', () => {
    const target = ['exec', '--no-home'];
    const args = (): string[] => [...target, image, 'true'];

    test.each<[string, Record<string, string>]>([
      ['an option', { APPTAINER_BIND: '/srv' }],
      ['an injected variable', { APPTAINERENV_X: '1' }],
      ['the level of messages', { APPTAINER_MESSAGELEVEL: '0' }],
      ['an empty variable', { DAVIT_CONTAIN: '' }],
      ['PWD', { PWD: '/' }],
    ])('a variable (%s)', async (_, more) => {
      await prime(args());
      await expectHit(args());
      await expectMiss(args(), { env: more });
      await prime(args(), { env: more });
      await expectHit(args(), { env: more });
      await expectHit(args());
    });

    test.each(['SINGULARITY_WRITABLE_TMPFS', 'SINGULARITYENV_X'])(
      '%s, of which a word is said each time',
      async (name) => {
        await prime(args());
        const given = { env: { [name]: '1' } };
        await expectMiss(args(), given);
        await prime(args(), given);
        await expectMiss(args(), given);
      },
    );

    test('what ld.so(8) loads into Node', async () => {
      await prime(args());
      await expectMiss(args(), { env: { LD_PRELOAD: '' } });
      await expectHit(args());
    });

    test('the value of an injected variable', async () => {
      const one = { env: { APPTAINERENV_X: 'one' } };
      const show = [...target, image, 'sh', '-c', 'echo $X'];
      await prime(show, one);
      expect((await expectHit(show, one)).stdout).toBe('one\n');
      await expectMiss(show, { env: { APPTAINERENV_X: 'two' } });
    });

    test('a word of the command line', async () => {
      await prime(args());
      for (const words of [
        ['exec', '--cleanenv'],
        ['-q', ...target],
        [...target, '--no-mount', 'tmp'],
        ['exec', '--no-home=true'],
      ]) {
        await expectMiss([...words, image, 'true']);
      }
      await expectMiss([...target, `${image}/../${image.split('/').at(-1)}`, 'true']);
      await expectMiss([...target, image]);
      await expectHit(args());
    });

    test('the directory', async () => {
      await prime(args());
      await expectMiss(args(), { cwd: world().makeDirectory('elsewhere') });
      await expectHit(args());
    });

    test.each([
      ['the mask of new files', 'umask 027; exec "$@"'],
      ['where messages go', 'exec "$@" 2>/dev/null'],
    ])('callers that differ in %s have a plan each', async (_, script) => {
      const other = (node?: string): Promise<Outcome> =>
        world().command('sh', ['-c', script, 'sh', davitPath, ...args()], {
          env: env(node === undefined ? {} : { DAVIT_NODE: node }),
        });
      await prime(args());
      expect(await other(NO_NODE)).toMatchObject({ status: 255 });
      expect(await other()).toMatchObject({ status: 0 });
      for (const _round of [1, 2]) {
        expect(await other(NO_NODE)).toMatchObject({ status: 0 });
        await expectHit(args());
      }
    });

    test.each<[string, string[]]>([
      ['the mask of new files', ['sh', '-c', 'umask 077; exec "$@"', 'sh']],
      ...(isRoot
        ? ([
            ['the mount namespace', ['unshare', '-m']],
            ['the groups', ['setpriv', '--groups', '4,20']],
            ['the capabilities', ['setpriv', '--bounding-set', '-sys_time', '--inh-caps', '-sys_time']],
            ['the group', ['setpriv', '--regid', '7', '--clear-groups']],
          ] as [string, string[]][])
        : []),
      ['the user namespace', ['unshare', '-Ur']],
    ])('%s', async (_, [program, ...words]) => {
      await prime(args());
      const changed = await world().command(program as string, [...words, davitPath, ...args()], {
        env: env({ DAVIT_NODE: NO_NODE }),
      });
      expect(changed).toSatisfy(isMiss);
      await expectHit(args());
    });

    test('the configuration, also to one of the same size and age', async () => {
      await prime(args());
      const { atime, mtime } = statSync(config);
      writeFileSync(config, 'plan cache = yes#');
      utimesSync(config, atime, mtime);
      await expectMiss(args());
      writeFileSync(config, 'plan cache = yes\n');
      await expectHit(args());
      writeFileSync(config, 'plan cache = no\n');
      await run(args());
      await expectMiss(args());
      writeFileSync(config, 'plan cache = yes\n');
    });

    test('a file of variables', async () => {
      const file = world().write('some.env', 'X=1\n');
      const show = [...target, '--env-file', file, image, 'sh', '-c', 'echo $X'];
      await prime(show);
      expect((await expectHit(show)).stdout).toBe('1\n');
      writeFileSync(file, 'X=2\n');
      await expectMiss(show);
      await prime(show);
      expect((await expectHit(show)).stdout).toBe('2\n');
      rmSync(file);
      await expectMiss(show);
    });

    test('the image: its times, its file, the path that leads to it', async () => {
      const directory = world().makeDirectory('v1');
      const link = world().path('current');
      const copy = join(directory, 'image.sif');
      copyFileSync(image, copy);
      symlinkSync('v1', link);
      const through = [...target, join(link, 'image.sif'), 'true'];
      await prime(through);
      await expectMiss(through); // too new
      await sleep(SETTLED_MS);
      await prime(through);
      await expectHit(through);

      // The same file, by another path: what the plan would mount is no longer it.
      renameSync(directory, world().path('v2'));
      mkdirSync(directory);
      copyFileSync(image, copy);
      rmSync(link);
      symlinkSync('v2', link);
      await expectMiss(through);

      rmSync(directory, { recursive: true });
      renameSync(world().path('v2'), directory);
      rmSync(link);
      symlinkSync('v1', link);
      await expectHit(through);
      utimesSync(copy, new Date(), new Date(1e12));
      await expectMiss(through);
      rmSync(copy);
      await expectMiss(through);
      rmSync(directory, { recursive: true });
    });

    test('DAVIT_PLAN_CACHE, DAVIT_LOG, --dry-run, the state directory', async () => {
      await prime(args());
      await expectMiss(args(), { env: { DAVIT_PLAN_CACHE: 'off' } });
      await expectMiss(args(), { env: { DAVIT_LOG: world().path('log') } });
      await expectMiss(args(), { env: { DAVIT_STATE_DIR: world().makeDirectory('other-state') } });
      await expectMiss([...target, '--dry-run', image, 'true']);
      await expectHit(args());
    });
  });

  test('does not remember a launch that had something to say', async () => {
    const args = ['exec', '--no-mount', 'nonsense', image, 'true'];
    expect((await run(args)).stderr).toContain('nonsense');
    await expectMiss(args);
    await prime(['-v', 'exec', image, 'true']);
    await expectMiss(['-v', 'exec', image, 'true']);
  });

  describe('a file in it', () => {
    const args = (): string[] => ['exec', image, 'true'];
    async function fresh(): Promise<string> {
      rmSync(join(world().stateDir, 'plans'), { recursive: true, force: true });
      await prime(args());
      expect(plans()).toHaveLength(1);
      return planFile();
    }

    test('is the caller’s alone', async () => {
      const file = await fresh();
      const directory = join(world().stateDir, 'plans');
      expect(statSync(file).mode & 0o777).toBe(0o600);
      for (const [path, mode, right] of [
        [file, 0o640, 0o600],
        [directory, 0o755, 0o700],
        [world().stateDir, 0o750, 0o700],
      ] as const) {
        chmodSync(path, mode);
        await expectMiss(args());
        chmodSync(path, right);
      }
      await expectHit(args());
      renameSync(file, `${file}.real`);
      symlinkSync(`${file}.real`, file);
      await expectMiss(args());
      rmSync(file);
      expect(await world().command('mkfifo', ['-m', '600', file])).toMatchObject({ status: 0 });
      await expectMiss(args());
    });

    test('that is damaged is none', async () => {
      const file = await fresh();
      const whole = readFileSync(file);
      for (let at = 0; at < whole.length; at += 397) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] as number) ^ 1;
        writeFileSync(file, bytes);
        await expectMiss(args());
        if (at % 5 === 0) {
          writeFileSync(file, whole.subarray(0, at));
          await expectMiss(args());
        }
      }
      writeFileSync(file, whole);
      await expectHit(args());
    });

    test('that fails is forgotten, and compiled afresh where that can be', async () => {
      const source = world().makeDirectory('bound');
      const start = (name: string): string[] => ['instance', 'start', '--bind', `${source}:/mnt`, image, name];
      const exec = ['exec', '--bind', `${source}:/mnt`, image, 'true'];
      const child = ['exec', '--pid', '--bind', `${source}:/mnt`, image, 'true'];
      await prime(start('bound1'));
      await prime(exec);
      await prime(child);
      await world().ok('instance', 'stop', 'bound1');
      const before = plans().length;
      rmSync(source, { recursive: true });
      await expectMiss(start('bound2'));
      await expectMiss(child);
      // Back in its caller's namespaces, which only root can return to, it is compiled afresh, too.
      if (isRoot) await expectMiss(exec);
      else expect(await withoutNode(exec)).toMatchObject({ status: 255, stderr: expect.stringContaining(source) });
      expect(plans()).toHaveLength(before - 3);
      await expectMiss(exec);
      mkdirSync(source);
      await prime(exec);
    });

    test('is removed by "cache clean --type=plan"', async () => {
      await fresh();
      const clean = ['cache', 'clean', '--force', '--type=plan'];
      expect(await run([...clean, '--dry-run'])).toMatchObject({ status: 0 });
      await expectHit(args());
      expect(await run(clean)).toMatchObject({ status: 0, stderr: '' });
      expect(plans()).toEqual([]);
      await expectMiss(args());
      await fresh();
      expect(plans()).not.toEqual([]);
      await run(['cache', 'clean', '--force', '--days', '1']);
      expect(plans()).not.toEqual([]);
      expect(await run(['cache', 'clean', '--force'])).toMatchObject({ status: 0 });
      expect(plans()).toEqual([]);
    });

    test('is one of a bounded number', async () => {
      await fresh();
      for (let i = 0; i < 300; i++) writeFileSync(join(world().stateDir, 'plans', `old${i}`), '', { mode: 0o600 });
      await prime(['exec', '--no-home', image, 'true']);
      expect(plans().length).toBeLessThan(10);
    });
  });

  test.each([0, 5_000])(
    'never is older than what was written before it (file of %d bytes and more)',
    async (padding) => {
      const file = world().path('counter.env');
      let written = 0;
      const write = (): void => {
        const next = `${file}.new`;
        writeFileSync(next, `N=${written + 1}\n#${'x'.repeat(padding)}\n`);
        renameSync(next, file);
        written += 1;
      };
      write();
      let done = false;
      const read = async (): Promise<void> => {
        for (let i = 0; i < 6; i++) {
          const before = written;
          const { stdout } = await run(['exec', '--env-file', file, image, 'sh', '-c', 'echo $N']);
          const seen = Number(stdout);
          expect(seen).toBeGreaterThanOrEqual(before);
          expect(seen).toBeLessThanOrEqual(written + 1);
        }
      };
      const writer = (async () => {
        for (let i = 0; !done; i++) {
          write();
          // Long enough at times for a plan to be stored and to hit.
          await sleep(i % 3 === 0 ? 200 : 20);
        }
      })();
      await Promise.all([read(), read(), read()]);
      done = true;
      await writer;
      expect(existsSync(file)).toBe(true);
    },
  );
});
