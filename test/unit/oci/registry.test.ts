import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { Credentials } from '../../../src/formats/oci/docker-config';
import { Registry } from '../../../src/runtime/image/oci/registry';
import { readAll } from '../../../src/runtime/image/transfer/answer';
import { client, serve, sha256, type TestServer } from './support';

const MANIFEST = JSON.stringify({ schemaVersion: 2 });
const USER: Credentials = { username: 'me', password: 'p:w' };
const BASIC = `Basic ${Buffer.from('me:p:w').toString('base64')}`;

function registry(server: TestServer, credentials?: Credentials): Registry {
  return new Registry({
    client: client(),
    registry: server.host,
    transport: 'unchecked',
    credentials: async () => credentials,
  });
}

function refuse(response: ServerResponse, status: number, challenge?: string, body: unknown = ''): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, challenge === undefined ? {} : { 'www-authenticate': challenge }).end(text);
}

test('reads a manifest and knows its digest', async () => {
  const server = await serve((_, response) => {
    response
      .writeHead(200, { 'content-type': 'application/x', 'docker-content-digest': sha256(MANIFEST) })
      .end(MANIFEST);
  });
  expect(await registry(server).manifest('team/tool', '1')).toEqual({
    bytes: Buffer.from(MANIFEST),
    digest: sha256(MANIFEST),
    contentType: 'application/x',
  });
  expect(server.log).toContain('GET /v2/team/tool/manifests/1');
  expect(server.requests.at(-1)?.headers.accept).toContain('application/vnd.oci.image.index.v1+json, ');
});

test('refuses a manifest that is not the one asked for, or announced', async () => {
  const server = await serve((_, response) => {
    response.writeHead(200, { 'docker-content-digest': sha256('other') }).end(MANIFEST);
  });
  await expect(registry(server).manifest('a', sha256('asked'))).rejects.toMatchObject({
    code: 'INTEGRITY',
    message: expect.stringContaining(`has the digest ${sha256(MANIFEST)}, not ${sha256('asked')}`),
  });
  await expect(registry(server).manifest('a', '1')).rejects.toMatchObject({ code: 'INTEGRITY' });
});

test('does not read manifests without end', async () => {
  const server = await serve((_, response) => response.end(Buffer.alloc(5 << 20, ' ')));
  await expect(registry(server).manifest('a', '1')).rejects.toMatchObject({
    code: 'REGISTRY',
    message: expect.stringContaining('longer than 4194304 bytes'),
  });
});

