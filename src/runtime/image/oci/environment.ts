/** `/.singularity.d/env/10-docker2singularity.sh`: the environment that an OCI image names. */
import { singleQuoted } from './quote';

/** Shells refuse to set these, or go wrong with them: bash(1), "Shell Variables". */
const SHELL_OWN = new Set([
  'BASHOPTS',
  'BASH_VERSINFO',
  'EUID',
  'GID',
  'IFS',
  'OPTIND',
  'PPID',
  'PWD',
  'SHELLOPTS',
  'UID',
]);

/**
 * The script. PATH is set in any case, everything else unless it has a value already; a name without a value is exported
 * as it is. Names that are none for shells are left out.
 * @param env each as NAME=VALUE; of several for one name the last counts
 */
export function ociEnvironment(env: readonly string[]): string {
  const lines = [...lastValues(env)].map(([name, value]) => {
    if (value === undefined) return `export ${name}\n`;
    const assignment = `${name}=${singleQuoted(value)}`;
    return name === 'PATH'
      ? `${assignment}\nexport PATH\n`
      : `[ -n "\${${name}:-}" ] || ${assignment}\nexport ${name}\n`;
  });
  return `#!/bin/sh\n# The environment that the image brings along.\n${lines.join('')}`;
}

function lastValues(env: readonly string[]): Map<string, string | undefined> {
  const values = new Map<string, string | undefined>();
  for (const entry of env) {
    const equals = entry.indexOf('=');
    const name = equals < 0 ? entry : entry.slice(0, equals);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || SHELL_OWN.has(name) || entry.includes('\0')) continue;
    values.delete(name);
    values.set(name, equals < 0 ? undefined : entry.slice(equals + 1));
  }
  return values;
}
