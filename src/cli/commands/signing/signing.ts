/** What the commands about keys and signatures share. */
import { RuntimeError } from '../../../errors';
import { loadConfig } from '../../../runtime/config/config';
import { prefixed } from '../../../runtime/image/prefixed';
import { HttpClient } from '../../../runtime/image/transfer/http';
import {
  KEY_SERVER_TIMEOUT_MS,
  KeyServerClient,
  KeyServerRefusal,
  keyServers,
} from '../../../runtime/signing/key-server';
import {
  type Keyring,
  keysDirectory,
  prepareKeyrings,
  siteKeyring,
  userKeyrings,
} from '../../../runtime/signing/keyring';
import type { Key } from '../../../runtime/signing/openpgp';
import type { CommandContext } from '../../command-line/command';
import { version } from '../../command-line/version';
import { formatHint } from '../../terminal/render';

/** Exit codes of the `key` commands. */
export const KEY_FAILED = 2;
export const EXPORT_FAILED = 10;

export function ownKeysDirectory({ options, env }: CommandContext): string {
  return options.text('keysdir') ?? keysDirectory(env);
}

/** The keyring of public keys that --global and --keysdir choose. */
export function publicKeyring(context: CommandContext): Keyring {
  return context.options.flag('global') ? siteKeyring() : userKeyrings(ownKeysDirectory(context)).public;
}

/** The same, to be written to: a user's is made where it is not there. */
export function writableKeyring(context: CommandContext): Keyring {
  return context.options.flag('global') ? siteKeyring() : preparedKeyrings(context).public;
}

/** A user's keyrings, made where they are not there, private. @throws RuntimeError KEY */
export function preparedKeyrings(context: CommandContext): { public: Keyring; secret: Keyring } {
  const directory = ownKeysDirectory(context);
  prepareKeyrings(directory, (text) => context.terminal.warning(text));
  return userKeyrings(directory);
}

export interface OpenKeyServer {
  server: () => Promise<KeyServerClient>;
  close(): void;
}

/** The key server of --url or of the configuration, found when it is first asked. Close it. */
export function openKeyServer({ options, env, terminal }: CommandContext): OpenKeyServer {
  const { config } = loadConfig({ env });
  const client = new HttpClient({
    env,
    version: version(),
    trust: config.registryCaFile === '' ? {} : { caFile: config.registryCaFile },
    connectTimeoutMs: KEY_SERVER_TIMEOUT_MS,
    silenceTimeoutMs: KEY_SERVER_TIMEOUT_MS,
    onRetry: (text) => terminal.verbose(text),
  });
  let found: Promise<KeyServerClient> | undefined;
  const server = (): Promise<KeyServerClient> => {
    found ??= keyServers(options.text('url'), env, client).then((servers) => new KeyServerClient(servers, client));
    return found;
  };
  return { server, close: () => client.close() };
}

/** The reference ends these commands with ERROR, not FATAL, and codes of their own. */
export async function orFail(
  { terminal }: CommandContext,
  words: string,
  exitCode: number,
  deed: () => Promise<void>,
): Promise<number> {
  try {
    await deed();
    return 0;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const hint = error.hint === undefined ? '' : formatHint(error.hint);
    terminal.error(`${words}: ${error.message}${hint}`);
    return exitCode;
  }
}

/** Uploads a public key. @throws RuntimeError KEY, NETWORK */
export async function pushKey(key: Key, server: KeyServerClient, { terminal }: CommandContext): Promise<void> {
  const answer = await server.add(key.armor()).catch((error: unknown) => {
    if (error instanceof KeyServerRefusal && error.status === 401) {
      throw new RuntimeError('KEY', 'unauthorized or missing token');
    }
    throw prefixed(error, 'key server did not accept PGP key');
  });
  if (answer !== '') terminal.info(`Key server response: ${answer.trimEnd()}`);
}

/** What a server said, in words. */
export function serverWords(error: unknown, notFound: string): unknown {
  if (!(error instanceof KeyServerRefusal)) return prefixed(error, 'failed to get key');
  if (error.status === 404) return new RuntimeError('KEY', notFound);
  return error.status === 401
    ? new RuntimeError('KEY', 'unauthorized or missing token')
    : prefixed(error, 'failed to get key');
}
