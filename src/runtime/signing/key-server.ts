/** Key servers by HKP (draft-gallagher-openpgp-hkp): which ones are asked, and what they are asked. */
import { RuntimeError } from '../../errors';
import { isObject } from '../../formats/oci/json';
import { loadRemotes, services } from '../image/library/endpoint';
import type { Remote, StoredLogin } from '../image/library/remote-file';
import { requestAll } from '../image/transfer/answer';
import type { HttpClient } from '../image/transfer/http';
import { shownUrl } from '../image/transfer/wording';
import { type Key, readKeys } from './openpgp';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where keys are looked for when nobody says otherwise. */
export const DEFAULT_KEY_SERVER = 'https://keys.openpgp.org';
const HKP_PORT = '11371';
const MAX_BYTES = 8 << 20;
/** Of the reference: a key server that does not answer is soon given up. */
export const KEY_SERVER_TIMEOUT_MS = 5000;

export interface KeyServer {
  url: URL;
  /** The header `Authorization`. */
  auth?: string;
  /** Certificates are not checked. */
  insecure: boolean;
}

/** `http`, `https`, `hkp` (port 11371) and `hkps`. @throws RuntimeError CONFIG */
export function keyServerUrl(text: string): URL {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/.exec(text) ?? [];
  const web = { http: 'http', https: 'https', hkp: 'http', hkps: 'https' }[scheme];
  if (web === undefined || !URL.canParse(`${web}://${rest}`)) {
    throw new RuntimeError('CONFIG', `unsupported protocol scheme ${scheme}`, {
      path: text,
      hint: 'a key server is named for example https://keys.openpgp.org or hkp://HOST',
    });
  }
  const url = new URL(`${web}://${rest}`);
  if (scheme === 'hkp' && url.port === '' && !/:\d+(\/|$)/.test(rest)) url.port = HKP_PORT;
  return url;
}

/**
 * The servers to ask, in order: the one that was named, else those of the active remote (remote.yaml), else the one of
 * its endpoint.
 * @throws RuntimeError CONFIG
 */
export async function keyServers(
  named: string | undefined,
  env: Environment,
  client: HttpClient,
): Promise<KeyServer[]> {
  if (named !== undefined && named !== '') return [{ url: keyServerUrl(named), insecure: false }];
  const { active = '', remotes, logins } = loadRemotes(env);
  const remote = remotes.get(active);
  if (!remote) return [{ url: keyServerUrl(DEFAULT_KEY_SERVER), insecure: false }];
  const configured = serversOf(remote, logins);
  if (configured.length > 0) return configured;
  const uri = (await services(remote, { client })).get('keystoreAPI') ?? DEFAULT_KEY_SERVER;
  return [{ url: keyServerUrl(uri), insecure: false, ...bearer(remote) }];
}

function serversOf(remote: Remote, logins: readonly StoredLogin[]): KeyServer[] {
  const rows = Array.isArray(remote.keyservers) ? remote.keyservers.filter(isObject) : [];
  return rows.flatMap(({ URI: uri, Skip: skip, External: external, Insecure: insecure }): KeyServer[] => {
    if (typeof uri !== 'string' || skip === true) return [];
    const auth = logins.find((login) => login.uri.replace(/\/+$/, '') === uri.replace(/\/+$/, ''))?.auth;
    const known = external === true ? (auth === undefined ? {} : { auth }) : bearer(remote);
    return [{ url: keyServerUrl(uri), insecure: insecure === true, ...known }];
  });
}

function bearer({ token }: Remote): { auth?: string } {
  return token === undefined ? {} : { auth: `Bearer ${token}` };
}

export class KeyServerClient {
  constructor(
    private readonly servers: readonly KeyServer[],
    private readonly client: HttpClient,
  ) {}

  /** Keys by id or fingerprint, hex. @throws RuntimeError NETWORK; REGISTRY with the status */
  async get(id: string): Promise<Key[]> {
    const bytes = await this.ask({ exact: 'on', op: 'get', search: `0x${id.toLowerCase()}` });
    return await readKeys(bytes, 'the answer of the key server');
  }

  /** The machine-readable index (section 5.2 of the draft). @throws RuntimeError NETWORK, REGISTRY */
  async index(search: string): Promise<string> {
    const id = /^[0-9A-F]{8,}$/.test(search) ? `0x${search}` : search;
    const bytes = await this.ask({ fingerprint: 'on', op: 'index', options: 'mr', search: id, 'x-pagesize': '256' });
    return bytes.toString('utf8');
  }

  /** Uploads an armored public key. @returns what the server says to it @throws RuntimeError NETWORK, REGISTRY */
  async add(keyText: string): Promise<string> {
    const body = new URLSearchParams({ keytext: keyText }).toString();
    const bytes = await this.each('POST', '/pks/add', body);
    return bytes.toString('utf8');
  }

  private async ask(query: Record<string, string>): Promise<Buffer> {
    return await this.each('GET', `/pks/lookup?${new URLSearchParams(query).toString()}`);
  }

  /** The first server that has an answer; what the last one said, when none has. */
  private async each(method: 'GET' | 'POST', path: string, body?: string): Promise<Buffer> {
    let failure: unknown = new RuntimeError('CONFIG', 'no keyserver configured');
    for (const server of this.servers) {
      try {
        return await this.send(server, method, path, body);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  private async send(
    { url: base, auth, insecure }: KeyServer,
    method: 'GET' | 'POST',
    path: string,
    body?: string,
  ): Promise<Buffer> {
    const headers = {
      ...(auth === undefined ? undefined : { authorization: auth }),
      ...(body === undefined ? undefined : { 'content-type': 'application/x-www-form-urlencoded' }),
    };
    const url = new URL(path, base);
    const answer = await requestAll(this.client, { method, url, headers, body, insecure, once: true }, MAX_BYTES);
    if (answer.status >= 200 && answer.status < 300) return answer.bytes;
    throw new KeyServerRefusal(answer.status, url);
  }
}

/** An answer that is none; 404 means that the server has no such key. */
export class KeyServerRefusal extends RuntimeError {
  constructor(
    readonly status: number,
    url: URL,
  ) {
    super('REGISTRY', `${status} ${STATUS_TEXTS[status] ?? ''}`.trim(), { path: shownUrl(url) });
  }
}

const STATUS_TEXTS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};
