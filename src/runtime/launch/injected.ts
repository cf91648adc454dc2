/** Variables that the caller puts into the container: APPTAINERENV_X and its twins, --env-file, --env. */
import { errnoOf, RuntimeError } from '../../errors';
import { readFileSync } from '../../observed-fs';
import { ownNames } from '../../witness';
import { evaluateEnvFile } from './env-file';
import { hostPath } from './mount-context';
import type { Notes } from './notes';
import type { Caller, LaunchOptions } from './options';
import type { Variable } from './plan';

const PREFIXES = ['DAVITENV_', 'APPTAINERENV_', 'SINGULARITYENV_'] as const;
const OLD_PREFIX = 'SINGULARITYENV_';
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

const FORBIDDEN = new Set(['HOME', 'APPTAINER_SHELL', 'APPTAINER_APPNAME', 'SINGULARITY_SHELL', 'SINGULARITY_APPNAME']);
/** The shell's own: an assignment is refused by some shells, or breaks them. */
const SHELL_OWN = new Set(['UID', 'GID', 'EUID', 'IFS', 'PPID', 'OPTIND', 'SHELLOPTS', 'BASHOPTS']);
/** Names that do not name a variable but an operation on one, done by the script at its end. */
const OPERATIONS: Record<string, string> = {
  PATH: 'DAVIT_PATH',
  PREPEND_PATH: 'DAVIT_PREPEND_PATH',
  APPEND_PATH: 'DAVIT_APPEND_PATH',
  PREPEND_LD_LIBRARY_PATH: 'DAVIT_PREPEND_LD',
  APPEND_LD_LIBRARY_PATH: 'DAVIT_APPEND_LD',
};
const LIBS_DIR = '/.singularity.d/libs';
const VALUE_PREFIX = 'DAVIT_ENV_';

export interface Injection {
  /** For Environment.set: DAVIT_ENV_X for each X, and DAVIT_ENV_NAMES. Empty without injected variables. */
  set: Variable[];
  /** Some operation on PATH or LD_LIBRARY_PATH is asked for. */
  path: boolean;
  library: boolean;
}

/** @throws RuntimeError OPTION for an environment file that cannot be read or understood. */
export function collectInjected(options: LaunchOptions, caller: Caller, notes: Notes): Injection {
  const values = new Map<string, string>();
  addPrefixed(values, caller.env, notes);
  for (const file of options.envFiles) addFile(values, file, options, caller, notes);
  for (const [name, value] of Object.entries(options.env)) values.set(name, value);

  const set: Variable[] = [];
  const names: string[] = [];
  for (const [name, value] of values) {
    if (!isPermitted(name, value, notes)) continue;
    const target = OPERATIONS[name] ?? name;
    const text = name === 'LD_LIBRARY_PATH' && value !== '' ? `${value}:${LIBS_DIR}` : value;
    names.push(target);
    set.push({ name: VALUE_PREFIX + target, value: options.noEval || options.compat ? text : quotable(text) });
  }
  if (names.length > 0) set.push({ name: `${VALUE_PREFIX}NAMES`, value: names.join(' ') });
  const has = (suffix: string): boolean => names.some((name) => name.startsWith('DAVIT_') && name.endsWith(suffix));
  return { set, path: has('PATH'), library: has('LD') };
}

function addPrefixed(values: Map<string, string>, env: Caller['env'], notes: Notes): void {
  const given = ownNames(env).filter(
    (key) => key.includes('ENV_') && PREFIXES.some((prefix) => key.startsWith(prefix)),
  );
  if (given.length === 0) return;
  for (const prefix of PREFIXES) {
    for (const key of given) {
      if (!key.startsWith(prefix)) continue;
      const name = key.slice(prefix.length);
      const value = env[key] ?? '';
      const earlier = values.get(name);
      if (earlier === undefined) {
        values.set(name, value);
        if (prefix === OLD_PREFIX) {
          notes.info(`Environment variable ${key} is set, but APPTAINERENV_${name} is preferred`);
        }
      } else if (earlier !== value) {
        const winner = PREFIXES.find((other) => env[other + name] === earlier);
        notes.warning(`${key} and ${winner}${name} have different values, using the latter`);
      }
    }
  }
}

function addFile(
  values: Map<string, string>,
  file: string,
  options: LaunchOptions,
  caller: Caller,
  notes: Notes,
): void {
  let text: string;
  try {
    text = readFileSync(hostPath({ caller }, file), 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError(
      'OPTION',
      `while setting environment: could not read environment file "${file}": ${errno ?? cause}`,
      {
        path: file,
        errno,
        cause,
        hint: 'correct --env-file',
      },
    );
  }
  const evaluatedAgain = !options.noEval && !options.compat;
  for (const [name, value] of evaluateEnvFile(text, { file, env: caller.env, keepEscapes: evaluatedAgain, notes })) {
    if (name in options.env) notes.warning(`Ignored environment file variable ${name}: override from --env`);
    else values.set(name, value);
  }
}

function isPermitted(name: string, value: string, notes: Notes): boolean {
  if (name === '') notes.warning(`Ignore environment variable ${name}=${value}: variable name missing`);
  else if (!IDENTIFIER.test(name)) notes.warning(`Ignoring environment variable ${name}: not a valid name`);
  else if (FORBIDDEN.has(name)) {
    notes.warning(`Overriding ${name} environment variable with APPTAINERENV_${name} is not permitted`);
  } else if (SHELL_OWN.has(name)) notes.verbose(`Not setting ${name}: it belongs to the shell`);
  else if (name.startsWith('DAVIT_')) notes.warning(`Ignoring environment variable ${name}: DAVIT_ is reserved`);
  else return true;
  return false;
}

/**
 * Text that can stand between double quotes of a script: quotes get a backslash unless they have one, and a backslash
 * at the end stands for itself. All else keeps its meaning there, `$X` above all.
 */
export function quotable(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === '\\') out += i + 1 < text.length ? char + text[++i] : '\\\\';
    else out += char === '"' ? '\\"' : char;
  }
  return out;
}