describe('words of a registry', () => {
  const failing = async (status: number, body: unknown, headers: Record<string, string> = {}) => {
    const server = await serve((_, response) => {
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    const promise = registry(server).manifest('t/none', 'nosuch');
    return await promise.then(
      () => expect.unreachable(),
      (error) => ({ ...error, message: error.message.replaceAll(server.host, 'HOST') }),
    );
  };

  test('manifest unknown', async () => {
    const body = { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown', detail: {} }] };
    expect(await failing(404, body)).toMatchObject({
      code: 'REGISTRY',
      message: 'reading manifest nosuch in HOST/t/none: manifest unknown',
    });
  });

  test('denied, with a way out', async () => {
    const body = { errors: [{ code: 'DENIED', message: 'requested access\u001b[31m is denied' }] };
    expect(await failing(403, body)).toMatchObject({
      message: 'reading manifest nosuch in HOST/t/none: denied: requested access [31m is denied',
      hint: expect.stringContaining('davit registry login'),
    });
  });

  test('rate limit', async () => {
    const body = { errors: [{ code: 'TOOMANYREQUESTS', message: 'You have reached your pull rate limit.' }] };
    expect(await failing(429, body, { 'retry-after': '600' })).toMatchObject({
      message: expect.stringContaining('toomanyrequests: You have reached your pull rate limit.'),
      hint: expect.stringContaining('try again in 10 min'),
    });
  });

  test.each([
    [404, '<html>', /: not found$/],
    [401, '', /: unauthorized: authentication required$/],
    [418, '[]', /: status 418$/],
    [400, { errors: [null, 7, {}] }, /: status 400$/],
  ])('%s %j', async (status, body, words) => {
    expect((await failing(status, body)).message).toMatch(words);
  });
});

describe('logging in', () => {
  /** A registry whose token service is `auth`, or itself. */
  async function tokenRegistry(options: { token?: (request: IncomingMessage) => unknown; realm?: string } = {}) {
    const server: TestServer = await serve((request, response) => {
      if (request.url?.startsWith('/token'))
        return response.end(JSON.stringify(options.token?.(request) ?? { token: 'T' }));
      if (request.headers.authorization !== 'Bearer T') {
        const realm = options.realm ?? `${server.url}token`;
        return refuse(response, 401, `Bearer realm="${realm}",service="svc",scope="repository:a/b:pull"`);
      }
      return response.end(request.url?.includes('/blobs/') ? 'blob' : MANIFEST);
    });
    return server;
  }

  test('a token without credentials', async () => {
    const server = await tokenRegistry();
    await registry(server).manifest('a/b', '1');
    expect(server.log).toEqual([
      'GET /v2/a/b/manifests/1',
      'GET /token?service=svc&scope=repository%3Aa%2Fb%3Apull',
      'GET /v2/a/b/manifests/1',
    ]);
    expect(server.requests[1]?.headers.authorization).toBeUndefined();
  });

  test('a token with credentials, once for several requests', async () => {
    const server = await tokenRegistry({
      token: (request) => ({ access_token: request.headers.authorization === BASIC ? 'T' : 'x' }),
    });
    const mine = registry(server, USER);
    await mine.manifest('a/b', '1');
    expect((await readAll(await mine.blob('a/b', sha256('blob')), 10)).toString()).toBe('blob');
    expect(server.log.filter((line) => line.includes('/token'))).toEqual([
      'GET /token?service=svc&scope=repository%3Aa%2Fb%3Apull&account=me',
    ]);
    expect(server.log).toHaveLength(4);
  });

  test('a new token when the old one has expired', async () => {
    let valid = 'T1';
    const server = await serve((request, response) => {
      if (request.url?.startsWith('/token')) return response.end(JSON.stringify({ token: valid }));
      if (request.headers.authorization === `Bearer ${valid}`) return response.end(MANIFEST);
      return refuse(
        response,
        401,
        `Bearer realm="${request.headers.host ? `http://${request.headers.host}/token` : ''}"`,
      );
    });
    const mine = registry(server);
    await mine.manifest('a/b', '1');
    valid = 'T2';
    await mine.manifest('a/b', '1');
    expect(server.log.filter((line) => line.includes('/token'))).toHaveLength(2);
  });

  test('a refresh token', async () => {
    let form = '';
    const server: TestServer = await serve(async (request, response) => {
      if (request.url === '/token') {
        for await (const chunk of request) form += chunk;
        return response.end(JSON.stringify({ access_token: 'T' }));
      }
      if (request.headers.authorization === 'Bearer T') return response.end(MANIFEST);
      return refuse(response, 401, `Bearer realm="${server.url}token",service="svc"`);
    });
    await registry(server, { username: '', password: '', identityToken: 'refresh me' }).manifest('a/b', '1');
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      grant_type: 'refresh_token',
      client_id: 'davit',
      scope: 'repository:a/b:pull',
      refresh_token: 'refresh me',
      service: 'svc',
    });
  });

  test('a refresh token is not sent to where the token service redirects', async () => {
    const elsewhere = await serve((_, response) => response.end(JSON.stringify({ access_token: 'T' })));
    const server: TestServer = await serve((request, response) => {
      if (request.url === '/token') return response.writeHead(307, { location: elsewhere.url.href }).end();
      return refuse(response, 401, `Bearer realm="${server.url}token",service="svc"`);
    });
    const asking = registry(server, { username: '', password: '', identityToken: 'refresh me' }).manifest('a/b', '1');
    await expect(asking).rejects.toThrow(`redirects what is secret to "${elsewhere.url}"`);
    expect(elsewhere.requests).toEqual([]);
  });

  test('user and password', async () => {
    const server = await serve((request, response) => {
      if (request.headers.authorization === BASIC) response.end(MANIFEST);
      else refuse(response, 401, 'Basic realm="x"');
    });
    await registry(server, USER).manifest('a/b', '1');
    await expect(registry(server).manifest('a/b', '1')).rejects.toThrow('unauthorized: authentication required');
    await expect(registry(server, { username: 'x', password: 'y' }).manifest('a/b', '1')).rejects.toMatchObject({
      code: 'REGISTRY',
      hint: expect.stringContaining('registry login'),
    });
  });

  test('gives up when the token does not help', async () => {
    const server = await tokenRegistry({ token: () => ({ token: 'wrong' }) });
    await expect(registry(server, USER).manifest('a/b', '1')).rejects.toThrow('unauthorized');
    expect(server.log).toHaveLength(3);
  });

  test.each([{}, { token: 7 }, { token: 'a\r\nx: y' }, []])('refuses %j as a token', async (token) => {
    const server = await tokenRegistry({ token: () => token });
    await expect(registry(server).manifest('a/b', '1')).rejects.toMatchObject({
      code: expect.stringMatching(/REGISTRY|IMAGE_FORMAT/),
    });
  });

  test('sends no password to a token service without https', async () => {
    const secure = new Registry({
      client: client(),
      registry: 'registry.test',
      endpoint: new URL('https://registry.test'),
      credentials: async () => USER,
    });
    const { answerChallenge } = await import('../../../src/runtime/image/oci/token');
    await expect(
      answerChallenge({
        client: client(),
        header: 'Bearer realm="http://auth.test/token"',
        origin: new URL('https://registry.test/v2/'),
        credentials: USER,
        scope: 'x',
        insecure: false,
      }),
    ).rejects.toMatchObject({ code: 'REGISTRY', message: expect.stringContaining('show the password') });
    expect(secure.name).toBe('registry.test');
  });

  test('keeps the token to itself when a blob lies elsewhere', async () => {
    const storage = await serve((request, response) => response.end(request.headers.authorization ?? 'no secret'));
    const server: TestServer = await serve((request, response) => {
      if (request.url?.startsWith('/token')) return response.end('{"token":"T"}');
      if (request.headers.authorization !== 'Bearer T')
        return refuse(response, 401, `Bearer realm="${server.url}token"`);
      return response.writeHead(307, { location: `${storage.url}x?signature=1` }).end();
    });
    const response = await registry(server).blob('a/b', sha256('blob'));
    expect((await readAll(response, 100)).toString()).toBe('no secret');
  });

  test('an unknown way to log in', async () => {
    const server = await serve((_, response) => refuse(response, 401, 'Negotiate'));
    await expect(registry(server).manifest('a/b', '1')).rejects.toThrow(
      'asks for a way to log in that davit does not have',
    );
  });
});

test('without --no-https only https will do', async () => {
  const server = await serve((_, response) => response.end());
  const strict = new Registry({ client: client(), registry: server.host });
  await expect(strict.manifest('a/b', '1')).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('server gave HTTP response to HTTPS client'),
  });
  expect(server.log).toEqual([]);
});

test('a mirror is asked in the place of the registry', async () => {
  const server = await serve((_, response) => response.end(MANIFEST));
  await new Registry({ client: client(), registry: 'docker.io', endpoint: server.url }).manifest('library/x', '1');
  expect(server.log).toEqual(['GET /v2/library/x/manifests/1']);
});
