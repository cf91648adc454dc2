/** Docker's configuration file as far as it holds credentials: `auths`, `credHelpers`, `credsStore`. */
import { RuntimeError } from '../../errors';
import { isObject, type JsonObject, optionalString, printable, stringMap } from './json';

export interface Credentials {
  username: string;
  password: string;
  /** Instead of user and password: a refresh token for the registry's token service. */
  identityToken?: string;
}

/** The key of Docker Hub in credential files. */
const HUB_KEY = 'https://index.docker.io/v1/';

/** @throws RuntimeError CONFIG */
export function parseDockerConfig(text: string, path: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text);
    if (isObject(value)) return value;
  } catch (cause) {
    throw new RuntimeError('CONFIG', `credentials in "${path}": ${printable((cause as Error).message)}`, {
      path,
      hint: 'correct the file, or name another one with --authfile',
    });
  }
  throw new RuntimeError('CONFIG', `credentials in "${path}": no JSON object`, { path });
}

/** The key under which a registry's credentials are stored. */
export function credentialKey(registry: string): string {
  return registry === 'docker.io' ? HUB_KEY : registry;
}

/** The helper program's suffix for a registry: its own, else the store for all. */
export function helperFor(config: JsonObject, registry: string): string | undefined {
  const helpers = stringMap(config.credHelpers);
  const keys = [registry, ...(registry === 'docker.io' ? ['index.docker.io', HUB_KEY] : [])];
  for (const key of keys) if (Object.hasOwn(helpers, key)) return helpers[key];
  return optionalString(config.credsStore);
}

/**
 * Credentials that stand in the file itself. Keys are hosts, or URLs as older programs wrote them; a key with a path
 * (`host/team`) serves the repositories below it, and the longest one wins (containers-auth.json(5)).
 */
export function credentialsIn(config: JsonObject, registry: string, repository = ''): Credentials | undefined {
  const auths = isObject(config.auths) ? config.auths : {};
  const normal = new Map(Object.entries(auths).map(([key, value]) => [normalKey(key), value]));
  const parts = repository.split('/').filter((part) => part !== '');
  for (let length = parts.length; length >= 0; length--) {
    const found = decodeEntry(normal.get([registry, ...parts.slice(0, length)].join('/')));
    if (found) return found;
  }
  return undefined;
}

/** `https://index.docker.io/v1/` → `docker.io`; `https://host:5000/v2/` → `host:5000`; `host/team` stays. */
function normalKey(key: string): string {
  const isUrl = /^https?:\/\//.test(key);
  const bare = key.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const slash = bare.indexOf('/');
  const host = slash < 0 ? bare : bare.slice(0, slash);
  if (host === 'index.docker.io' || host === 'registry-1.docker.io') return 'docker.io';
  return isUrl || /\/v[12]$/.test(bare) ? host : bare;
}

function decodeEntry(entry: unknown): Credentials | undefined {
  if (!isObject(entry)) return undefined;
  const identityToken = optionalString(entry.identitytoken);
  const given = optionalString(entry.auth);
  const plain = given === undefined ? undefined : Buffer.from(given, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = plain?.indexOf(':') ?? -1;
  const username = plain !== undefined && colon >= 0 ? plain.slice(0, colon) : optionalString(entry.username);
  const password = plain !== undefined && colon >= 0 ? plain.slice(colon + 1) : optionalString(entry.password);
  if (identityToken !== undefined) return { username: username ?? '', password: password ?? '', identityToken };
  if (username === undefined || password === undefined) return undefined;
  return { username, password };
}

/** The file with credentials added; everything else in it stays. */
export function withCredentials(config: JsonObject, registry: string, { username, password }: Credentials): JsonObject {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  return { ...config, auths: { ...otherAuths(config, registry), [credentialKey(registry)]: { auth } } };
}

/** The file without a registry's credentials; `undefined` when it had none. */
export function withoutCredentials(config: JsonObject, registry: string): JsonObject | undefined {
  if (!isObject(config.auths)) return undefined;
  const rest = otherAuths(config, registry);
  return Object.keys(rest).length === Object.keys(config.auths).length ? undefined : { ...config, auths: rest };
}

function otherAuths(config: JsonObject, registry: string): JsonObject {
  const auths = isObject(config.auths) ? config.auths : {};
  return Object.fromEntries(Object.entries(auths).filter(([key]) => normalKey(key) !== registry));
}
