/** How a request to a registry gets its Authorization header: basic, or a token from the service the registry names. */
import { RuntimeError } from '../../../errors';
import { type Challenge, parseChallenges } from '../../../formats/oci/authenticate';
import type { Credentials } from '../../../formats/oci/docker-config';
import { parseObject } from '../../../formats/oci/json';
import { type Answer, requestAll } from '../transfer/answer';
import type { HttpClient } from '../transfer/http';
import type { HttpRequest } from '../transfer/message';
import { shownUrl } from '../transfer/wording';
import { registryError } from './registry-error';

const MAX_TOKEN_BYTES = 1 << 20;

export interface TokenRequest {
  client: HttpClient;
  /** The value of WWW-Authenticate. */
  header: string;
  /** The server that sent it. */
  origin: URL;
  credentials: Credentials | undefined;
  /** Asked for when the challenge does not name one, such as `repository:a/b:pull`. */
  scope: string;
  /** Plain http is allowed. */
  insecure: boolean;
  signal?: AbortSignal;
}

/**
 * The Authorization header that answers a challenge; `undefined` when it asks for credentials and there are none.
 * @throws RuntimeError NETWORK, REGISTRY
 */
export async function answerChallenge(request: TokenRequest): Promise<string | undefined> {
  const challenges = parseChallenges(request.header);
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.realm !== undefined);
  if (bearer) return await fetchToken(request, bearer);
  if (!challenges.some(({ scheme }) => scheme === 'basic')) {
    throw new RuntimeError('REGISTRY', `"${request.origin.host}" asks for a way to log in that davit does not have`, {
      path: request.origin.host,
    });
  }
  return request.credentials && basic(request.credentials);
}

export function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The protocol of Docker's token service (distribution, "Token Authentication Specification"). */
async function fetchToken(request: TokenRequest, { parameters }: Challenge): Promise<string> {
  const { client, credentials, insecure, signal } = request;
  const url = tokenUrl(request, parameters.realm as string);
  const asked = { service: parameters.service, scope: parameters.scope ?? request.scope };
  const token = credentials?.identityToken;
  const asking = token === undefined ? plain(url, asked, credentials) : refresh(url, asked, token);
  const answer = await requestAll(client, { ...asking, insecure, signal }, MAX_TOKEN_BYTES);
  if (answer.status !== 200) throw registryError(answer, `ask "${shownUrl(url)}" for a token`);
  return `Bearer ${readToken(answer, url)}`;
}

function tokenUrl({ origin, insecure, credentials }: TokenRequest, realm: string): URL {
  if (!URL.canParse(realm, origin.href)) throw new RuntimeError('REGISTRY', `"${origin.host}" names no token service`);
  const url = new URL(realm, origin.href);
  const plainHttp = url.protocol === 'http:' && (insecure || origin.protocol === 'http:');
  if (url.protocol !== 'https:' && !plainHttp) {
    const secret = credentials ? ', which would show the password to everybody on the way' : '';
    throw new RuntimeError('REGISTRY', `"${origin.host}" names the token service "${shownUrl(url)}"${secret}`, {
      hint: 'if that is right, use --no-https',
    });
  }
  return url;
}

interface Asked {
  service: string | undefined;
  scope: string;
}

function plain(url: URL, asked: Asked, credentials: Credentials | undefined): HttpRequest {
  const target = new URL(url);
  if (asked.service !== undefined) target.searchParams.set('service', asked.service);
  for (const scope of asked.scope.split(' ').filter(Boolean)) target.searchParams.append('scope', scope);
  if (!credentials) return { url: target, headers: {} };
  target.searchParams.set('account', credentials.username);
  return { url: target, headers: { authorization: basic(credentials) } };
}

function refresh(url: URL, { service, scope }: Asked, token: string): HttpRequest {
  const form = { grant_type: 'refresh_token', client_id: 'davit', scope, refresh_token: token };
  const body = new URLSearchParams(service === undefined ? form : { ...form, service }).toString();
  return {
    url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body,
    secretBody: true,
  };
}

function readToken(answer: Answer, url: URL): string {
  const { token, access_token } = parseObject(answer.bytes, `the token of "${shownUrl(url)}"`);
  const value = typeof token === 'string' && token !== '' ? token : access_token;
  // A header value: anything but visible characters would end it.
  if (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)) return value;
  throw new RuntimeError('REGISTRY', `"${shownUrl(url)}" answered without a token`);
}
