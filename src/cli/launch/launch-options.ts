/** From parsed flags to LaunchOptions. */
import { RuntimeError } from '../../errors';
import type { LaunchOptions } from '../../runtime/launch/options';
import type { Options } from '../command-line/parse';
import { isUsed } from '../command-line/unsupported';
import type { FlagSource } from '../flags';
import type { Terminal } from '../terminal/render';

/** The options of a launch. Everything here has been read by its type already. */
export function launchOptions(options: Options): LaunchOptions {
  const flag = (key: string): boolean => options.flag(key);
  return {
    ...optional({
      app: options.text('app'),
      home: options.text('home'),
      cwd: options.text('cwd'),
      hostname: options.text('hostname'),
      dns: options.text('dns'),
      network: options.text('network'),
      workdir: options.text('workdir'),
      shell: options.text('shell'),
      addCaps: options.text('addCaps'),
      dropCaps: options.text('dropCaps'),
      pidFile: options.text('pidFile'),
      logDir: options.text('logDir'),
      waitSeconds: options.number('wait'),
    }),
    bind: options.list('bind'),
    mount: options.list('mount'),
    overlay: options.list('overlay'),
    env: options.map('env'),
    envFiles: options.list('envFile'),
    noEnv: options.list('noEnv'),
    noMount: options.list('noMount'),
    scratch: options.list('scratch'),
    writable: flag('writable'),
    writableTmpfs: flag('writableTmpfs'),
    noHome: flag('noHome'),
    contain: flag('contain'),
    containAll: flag('containAll'),
    cleanEnv: flag('cleanenv'),
    noEval: flag('noEval'),
    fakeroot: flag('fakeroot'),
    ignoreSubuid: flag('ignoreSubuid'),
    userns: flag('userns'),
    pid: flag('pid'),
    noPid: flag('noPid'),
    ipc: flag('ipc'),
    uts: flag('uts'),
    net: flag('net'),
    noInit: flag('noInit'),
    noUmask: flag('noUmask'),
    compat: flag('compat'),
    unsquash: flag('unsquash'),
    keepPrivs: flag('keepPrivs'),
    noPrivs: flag('noPrivs'),
    allowSetuid: flag('allowSetuid'),
  };
}

/** Only the members that have a value. */
function optional<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

/**
 * The network that a launch gets: none, or the caller's. `--network` implies `--net`.
 * @throws RuntimeError OPTION for any network but `none`
 */
export function settleNetwork(options: Options, isRoot: boolean, terminal: Pick<Terminal, 'warning'>): void {
  const network = options.text('network');
  if (!options.flag('net') && network === undefined) return;
  const given = options.given(network === undefined ? 'net' : 'network') ?? '--net';
  const source = options.source(network === undefined ? 'net' : 'network') ?? 'flag';
  if (network !== 'none') {
    const wanted = network ?? 'bridge';
    if (isRoot || !options.flag('fakeroot')) {
      throw new RuntimeError('OPTION', `not supported yet: ${given} with network "${wanted}"`, {
        path: '--network',
        hint: '--network none gives a network namespace with nothing but loopback',
      });
    }
    // What Apptainer does for --fakeroot without its setuid program.
    terminal.warning(`network "${wanted}" needs privileges: using --network none`);
  }
  options.set('net', true, source, given);
  options.set('network', 'none', source, given);
}

/** The parts of --containall and --compat that concern the environment and so apply to a running instance too. */
function impliedByContainment(options: Options): void {
  const [all, compat] = [options.flag('containAll'), options.flag('compat')];
  const given = options.given(all ? 'containAll' : 'compat') ?? '';
  if ((all || compat) && !options.has('cleanenv')) options.set('cleanenv', true, 'flag', given);
  for (const key of compat ? ['noEval', 'noUmask'] : []) options.set(key, true, 'flag', given);
}

/**
 * Takes out what has no effect on a running instance; says so once, for what stands on the command line. (Apptainer is
 * silent.) What a site has set in everybody's environment is not worth a line at every exec.
 */
export function dropWithoutEffect(
  options: Options,
  flags: FlagSource,
  terminal: Pick<Terminal, 'warning' | 'info'>,
): void {
  if (options.isEmpty()) return;
  impliedByContainment(options);
  const ignored = new Set<string>();
  for (const flag of flags()) {
    if (flag.joins) continue;
    if (options.source(flag.key) === 'flag' && isUsed(flag, options.value(flag.key))) {
      if (flag.key === 'fakeroot') terminal.info('--fakeroot ignored when joining instance');
      else ignored.add(options.given(flag.key) as string);
    }
    options.delete(flag.key);
  }
  if (ignored.size === 0) return;
  terminal.warning(`${[...ignored].sort().join(', ')}: no effect on a running instance, ignored`);
}
