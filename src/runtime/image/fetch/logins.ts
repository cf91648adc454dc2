/** Logins to registries: checked, stored where other programs find them too, and forgotten. */
import { RuntimeError } from '../../../errors';
import {
  type Credentials,
  credentialKey,
  helperFor,
  withCredentials,
  withoutCredentials,
} from '../../../formats/oci/docker-config';
import { credentialFile, readCredentialFile } from '../credentials/credentials';
import { eraseWithHelper, storeWithHelper } from '../credentials/credentials-helper';
import { userRemoteFile } from '../library/endpoint';
import { encodeRemotes, readRemoteFile, type StoredLogin, writePrivateFile } from '../library/remote-file';
import { transportFor } from '../oci/endpoints';
import { Registry } from '../oci/registry';
import type { HttpClient } from '../transfer/http';

type Environment = Readonly<Record<string, string | undefined>>;

export interface LoginPlace {
  env: Environment;
  /** `--authfile`. */
  authFile?: string;
  /** `--config`: another remote.yaml. */
  remoteFile?: string;
}

/**
 * The host that a URI of a registry names.
 * @throws RuntimeError OPTION
 */
export function registryOf(uri: string): string {
  const host = /^(?:docker|oras):\/\/([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?\/?$/.exec(uri);
  if (host) return `${host[1]}${host[2] ?? ''}`;
  throw new RuntimeError('OPTION', `"${uri}" names no registry`, {
    path: uri,
    hint: 'write docker://HOST[:PORT] or oras://HOST[:PORT]',
  });
}

/**
 * Asks the registry whether user and password are right, and remembers them.
 * @returns the files that hold them now
 * @throws RuntimeError REGISTRY when they are wrong; NETWORK, CONFIG
 */
export async function login(
  uri: string,
  credentials: Credentials,
  client: HttpClient,
  place: LoginPlace,
): Promise<string[]> {
  const registry = registryOf(uri);
  const transport = transportFor(registry, false, true);
  const asked = new Registry({ client, registry, transport, credentials: async () => credentials });
  await asked.checkLogin().catch((error: unknown) => {
    throw wrongLogin(error) ?? error;
  });
  const path = credentialFile(place.env, place.authFile);
  const config = readCredentialFile(path);
  const helper = helperFor(config, registry);
  if (helper !== undefined) await storeWithHelper(helper, credentialKey(registry), credentials, place.env);
  else writePrivateFile(path, `${JSON.stringify(withCredentials(config, registry, credentials), undefined, '\t')}\n`);
  // That there is a login, for `registry list`; the secret is where Docker's programs look for it, and nowhere else.
  const stored: StoredLogin = { uri: plainUri(uri), insecure: false };
  const remotes = changeLogins(place, (logins) => [...othersThan(uri, logins), stored]);
  return [helper === undefined ? path : `docker-credential-${helper}`, remotes];
}

/** The usual reason why a registry or its token service refuses. */
function wrongLogin(error: unknown): RuntimeError | undefined {
  if (!(error instanceof RuntimeError) || !/\b(unauthorized|denied)\b/.test(error.message)) return undefined;
  return new RuntimeError('REGISTRY', `wrong user name or password: ${error.message}`, {
    path: error.path,
    cause: error,
    hint: 'many registries want a token in the place of the password',
  });
}

/** Forgets a login. @returns where it was; empty when there was none. @throws RuntimeError CONFIG */
export async function logout(uri: string, place: LoginPlace): Promise<string[]> {
  const registry = registryOf(uri);
  const path = credentialFile(place.env, place.authFile);
  const config = readCredentialFile(path);
  const helper = helperFor(config, registry);
  const rest = withoutCredentials(config, registry);
  if (rest) writePrivateFile(path, `${JSON.stringify(rest, undefined, '\t')}\n`);
  if (helper !== undefined) await eraseWithHelper(helper, credentialKey(registry), place.env);
  const logins = storedLogins(place);
  const known = othersThan(uri, logins).length < logins.length;
  if (known) changeLogins(place, (stored) => othersThan(uri, stored));
  return [...(rest ? [path] : []), ...(helper !== undefined && known ? [`docker-credential-${helper}`] : [])];
}

/** `docker://HOST` and `docker://HOST/` are one login. */
function plainUri(uri: string): string {
  return uri.replace(/\/$/, '');
}

function othersThan(uri: string, logins: StoredLogin[]): StoredLogin[] {
  return logins.filter((other) => plainUri(other.uri) !== plainUri(uri));
}

/** What `registry list` shows. @throws RuntimeError CONFIG */
export function storedLogins({ env, remoteFile }: LoginPlace): StoredLogin[] {
  return readRemoteFile(remoteFile ?? userRemoteFile(env)).logins;
}

function changeLogins(place: LoginPlace, change: (logins: StoredLogin[]) => StoredLogin[]): string {
  const path = place.remoteFile ?? userRemoteFile(place.env);
  const file = readRemoteFile(path);
  writePrivateFile(path, encodeRemotes({ ...file, logins: change(file.logins) }));
  return path;
}
