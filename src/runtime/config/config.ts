/**
 * Reads the configuration: /etc/davit/davit.conf, then /etc/davit/davit.d/*.conf in byte order. `directive = value`,
 * one a line, `#` begins a comment; a directive that is given again replaces the earlier value, a list directive within one
 * file adds to it. No program here is setuid: a user who names another file limits nobody but himself.
 */
import { errnoOf, RuntimeError } from '../../errors';
import { existsSync, readdirSync, readFileSync } from '../../observed-fs';
import { parseDuration } from './duration';
import { type Directive, defaultConfig, directives, type LaunchConfig, splitList } from './directives';

const CONFIG_DIR = '/etc/davit';

export interface LoadedConfig {
  config: LaunchConfig;
  /** What the site ought to know: unknown directives. */
  warnings: string[];
  /** Files that were read, in order. */
  files: string[];
  /** `file:line` of each directive that a file sets, by the directive's name. */
  sources: ReadonlyMap<string, string>;
}

export interface ConfigRequest {
  /** --config: read instead of the site's files. */
  file?: string;
  /** DAVIT_CONFIG_FILE and its twins are read, when `file` is not given. */
  env?: Readonly<Record<string, string | undefined>>;
  /** The site's directory; for tests. */
  directory?: string;
}

/**
 * The configuration in force. Without any file this is one failed system call.
 * @throws RuntimeError CONFIG for a file that was asked for and cannot be read, and for a value that does not fit.
 */
export function loadConfig(request: ConfigRequest = {}): LoadedConfig {
  const loaded = { config: defaultConfig(), warnings: [] as string[], files: [] as string[], sources: new Map() };
  const { env = {}, directory = CONFIG_DIR } = request;
  const file = request.file ?? firstSet(env, ['DAVIT_CONFIG_FILE', 'APPTAINER_CONFIG_FILE', 'SINGULARITY_CONFIG_FILE']);
  if (file !== undefined) {
    readInto(loaded, file, true);
    return loaded;
  }
  if (!existsSync(directory)) return loaded;
  readInto(loaded, `${directory}/davit.conf`, false);
  for (const name of listConf(`${directory}/davit.d`)) readInto(loaded, `${directory}/davit.d/${name}`, true);
  return loaded;
}

function firstSet(env: Readonly<Record<string, string | undefined>>, names: string[]): string | undefined {
  for (const name of names) {
    const value = env[name];
    if (value !== undefined && value.trim() !== '') return value;
  }
  return undefined;
}

function listConf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.conf'))
      .sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw unreadable(directory, error);
  }
}

function unreadable(path: string, cause: unknown): RuntimeError {
  const errno = errnoOf(cause);
  return new RuntimeError('CONFIG', `read the configuration "${path}": ${errno ?? String(cause)}`, {
    path,
    errno,
    cause,
    hint: 'make it readable for all, or name another file with --config',
  });
}

function readInto(loaded: LoadedConfig, path: string, required: boolean): void {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!required && errnoOf(error) === 'ENOENT') return;
    throw unreadable(path, error);
  }
  loaded.files.push(path);
  applyText(loaded, path, text);
}

/** Applies the text of one file. */
function applyText(loaded: LoadedConfig, path: string, text: string): void {
  const known = directives();
  const listsHere = new Set<string>();
  text.split('\n').forEach((raw, index) => {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') return;
    const where = `${path}:${index + 1}`;
    const equals = line.indexOf('=');
    if (equals < 0) throw badLine(where, `"${line}" is not of the form "directive = value"`);
    const name = line.slice(0, equals).trim().replace(/\s+/g, ' ');
    const value = line.slice(equals + 1).trim();
    const directive = known.get(name);
    if (!directive) {
      loaded.warnings.push(`${where}: unknown directive "${name}" is ignored`);
      return;
    }
    const adds = listsHere.has(name);
    if (directive.type === 'list') listsHere.add(name);
    (loaded.sources as Map<string, string>).set(name, where);
    set(loaded.config, directive, value, adds, where);
  });
}

function set(config: LaunchConfig, directive: Directive, value: string, adds: boolean, where: string): void {
  const parsed = parse(directive, value, where);
  if (directive.key === undefined) return;
  const target = config as unknown as Record<string, unknown>;
  const before = target[directive.key];
  target[directive.key] = adds && Array.isArray(parsed) ? [...(before as string[]), ...parsed] : parsed;
}

function parse({ name, type }: Directive, value: string, where: string): unknown {
  if (type === 'text') return value;
  if (type === 'list') return splitList(value);
  if (type === 'number') {
    if (!/^\d{1,12}$/.test(value)) throw badLine(where, `"${name}" takes a number, not "${value}"`);
    return Number(value);
  }
  if (type === 'duration') {
    const ms = parseDuration(value);
    if (ms === undefined) throw badLine(where, `"${name}" takes a time such as 90s, 10m or 1h30m, not "${value}"`);
    return ms;
  }
  const choices = type === 'bool' ? ['yes', 'no'] : type;
  if (!choices.includes(value)) throw badLine(where, `"${name}" takes ${choices.join(' or ')}, not "${value}"`);
  return type === 'bool' ? value === 'yes' : value;
}

function badLine(where: string, what: string): RuntimeError {
  return new RuntimeError('CONFIG', `${where}: ${what}`, { path: where, hint: 'correct the line, or remove it' });
}
