/** Options from environment variables: DAVIT_X, then APPTAINER_X, then SINGULARITY_X. */
import { RuntimeError } from '../../errors';
import { ownNames } from '../../witness';
import type { FlagSource } from '../flags';
import type { Flag } from '../flags/flag';
import type { Terminal } from '../terminal/render';
import { convert, type FlagValue, type Options } from './parse';

const PREFIXES = ['DAVIT_', 'APPTAINER_', 'SINGULARITY_'] as const;
const OLD_PREFIX = 'SINGULARITY_';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Adds to `options` what the command line has not given. Values of flags that add (bind, mount) come behind the flags'.
 * Empty and blank variables count as unset.
 * @throws RuntimeError OPTION for a value that does not fit the flag.
 */
export function applyEnvironment(
  options: Options,
  flags: FlagSource,
  env: Environment,
  terminal: Pick<Terminal, 'info' | 'warning'>,
): void {
  if (!ownNames(env).some(mayBeOption)) return;
  for (const flag of flags()) {
    for (const name of flag.env) {
      if (!flag.envAdds && options.has(flag.key)) break;
      const variable = lookUp(name, env, terminal);
      if (variable) assign(options, flag, variable);
    }
  }
}

/** Variables of ours that are no options; the launcher sets DAVIT_FRONT at every call. */
const NO_OPTIONS = new Set(['DAVIT_FRONT', 'DAVIT_NODE', 'DAVIT_STATE_DIR', 'DAVIT_CACHEDIR', 'DAVIT_PLAN_CACHE']);

function mayBeOption(name: string): boolean {
  return PREFIXES.some((prefix) => name.startsWith(prefix)) && !NO_OPTIONS.has(name);
}

interface Variable {
  name: string;
  value: string;
}

/** The first of the three variables that is set; says so when an old name is used or when they contradict. */
export function lookUp(
  name: string,
  env: Environment,
  terminal: Pick<Terminal, 'info' | 'warning'>,
): Variable | undefined {
  const found = PREFIXES.map((prefix): Variable => ({ name: prefix + name, value: env[prefix + name] ?? '' })).filter(
    ({ value }) => value.trim() !== '',
  );
  const [winner, ...others] = found;
  if (winner === undefined) return undefined;
  if (winner.name.startsWith(OLD_PREFIX)) {
    terminal.info(`Environment variable ${winner.name} is set, but APPTAINER_${name} is preferred`);
  }
  for (const other of others) {
    if (other.value !== winner.value) {
      terminal.warning(`${other.name} and ${winner.name} have different values, using the latter`);
    }
  }
  return winner;
}

function assign(options: Options, flag: Flag, variable: Variable): void {
  // A variable may hold several mount specifications, one a line.
  const texts =
    flag.type === 'array' ? variable.value.split('\n').filter((text) => text.trim() !== '') : [variable.value];
  for (const text of texts) {
    let value: FlagValue;
    try {
      value = convert(flag, text, options.value(flag.key));
    } catch (error) {
      throw new RuntimeError('OPTION', `read ${variable.name}="${text}": ${(error as Error).message}`, {
        path: variable.name,
        hint: `correct or unset ${variable.name}; it stands for --${flag.name}`,
      });
    }
    // What the command line gave stays the command line's, also when the environment adds to it.
    const source = options.source(flag.key) ?? 'environment';
    options.set(flag.key, value, source, options.given(flag.key) ?? variable.name);
  }
}
