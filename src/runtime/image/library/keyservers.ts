/** Key servers of endpoints, as remote.yaml has them (formats.md section 17.5). */
import { RuntimeError } from '../../../errors';
import { isObject, optionalString } from '../../../formats/oci/json';
import type { HttpClient } from '../transfer/http';
import { services } from './endpoint';
import type { Remote } from './remote-file';

export interface Keyserver {
  uri: string;
  /** The endpoint's own, and not wanted. */
  skip: boolean;
  /** Not the endpoint's own. */
  external: boolean;
  insecure: boolean;
}

/** Those of an endpoint, in their order: the ones it was given, else its own. @throws RuntimeError when it must be asked */
export async function keyserversOf(remote: Remote, client: HttpClient): Promise<Keyserver[]> {
  const listed = Array.isArray(remote.keyservers) ? remote.keyservers.filter(isObject) : [];
  if (listed.length > 0) {
    return listed.map(({ URI, Skip, External, Insecure }) => ({
      uri: optionalString(URI) ?? '',
      skip: Skip === true,
      external: External === true,
      insecure: Insecure === true,
    }));
  }
  const uri = (await services(remote, { client })).get('keystoreAPI');
  if (uri === undefined)
    throw new RuntimeError('REGISTRY', 'keyserver is not a service at endpoint', { path: remote.uri });
  return [{ uri, skip: false, external: false, insecure: false }];
}

export function encodeKeyservers(list: readonly Keyserver[]): object[] {
  return list.map(({ uri, skip, external, insecure }) => ({
    URI: uri,
    Skip: skip,
    External: external,
    Insecure: insecure,
  }));
}

/** @param order its place, 1 for the first; the last when absent @throws RuntimeError CONFIG */
export function withKeyserver(list: readonly Keyserver[], uri: string, order?: number, insecure = false): Keyserver[] {
  const used = list.filter(({ skip }) => !skip);
  const place = order ?? used.length + 1;
  if (place < 1 || place > used.length + 1) {
    throw new RuntimeError('CONFIG', `order is out of range: maximum is ${used.length + 1}`, { path: '--order' });
  }
  const known = list.find((keyserver) => same(keyserver.uri, uri));
  if (known && (known.external || !known.skip)) {
    throw new RuntimeError('CONFIG', `${uri} is already configured`, { path: uri });
  }
  const added = known ? { ...known, skip: false } : { uri, skip: false, external: true, insecure };
  const rest = list.filter((keyserver) => keyserver !== known);
  return [...rest.slice(0, place - 1), added, ...rest.slice(place - 1)];
}

/** @throws RuntimeError CONFIG for one that is not there, and for the last one */
export function withoutKeyserver(list: readonly Keyserver[], uri: string): Keyserver[] {
  const found = list.find((keyserver) => same(keyserver.uri, uri) && !keyserver.skip);
  if (!found) throw new RuntimeError('CONFIG', `keyserver ${uri} is not configured`, { path: uri });
  if (list.filter(({ skip }) => !skip).length === 1) {
    throw new RuntimeError('CONFIG', `the primary keyserver ${uri} can't be removed`, { path: uri });
  }
  if (found.external) return list.filter((keyserver) => keyserver !== found);
  return list.map((keyserver) => (keyserver === found ? { ...keyserver, skip: true } : keyserver));
}

/** @throws RuntimeError CONFIG */
export function checkKeyserverUri(uri: string): void {
  if (/^(https?|hkps?):\/\/[^/]/.test(uri) && URL.canParse(uri)) return;
  throw new RuntimeError('CONFIG', `"${uri}" is no address of a key server`, { hint: 'write https://HOST', path: uri });
}

function same(left: string, right: string): boolean {
  const plain = (uri: string): string => uri.replace(/^hkp/, 'http').replace(/\/+$/, '').toLowerCase();
  return plain(left) === plain(right);
}
