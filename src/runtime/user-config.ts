/** Where a user's own settings lie: those of Apptainer, which davit shares, so that a login need not be made twice. */
import { homedir } from 'node:os';

type Environment = Readonly<Record<string, string | undefined>>;

/** `$DAVIT_CONFIGDIR`, `$APPTAINER_CONFIGDIR` or `$SINGULARITY_CONFIGDIR`; else ~/.apptainer. */
export function userConfigDirectory(env: Environment): string {
  const named = [env.DAVIT_CONFIGDIR, env.APPTAINER_CONFIGDIR, env.SINGULARITY_CONFIGDIR].find(isSet);
  return named ?? `${homeDirectory(env)}/.apptainer`;
}

/** Docker's own directory: `$DOCKER_CONFIG`, else ~/.docker. */
export function dockerConfigDirectory(env: Environment): string {
  return isSet(env.DOCKER_CONFIG) ? env.DOCKER_CONFIG : `${homeDirectory(env)}/.docker`;
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
