/** What the commands about the cache share. */
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { cacheDirectory } from '../../../runtime/cache-directory';
import type { Environment } from '../../command-line/environment';

export function imageCacheDirectory(env: Environment): string {
  return cacheDirectory(env, process.getuid?.() ?? 0, native());
}

export function unknownKind(word: string): RuntimeError {
  return new RuntimeError('OPTION', `--type "${word}" is no kind of cache entries`, {
    path: '--type',
    hint: 'the kinds are library, oci, shub, blob, net, oras and all, for cache clean also plan and rootfs',
  });
}
