/** Which library is asked: named in the reference or by --library, else the active endpoint's, which says where it is. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { isObject, parseObject } from '../../../formats/oci/json';
import { userConfigDirectory } from '../../user-config';
import type { FetchContext } from '../source/source';
import { requestAll } from '../transfer/answer';
import { shownUrl } from '../transfer/wording';
import { DEFAULT_URI, mergeRemotes, type Remote, type RemoteFile, readRemoteFile } from './remote-file';

export interface LibraryEndpoint {
  /** With a slash at the end. */
  url: URL;
  token?: string;
  insecure: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Asking = Pick<FetchContext, 'client' | 'signal'>;

const SITE_DIRECTORIES = ['/etc/davit', '/etc/apptainer'];
const CONFIG_PATH = 'assets/config/config.prod.json';
const DEFAULT_KEYSERVER = 'https://keys.openpgp.org';
const MAX_CONFIG_BYTES = 1 << 20;

export function userRemoteFile(env: Environment): string {
  return join(userConfigDirectory(env), 'remote.yaml');
}

/** The site's file: davit's own, else Apptainer's. */
export function siteRemoteFile(directories: readonly string[] = SITE_DIRECTORIES): string {
  const paths = directories.map((directory) => join(directory, 'remote.yaml'));
  return paths.find((path) => existsSync(path)) ?? (paths[0] as string);
}

/** The endpoints in force. @throws RuntimeError CONFIG */
export function loadRemotes(env: Environment): RemoteFile {
  return mergeRemotes(readRemoteFile(userRemoteFile(env)), readRemoteFile(siteRemoteFile()));
}

/**
 * The library for a reference.
 * @param host named in the reference
 * @throws RuntimeError CONFIG when there is none; NETWORK, REGISTRY when its endpoint does not say where it is
 */
export async function libraryEndpoint(host: string | undefined, context: FetchContext): Promise<LibraryEndpoint> {
  const { env, options } = context;
  const insecure = options.noHttps ?? false;
  if (host !== undefined) return { url: baseUrl(host, insecure), token: tokenFor(host, env), insecure };
  if (options.library !== undefined) {
    const url = baseUrl(options.library, insecure);
    return { url, token: tokenFor(url.host, env), insecure: insecure || url.protocol === 'http:' };
  }
  const { active = '', remotes } = loadRemotes(env);
  const remote = remotes.get(active);
  if (!remote) throw noLibrary(`the active remote "${active}" is not configured`);
  const uri = (await services(remote, context)).get('libraryAPI');
  if (uri === undefined) throw noLibrary(`remote has no library client: "${active}" (${remote.uri}) offers none`);
  return { url: baseUrl(uri, remote.insecure), token: remote.token, insecure: remote.insecure };
}

/** What an endpoint offers: URLs by the names of the services, such as `libraryAPI`. @throws RuntimeError */
export async function services({ uri, insecure }: Remote, { client, signal }: Asking): Promise<Map<string, string>> {
  // What the endpoint that everybody has offers is known: no library, and a public key server.
  if (uri === DEFAULT_URI) return new Map([['keystoreAPI', DEFAULT_KEYSERVER]]);
  const url = new URL(CONFIG_PATH, baseUrl(uri, insecure));
  const answer = await requestAll(client, { url, signal, insecure }, MAX_CONFIG_BYTES);
  if (answer.status !== 200) {
    throw new RuntimeError('REGISTRY', `Get "${shownUrl(url)}": status ${answer.status}`, {
      path: shownUrl(url),
      hint: 'is this the endpoint of a library?',
    });
  }
  const config = parseObject(answer.bytes, `"${shownUrl(url)}"`);
  const found = Object.entries(config).flatMap(([name, service]): [string, string][] =>
    isObject(service) && typeof service.uri === 'string' ? [[name, service.uri]] : [],
  );
  return new Map(found);
}

/** A host or a URL. @throws RuntimeError CONFIG */
export function baseUrl(text: string, insecure: boolean): URL {
  const url = /^https?:\/\//.test(text) ? text : `${insecure ? 'http' : 'https'}://${text}`;
  if (!URL.canParse(url)) throw new RuntimeError('CONFIG', `"${text}" is no address of a library`, { path: text });
  return new URL(url.replace(/\/*$/, '/'));
}

/** A token is sent to the host alone that it was made for. */
function tokenFor(host: string, env: Environment): string | undefined {
  const all = [...loadRemotes(env).remotes.values()];
  return all.find(({ uri, insecure }) => baseUrl(uri, insecure).host === host)?.token;
}

function noLibrary(what: string): RuntimeError {
  return new RuntimeError('CONFIG', `Unable to get library client configuration: ${what}`, {
    hint: 'name the library: library://HOST/…, or --library URL',
  });
}
