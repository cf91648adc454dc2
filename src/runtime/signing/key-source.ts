/** Where keys for verification come from: the site's keyring, the user's, and a key server. */
import { RuntimeError } from '../../errors';
import type { FindKeys } from './clear-sign';
import type { KeyServerClient } from './key-server';
import { keysDirectory, siteKeyring, userKeyrings } from './keyring';
import { fingerprint, type Key } from './openpgp';

export interface KeySourceOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Asked for keys that are in no keyring; absent: only the keyrings count. */
  server?: () => Promise<KeyServerClient>;
  onWarning: (text: string) => void;
}

export interface KeySource {
  findKeys: FindKeys;
  /** In whose keyring a key is. */
  origin(key: Key): 'global' | 'local' | 'remote';
}

/** @throws RuntimeError KEY when a keyring cannot be read */
export async function openKeySource({ env, server, onWarning }: KeySourceOptions): Promise<KeySource> {
  const site = await siteKeyring().load();
  const user = await userKeyrings(keysDirectory(env)).public.load();
  const remote = new Map<string, Key[]>();
  const ask = async (id: string): Promise<Key[]> => {
    if (!server) return [];
    const known = remote.get(id);
    if (known) return known;
    const found = withId(await askServer(server, id, onWarning), id);
    remote.set(id, found);
    return found;
  };
  return {
    findKeys: async (id) => [withId(site, id), withId(user, id)].find((keys) => keys.length > 0) ?? (await ask(id)),
    origin: (key) => (includes(site, key) ? 'global' : includes(user, key) ? 'local' : 'remote'),
  };
}

/** A server that does not answer is a warning: without the key, the signature is refused. */
async function askServer(
  server: () => Promise<KeyServerClient>,
  id: string,
  onWarning: (text: string) => void,
): Promise<Key[]> {
  try {
    return await (await server()).get(id);
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code === 'CONFIG') throw error;
    onWarning(`failed to get key material: ${error.message}`);
    return [];
  }
}

function withId(keys: readonly Key[], id: string): Key[] {
  return keys.filter((key) => key.getKeys().some((one) => one.getKeyID().toHex().toUpperCase() === id));
}

function includes(keys: readonly Key[], key: Key): boolean {
  return keys.some((other) => fingerprint(other) === fingerprint(key));
}
