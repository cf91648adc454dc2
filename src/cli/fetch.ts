/** Fetching images on the command line: flags and configuration in, messages and progress out. */
import { native } from '../native';
import { cacheDirectory } from '../runtime/cache-directory';
import { loadConfig } from '../runtime/config/config';
import { Fetcher } from '../runtime/image/fetch';
import type { FetchOptions } from '../runtime/image/source';
import type { CommandContext } from './command';
import type { Options } from './parse';
import { Progress } from './progress';
import { version } from './version';

/**
 * What the flags of a command say about fetching; commands have different ones, with the same names. Three variables of
 * Docker count without a prefix, too.
 */
export function fetchOptions(options: Options, env: CommandContext['env']): FetchOptions {
  return {
    arch: options.text('arch'),
    archVariant: options.text('archVariant'),
    noHttps: options.flag('noHttps'),
    authFile: options.text('authfile'),
    dockerUsername: options.text('dockerUsername') ?? env.DOCKER_USERNAME,
    dockerPassword: options.text('dockerPassword') ?? env.DOCKER_PASSWORD,
    dockerHost: options.text('dockerHost') ?? env.DOCKER_HOST,
    library: options.text('library'),
    disableCache: options.flag('disableCache'),
    tmpDir: options.text('tmpdir'),
    compression: options.text('compression'),
  };
}

/** A Fetcher that tells what it does on the terminal. Close it at the end. */
export function openFetcher(context: Pick<CommandContext, 'options' | 'env' | 'terminal'>): Fetcher {
  const { options, env, terminal } = context;
  const file = options.text('config');
  const { config, warnings } = loadConfig({ env, ...(file === undefined ? {} : { file }) });
  for (const text of warnings) terminal.warning(text);
  const progress = Progress.for(terminal, options.flag('jsonProgress'));
  return new Fetcher({
    env,
    options: fetchOptions(options, env),
    settings: config,
    version: version(),
    cacheDirectory: () => cacheDirectory(env, process.getuid?.() ?? 0, native()),
    tryLock: (path) => native().tryLockFile(path),
    onInfo: (text) => progress.around(() => terminal.info(text)),
    onWarning: (text) => progress.around(() => terminal.warning(text)),
    onVerbose: (text) => progress.around(() => terminal.verbose(text)),
    onProgress: progress.onProgress,
  });
}
