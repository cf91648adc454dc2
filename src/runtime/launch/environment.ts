/** The environment of a payload, as rules for the launcher and values for the script. */
import type { Injection } from './injected';
import type { Action, LaunchOptions } from './options';
import type { Environment, Variable } from './plan';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const ENVIRONMENT_FILE = '/.singularity.d/env/91-environment.sh';

/** All that --cleanenv lets through. */
const CLEAN_ALLOWED = [
  'TERM',
  ...['http', 'https', 'no', 'all', 'ftp'].flatMap((name) => [`${name}_proxy`, `${name.toUpperCase()}_PROXY`]),
];
/** Not forwarded: the container has its own, or the launcher sets it. */
const BLOCKED = ['HOME', 'PATH', 'LD_LIBRARY_PATH', 'PWD', 'IFS', 'PPID', 'OPTIND', 'SHELLOPTS', 'BASHOPTS'];
/** A shell may refuse to assign these; the script never touches them, and they are passed on as they are. */
const PASSED_BY = ['UID', 'GID', 'EUID'];
const BLOCKED_PREFIXES = ['APPTAINER_', 'SINGULARITY_', 'DAVIT_', 'APPTAINERENV_', 'SINGULARITYENV_', 'DAVITENV_'];

/** What the value of a variable is: itself, or a field of the instance's record. */
export type Source = Pick<Variable, 'value' | 'fromRecord'>;

export interface EnvironmentRequest {
  action: Action;
  options: LaunchOptions;
  injection: Injection;
  /** HOME inside. */
  home: Source;
  /** Absolute path of the image; its base name; the targets of the user's binds. */
  container: { path: Source; name: Source; binds: Source };
  /** Its name is set by the launcher. */
  isInstance: boolean;
}

export function planEnvironment(request: EnvironmentRequest): Environment {
  const { options, injection } = request;
  const clean = isClean(options);
  return {
    onlyAllowed: clean,
    allow: clean ? CLEAN_ALLOWED : [],
    block: [...BLOCKED, ...PASSED_BY, ...noEnvNames(options)],
    blockPrefixes: BLOCKED_PREFIXES,
    set: [...baseVariables(request, clean), ...containerVariables(request), ...injection.set],
  };
}

export function isClean(options: LaunchOptions): boolean {
  return options.cleanEnv || options.containAll || options.compat;
}

function noEnvNames(options: LaunchOptions): string[] {
  return options.noEnv
    .flatMap((text) => text.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function baseVariables({ home, options }: EnvironmentRequest, clean: boolean): Variable[] {
  const set: Variable[] = [
    { name: 'PATH', value: DEFAULT_PATH },
    { name: 'HOME', ...home },
  ];
  if (clean) return [...set, { name: 'LANG', value: 'C' }];
  const blocked = noEnvNames(options);
  for (const name of PASSED_BY) if (!blocked.includes(name)) set.push({ name, fromHost: name });
  // The caller's own PATH, for programs that hand work back to the host.
  return [...set, { name: 'USER_PATH', fromHost: 'PATH' }];
}

/** Names under which images find out where they run; both prefixes, as recorded from the original. */
function containerVariables({ action, options, container, isInstance }: EnvironmentRequest): Variable[] {
  const { app, shell } = options;
  const both: [string, Source][] = [
    ['BIND', container.binds],
    ['CONTAINER', container.path],
    ['ENVIRONMENT', { value: ENVIRONMENT_FILE }],
    ['NAME', container.name],
  ];
  if (options.noEval || options.compat) both.push(['NO_EVAL', { value: '1' }]);
  if (shell !== undefined && action === 'shell') both.push(['SHELL', { value: shell }]);
  if (app !== undefined) both.push(['APPNAME', { value: app }]);
  const set: Variable[] = both.flatMap(([name, source]) => [
    { name: `APPTAINER_${name}`, ...source },
    { name: `SINGULARITY_${name}`, ...source },
  ]);
  if (app === undefined) set.push({ name: 'APPTAINER_APPNAME', value: '' });
  set.push({ name: 'APPTAINER_COMMAND', value: action });
  if (isInstance) {
    set.push(
      { name: 'APPTAINER_INSTANCE', fromInstanceName: true },
      { name: 'SINGULARITY_INSTANCE', fromInstanceName: true },
    );
  }
  return set;
}
