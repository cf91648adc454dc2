/** A token service for docker-registry (distribution, "Token Authentication Specification"). */
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Certificates } from './certificates';
import { PASSWORD, USER } from './registry';

export const SERVICE = 'registry.test';
export const ISSUER = 'issuer.test';

const LIFE_S = 300;
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

export interface TokenServer {
  realm: string;
  /** Query and Authorization of each request. */
  asked: { scopes: string[]; authorization?: string }[];
  close(): void;
}

/** Everybody may pull from `public/`; USER with PASSWORD may do everything. */
export async function startTokenServer(certificates: Certificates): Promise<TokenServer> {
  const asked: TokenServer['asked'] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const scopes = new URL(request.url ?? '', 'http://x').searchParams.getAll('scope');
    const { authorization } = request.headers;
    asked.push({ scopes, authorization });
    if (authorization !== undefined && authorization !== BASIC) {
      response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}');
      return;
    }
    const access = scopes.map(decodeScope).filter(({ name }) => authorization === BASIC || name.startsWith('public/'));
    response.end(JSON.stringify({ token: tokenFor(access, certificates) }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { realm: `http://127.0.0.1:${port}/token`, asked, close: () => server.close() };
}

function decodeScope(scope: string): { type: string; name: string; actions: string[] } {
  const [type = '', name = '', actions = ''] = scope.split(':');
  return { type, name, actions: actions.split(',') };
}

/** A JSON web token with the certificate that signs it; docker-registry knows its authority. */
function tokenFor(access: object[], { cert, key }: Certificates): string {
  const now = Math.floor(Date.now() / 1000);
  const der = cert.replace(/-----[A-Z ]+-----|\s/g, '');
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = {
    iss: ISSUER,
    sub: '',
    aud: SERVICE,
    exp: now + LIFE_S,
    nbf: now - 1,
    iat: now,
    jti: randomUUID(),
    access,
  };
  const text = `${encode({ typ: 'JWT', alg: 'ES256', x5c: [der] })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key: createPrivateKey(key), dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
