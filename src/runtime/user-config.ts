/** Where a user's own settings lie: those of Apptainer, which davit shares, so that a login need not be made twice. */
import { homedir } from 'node:os';

type Environment = Readonly<Record<string, string | undefined>>;

/** `$DAVIT_CONFIGDIR`, `$APPTAINER_CONFIGDIR` or `$SINGULARITY_CONFIGDIR`; else ~/.apptainer. */
export function userConfigDirectory(env: Environment): string {
  return namedDirectory(env) ?? `${homeDirectory(env)}/.apptainer`;
}

/**
 * Where the config.json of Docker's programs is looked for: `$DOCKER_CONFIG`; else, as Apptainer does, in the directory
 * that a CONFIGDIR variable names; else ~/.docker.
 */
export function dockerConfigDirectory(env: Environment): string {
  return isSet(env.DOCKER_CONFIG) ? env.DOCKER_CONFIG : (namedDirectory(env) ?? `${homeDirectory(env)}/.docker`);
}

function namedDirectory(env: Environment): string | undefined {
  return [env.DAVIT_CONFIGDIR, env.APPTAINER_CONFIGDIR, env.SINGULARITY_CONFIGDIR].find(isSet);
}

/** `$HOME`, else what the password file says. */
export function homeDirectory(env: Environment): string {
  if (isSet(env.HOME)) return env.HOME;
  try {
    return homedir();
  } catch {
    return '/'; // a user whom the password file does not know
  }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== '';
}
