/** What the services of an endpoint say about themselves, and about a token. */
import { RuntimeError } from '../../../errors';
import { isObject, optionalString, parseObject, printable } from '../../../formats/oci/json';
import { requestAll } from '../transfer/answer';
import type { HttpClient } from '../transfer/http';
import { baseUrl, services } from './endpoint';
import type { Remote } from './remote-file';

const MAX_ANSWER_BYTES = 1 << 20;
const INVALID: Record<number, string> = { 404: 'Invalid Credentials', 500: 'Internal Server Error' };

export interface ServiceStatus {
  /** `Library`. */
  name: string;
  uri: string;
  /** Absent when the service did not answer. */
  version?: string;
}

export interface Identity {
  name: string;
  email: string;
}

/** The services of an endpoint, by name. @throws RuntimeError when the endpoint does not say which it has */
export async function statusOf(remote: Remote, client: HttpClient): Promise<ServiceStatus[]> {
  const found = [...(await services(remote, { client }))].map(async ([key, uri]): Promise<ServiceStatus> => {
    const name = key.replace(/API$/, '').replace(/^keystore$/, 'keyserver');
    const version = await versionOf(uri, remote, client);
    const shown = { name: name.charAt(0).toUpperCase() + name.slice(1), uri: printable(uri) };
    return version === undefined ? shown : { ...shown, version };
  });
  return (await Promise.all(found)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function versionOf(uri: string, { insecure }: Remote, client: HttpClient): Promise<string | undefined> {
  try {
    const url = new URL('version', baseUrl(uri, insecure));
    const answer = await requestAll(client, { url, insecure, once: true }, MAX_ANSWER_BYTES);
    if (answer.status !== 200) return undefined;
    const { data } = parseObject(answer.bytes, url.href);
    return printable((isObject(data) ? optionalString(data.version) : undefined) ?? '');
  } catch {
    return undefined; // not to be reached, or something else
  }
}

/** Asks the endpoint whether a token is right. @throws RuntimeError REGISTRY when it is not; NETWORK */
export async function verifyToken(remote: Remote, token: string, client: HttpClient): Promise<void> {
  const { insecure } = remote;
  const uri = (await services(remote, { client })).get('tokenAPI');
  if (uri === undefined) throw new RuntimeError('REGISTRY', 'no authentication service found', { path: remote.uri });
  const url = new URL('v1/token-status', baseUrl(uri, insecure));
  const headers = { authorization: `Bearer ${token}` };
  const { status } = await requestAll(client, { url, headers, insecure, once: true }, MAX_ANSWER_BYTES);
  if (status === 200) return;
  throw new RuntimeError('REGISTRY', `error response from server: ${INVALID[status] ?? 'Unknown'}`, {
    path: remote.uri,
    hint: `the endpoint answers with status ${status}: get another token from it`,
  });
}

/** Who the token is for, and the password that its registry takes. @throws RuntimeError REGISTRY, NETWORK */
export async function userData(remote: Remote, client: HttpClient): Promise<Identity & { secret?: string }> {
  const { insecure, token } = remote;
  const uri = (await services(remote, { client })).get('libraryAPI');
  if (uri === undefined) throw new RuntimeError('REGISTRY', 'the endpoint has no library', { path: remote.uri });
  const url = new URL('v1/rbac/users/current', baseUrl(uri, insecure));
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await requestAll(client, { url, headers, insecure, once: true }, MAX_ANSWER_BYTES);
  if (answer.status === 401) throw new RuntimeError('REGISTRY', 'must be logged in to retrieve user data');
  if (answer.status === 404) throw new RuntimeError('REGISTRY', 'user endpoint not found');
  if (answer.status !== 200) throw new RuntimeError('REGISTRY', `status is not ok: ${answer.status}`);
  const { username, email, oidc_user_meta: meta } = parseObject(answer.bytes, url.href);
  const secret = isObject(meta) ? optionalString(meta.secret) : undefined;
  const shown = { name: printable(optionalString(username) ?? ''), email: printable(optionalString(email) ?? '') };
  return { ...shown, ...(secret === undefined ? {} : { secret }) };
}
