/** Where what can be made again is kept: unpacked images. */
import { RuntimeError } from '../errors';
import type { NativeAddon } from '../native';
import { constants } from '../observed-fs';
import { mayAccess } from './access';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `$DAVIT_CACHEDIR`; else a directory of ours in `$APPTAINER_CACHEDIR` or `$SINGULARITY_CACHEDIR`; else ~/.cache/davit;
 * else, without a home that can be written to, /var/tmp/davit-UID, which is made (0700) and checked.
 * @throws RuntimeError STATE when the last one is not the caller's own
 */
export function cacheDirectory(env: Environment, uid: number, addon: Pick<NativeAddon, 'ensureStateDir'>): string {
  if (isSet(env.DAVIT_CACHEDIR)) return env.DAVIT_CACHEDIR;
  const shared = [env.APPTAINER_CACHEDIR, env.SINGULARITY_CACHEDIR].find(isSet);
  if (shared !== undefined) return `${shared}/davit`;
  const home = env.HOME;
  if (isSet(home) && home.startsWith('/') && mayAccess(home, constants.W_OK | constants.X_OK))
    return `${home}/.cache/davit`;
  const path = `/var/tmp/davit-${uid}`;
  const problem = addon.ensureStateDir(path);
  if (problem === null) return path;
  throw new RuntimeError('STATE', `use the cache directory "${path}": ${problem.message}`, {
    path,
    errno: problem.errno,
    hint: 'DAVIT_CACHEDIR names another place for it',
  });
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== '';
}
