/** Fetching images on the command line: flags and configuration in, messages and progress out. */
import { native } from '../../native';
import { cacheDirectory } from '../../runtime/cache-directory';
import { loadConfig } from '../../runtime/config/config';
import { Fetcher } from '../../runtime/image/fetch/fetch';
import { prefixed } from '../../runtime/image/prefixed';
import type { FetchOptions } from '../../runtime/image/source/source';
import { HttpClient } from '../../runtime/image/transfer/http';
import { withoutLogin } from '../../runtime/image/uri';
import type { CommandContext } from '../command-line/command';
import type { Options } from '../command-line/parse';
import { version } from '../command-line/version';
import { Progress } from '../terminal/progress';
import type { Terminal } from '../terminal/render';

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
    reproducible: options.flag('reproducible'),
  };
}

/** An image for a launch. */
export interface LaunchImage {
  path: string;
  /** It lies in a directory of its own, which is to be removed with it. */
  isTemporary: boolean;
  /** Removes a temporary image, for whoever does not launch it. */
  remove(): void;
}

/** Fetches an image into the cache or, where there is none, into a temporary directory. @throws RuntimeError */
export async function fetchForLaunch(reference: string, context: CommandContext): Promise<LaunchImage> {
  const fetcher = await openFetcher(context);
  try {
    const { path, isTemporary } = await fetcher.toFile(await fetcher.locate(reference));
    if (isTemporary) fetcher.keepOnly(path);
    else fetcher.close();
    return { path, isTemporary, remove: () => fetcher.close() };
  } catch (error) {
    fetcher.close();
    throw prefixed(error, `Unable to handle ${withoutLogin(reference)} uri`);
  }
}

/** `--docker-login`: who we are, asked before anything is fetched. */
async function askLogin(terminal: Terminal): Promise<Pick<FetchOptions, 'dockerUsername' | 'dockerPassword'>> {
  const { askLine, askSecret } = await import('../terminal/prompt');
  const dockerUsername = askLine(terminal, 'Enter Docker Username: ') ?? '';
  return { dockerUsername, dockerPassword: await askSecret(terminal, 'Enter Docker Password: ') };
}

/** A client for commands that fetch no image. Close it at the end. */
export function openClient(context: Pick<CommandContext, 'options' | 'env' | 'terminal'>): HttpClient {
  const { options, env, terminal } = context;
  const file = options.text('config');
  const { config } = loadConfig({ env, ...(file === undefined ? {} : { file }) });
  const trust = config.registryCaFile === '' ? {} : { caFile: config.registryCaFile };
  return new HttpClient({ env, version: version(), trust, onRetry: (text) => terminal.verbose(text) });
}

/**
 * A Fetcher that tells what it does on the terminal. Close it at the end.
 * @param changes beat the command's options
 */
export async function openFetcher(
  context: Pick<CommandContext, 'options' | 'env' | 'terminal'>,
  changes: FetchOptions = {},
  progress = Progress.for(context.terminal, context.options.flag('jsonProgress')),
): Promise<Fetcher> {
  const { options, env, terminal } = context;
  const file = options.text('config');
  const { config, warnings } = loadConfig({ env, ...(file === undefined ? {} : { file }) });
  for (const text of warnings) terminal.warning(text);
  return new Fetcher({
    env,
    options: {
      ...fetchOptions(options, env),
      ...changes,
      ...(options.flag('dockerLogin') ? await askLogin(terminal) : undefined),
    },
    settings: config,
    version: version(),
    cacheDirectory: () => cacheDirectory(env, process.getuid?.() ?? 0, native()),
    tryLock: (path) => native().tryLockFile(path),
    convert: async (request) => (await import('../../runtime/build/packing/oci-sif')).writeOciSif(request),
    onInfo: (text) => progress.around(() => terminal.info(text)),
    onWarning: (text) => progress.around(() => terminal.warning(text)),
    onVerbose: (text) => progress.around(() => terminal.verbose(text)),
    onProgress: progress.onProgress,
  });
}
