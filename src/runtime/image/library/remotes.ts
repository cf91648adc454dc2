/** Changes to the list of endpoints: the user's file, or the site's. */
import { RuntimeError } from '../../../errors';
import { loadRemotes, siteRemoteFile, userRemoteFile } from './endpoint';
import {
  encodeRemotes,
  mergeRemotes,
  readRemoteFile,
  type Remote,
  type RemoteFile,
  writePrivateFile,
} from './remote-file';

export interface RemotePlace {
  env: Readonly<Record<string, string | undefined>>;
  /** `--config`. */
  file?: string;
  /** The site's file, for all users. */
  global?: boolean;
}

const PUBLIC = 0o644;
const PRIVATE = 0o600;

export function remotePath({ env, file, global }: RemotePlace): string {
  return file ?? (global ? siteRemoteFile() : userRemoteFile(env));
}

/** What is in force: of a file that was named, that and the site's. @throws RuntimeError CONFIG */
export function remotesOf({ env, file }: RemotePlace): RemoteFile {
  if (file === undefined) return loadRemotes(env);
  return mergeRemotes(readRemoteFile(file), readRemoteFile(siteRemoteFile()));
}

/** @param name the active one's when absent @throws RuntimeError CONFIG when there is none of that name */
export function findRemote(place: RemotePlace, name?: string): { name: string; remote: Remote } {
  const { active, remotes } = remotesOf(place);
  const found = name ?? active ?? '';
  if (found === '') throw new RuntimeError('CONFIG', 'no default remote', { hint: 'choose one by "davit remote use"' });
  const remote = remotes.get(found);
  if (!remote) throw notRemote(found);
  return { name: found, remote };
}

/** Adds an endpoint. @param makeActive it is the one that is asked from now on @throws RuntimeError CONFIG */
export function addRemote(place: RemotePlace, name: string, remote: Remote, makeActive: boolean): void {
  if (name.trim() === '') throw new RuntimeError('CONFIG', 'invalid name: cannot have empty name');
  const known = place.global ? readRemoteFile(remotePath(place)) : remotesOf(place);
  if (known.remotes.has(name)) throw new RuntimeError('CONFIG', `${name} is already a remote`, { path: name });
  change(place, (file) => {
    file.remotes.set(name, { ...remote, system: place.global ?? false });
    if (makeActive) file.active = name;
  });
}

/** @throws RuntimeError CONFIG when there is none of that name, or it is the site's */
export function removeRemote(place: RemotePlace, name: string): void {
  const remote = place.global
    ? readRemoteFile(remotePath(place)).remotes.get(name)
    : remotesOf(place).remotes.get(name);
  if (!remote) throw notRemote(name);
  if (remote.system && !place.global) {
    throw new RuntimeError('CONFIG', `${name} is global and can't be removed`, { path: name });
  }
  change(place, (file) => {
    file.remotes.delete(name);
    if (file.active === name) file.active = undefined;
  });
}

/** Makes an endpoint the one that is asked. @param exclusive no user may choose another @throws RuntimeError CONFIG */
export function useRemote(place: RemotePlace, name: string, exclusive: boolean): void {
  const { remotes } = place.global ? readRemoteFile(remotePath(place)) : remotesOf(place);
  if (!remotes.has(name)) throw notRemote(name);
  const forced = [...remotes].find(([other, remote]) => remote.exclusive && other !== name)?.[0];
  if (forced !== undefined && !place.global) {
    const message = `could not use ${name}: remote ${forced} has been set exclusive by the system administrator`;
    throw new RuntimeError('CONFIG', message, { path: name });
  }
  change(place, (file) => {
    file.active = name;
    if (!place.global) return;
    for (const [other, remote] of file.remotes) remote.exclusive = exclusive && other === name;
  });
}

/** Remembers a token, or forgets it; those of the site's endpoints lie in the user's file, too. */
export function setToken(place: RemotePlace, name: string, token: string | undefined): void {
  const { remote } = findRemote(place, name);
  change(place, (file) => {
    const { token: _old, ...rest } = file.remotes.get(name) ?? remote;
    file.remotes.set(name, token === undefined ? rest : { ...rest, token });
  });
}

/** Rewrites a file. @throws RuntimeError CONFIG */
export function change(place: RemotePlace, edit: (file: RemoteFile) => void): void {
  const path = remotePath(place);
  const file = readRemoteFile(path);
  edit(file);
  writePrivateFile(path, encodeRemotes(file), place.global ? PUBLIC : PRIVATE);
}

/** `http://host/` → host; whether it was plain http. @throws RuntimeError CONFIG */
export function endpointUri(text: string): { uri: string; scheme?: 'http' | 'https' } {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*?)\/*$/.exec(text) ?? [];
  if (rest === '' || !URL.canParse(`https://${rest}`)) {
    throw new RuntimeError('CONFIG', `"${text}" is no address of an endpoint`, { path: text });
  }
  const uri = rest.slice(rest.indexOf('@') + 1);
  return { uri, ...(scheme === undefined ? {} : { scheme: scheme as 'http' | 'https' }) };
}

function notRemote(name: string): RuntimeError {
  return new RuntimeError('CONFIG', `${name} is not a remote`, {
    path: name,
    hint: 'davit remote list shows those there are',
  });
}
