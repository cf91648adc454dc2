/** remote.yaml (formats.md section 17.5): endpoints of libraries, and who has logged in where. Shared with Apptainer. */
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse, stringify } from 'yaml';
import { errnoOf, RuntimeError } from '../../../errors';
import { isObject, type JsonObject } from '../../../formats/oci/json';
import { makeDirectories } from '../../make-directories';
import { replaceFile } from '../replace-file';

export interface Remote {
  /** Host, or a URL. */
  uri: string;
  token?: string;
  /** Made by the site, not by the user. */
  system: boolean;
  exclusive: boolean;
  /** Plain http. */
  insecure: boolean;
  /** Kept as they are: nothing here asks them. */
  keyservers?: unknown;
}

export interface StoredLogin {
  uri: string;
  /** `Basic …` or `Bearer …`; older programs wrote it, and key servers need it. */
  auth?: string;
  insecure: boolean;
}

export interface RemoteFile {
  active?: string;
  remotes: Map<string, Remote>;
  logins: StoredLogin[];
}

/** What there is without a file: an endpoint that has a key server and no library. */
export const DEFAULT_REMOTE = 'DefaultRemote';
export const DEFAULT_URI = 'cloud.apptainer.org';
const PRIVATE = 0o600;
const MAX_BYTES = 1 << 20;

const FIELDS = {
  file: ['Active', 'Remotes', 'Credentials'],
  remote: ['URI', 'Token', 'System', 'Exclusive', 'Insecure', 'Keyservers'],
  login: ['URI', 'Auth', 'Insecure'],
};

/** Reads the file; a missing one is empty. @throws RuntimeError CONFIG */
export function readRemoteFile(path: string): RemoteFile {
  let text: string;
  try {
    if (statSync(path).size > MAX_BYTES) throw bad(path, 'it is too large');
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return { remotes: new Map(), logins: [] };
    if (cause instanceof RuntimeError) throw cause;
    throw new RuntimeError('CONFIG', `read "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
  }
  return decodeRemotes(text, path);
}

/** @throws RuntimeError CONFIG for unknown fields and values of another type */
export function decodeRemotes(text: string, path: string): RemoteFile {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw bad(path, (cause as Error).message.split('\n')[0] as string);
  }
  const file = known(value, FIELDS.file, path);
  const remotes = isObject(file.Remotes) ? Object.entries(file.Remotes) : [];
  const logins = Array.isArray(file.Credentials) ? file.Credentials : [];
  return {
    ...(typeof file.Active === 'string' && file.Active !== '' ? { active: file.Active } : undefined),
    remotes: new Map(remotes.map(([name, remote]) => [name, decodeRemote(known(remote, FIELDS.remote, path), path)])),
    logins: logins.map((login) => decodeLogin(known(login, FIELDS.login, path), path)),
  };
}

function decodeRemote(remote: JsonObject, path: string): Remote {
  const { URI: uri, Token: token, Keyservers: keyservers } = remote;
  if (typeof uri !== 'string') throw bad(path, 'a remote has no URI');
  return {
    uri,
    ...(typeof token === 'string' && token !== '' ? { token } : undefined),
    system: remote.System === true,
    exclusive: remote.Exclusive === true,
    insecure: remote.Insecure === true,
    ...(keyservers === undefined ? undefined : { keyservers }),
  };
}

function decodeLogin({ URI: uri, Auth: auth, Insecure: insecure }: JsonObject, path: string): StoredLogin {
  if (typeof uri !== 'string') throw bad(path, 'a login has no URI');
  return { uri, ...(typeof auth === 'string' && auth !== '' ? { auth } : undefined), insecure: insecure === true };
}

function known(value: unknown, fields: readonly string[], path: string): JsonObject {
  if (!isObject(value)) throw bad(path, 'it has not the form of such a file');
  const other = Object.keys(value).find((name) => !fields.includes(name));
  if (other !== undefined) throw bad(path, `field ${other} not found`);
  return value;
}

function bad(path: string, what: string): RuntimeError {
  return new RuntimeError('CONFIG', `read "${path}": ${what}`, { path, hint: 'correct the file, or remove it' });
}

export function encodeRemotes({ active, remotes, logins }: RemoteFile): string {
  const entries = [...remotes].map(([name, { uri, token, system, exclusive, insecure, keyservers }]) => [
    name,
    {
      URI: uri,
      ...(token === undefined ? undefined : { Token: token }),
      System: system,
      Exclusive: exclusive,
      ...(insecure ? { Insecure: true } : undefined),
      ...(keyservers === undefined ? undefined : { Keyservers: keyservers }),
    },
  ]);
  const stored = logins.map(({ uri, auth, insecure }) => ({
    URI: uri,
    ...(auth === undefined ? undefined : { Auth: auth }),
    Insecure: insecure,
  }));
  return stringify({
    Active: active ?? '',
    Remotes: Object.fromEntries(entries),
    ...(stored.length > 0 ? { Credentials: stored } : undefined),
  });
}

/** Replaces a file, of secrets unless a mode says otherwise; never half written. @throws RuntimeError CONFIG */
export function writePrivateFile(path: string, text: string, mode = PRIVATE): void {
  try {
    makeDirectories(dirname(path), 0o700);
    replaceFile(path, text, mode);
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('CONFIG', `write "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
  }
}

/** The endpoints in force: those of the user, those of the site, and the one that is always there. */
export function mergeRemotes(user: RemoteFile, site: RemoteFile): RemoteFile {
  const fallback: Remote = { uri: DEFAULT_URI, system: true, exclusive: false, insecure: false };
  // An endpoint of the user's own beats one of the site that has its name.
  const common = [...site.remotes].filter(([name]) => user.remotes.get(name)?.system ?? true);
  const ofSite = common.map(([name, remote]): [string, Remote] => {
    const token = user.remotes.get(name)?.token;
    return [name, { ...remote, system: true, ...(token === undefined ? undefined : { token }) }];
  });
  const remotes = new Map([[DEFAULT_REMOTE, fallback], ...user.remotes, ...ofSite]);
  const exclusive = ofSite.find(([, remote]) => remote.exclusive)?.[0];
  return { active: exclusive ?? user.active ?? site.active ?? DEFAULT_REMOTE, remotes, logins: user.logins };
}
