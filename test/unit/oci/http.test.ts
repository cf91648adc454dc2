import { expect, test, vi } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { readAll, requestAll } from '../../../src/runtime/image/transfer/answer';
import { client, serve } from './support';

test('asks again while a server is overloaded', async () => {
  const answers = [503, 502, 200];
  const server = await serve((_, response) => response.writeHead(answers.shift() ?? 500).end('body'));
  const told: string[] = [];
  const response = await client({ onRetry: (text) => told.push(text) }).request({ url: server.url });
  expect(response.status).toBe(200);
  expect((await readAll(response, 100)).toString()).toBe('body');
  expect(told).toHaveLength(2);
  expect(told[0]).toMatch(/answered with status 503; trying again in \d+\.\d s$/);
});

test('gives the last answer back when trying again does not help', async () => {
  const server = await serve((_, response) => response.writeHead(503).end());
  expect((await client().request({ url: server.url })).status).toBe(503);
  expect(server.log).toHaveLength(4);
});

test('waits as long as Retry-After says', async () => {
  let count = 0;
  const server = await serve((_, response) => {
    count += 1;
    response.writeHead(count === 1 ? 429 : 200, count === 1 ? { 'retry-after': '1' } : {}).end();
  });
  const start = Date.now();
  expect((await client().request({ url: server.url })).status).toBe(200);
  expect(Date.now() - start).toBeGreaterThanOrEqual(950);
});

test('does not wait for a server that asks for hours', async () => {
  const server = await serve((_, response) => response.writeHead(429, { 'retry-after': '7200' }).end());
  expect((await client().request({ url: server.url })).status).toBe(429);
  expect(server.log).toHaveLength(1);
});

test('tries again after a connection that was reset', async () => {
  let count = 0;
  const server = await serve((request, response) => {
    count += 1;
    if (count < 3) request.socket.destroy();
    else response.end('at last');
  });
  expect((await requestAll(client(), { url: server.url }, 100)).bytes.toString()).toBe('at last');
});

test('many requests at once do not wait for one another', async () => {
  const count = 12;
  const waiting: (() => void)[] = [];
  const server = await serve((_, response) => {
    waiting.push(() => response.end('body'));
    if (waiting.length === count) for (const answer of waiting) answer();
  });
  const shared = client();
  const all = Array.from({ length: count }, () => requestAll(shared, { url: server.url }, 100));
  expect((await Promise.all(all)).map(({ bytes }) => bytes.toString())).toEqual(new Array(count).fill('body'));
});

test('reads again an answer that breaks off', async () => {
  let count = 0;
  const server = await serve((_, response) => {
    count += 1;
    response.writeHead(200, { 'content-length': 8 });
    if (count > 1) response.end('complete');
    else response.write('comp', () => response.destroy());
  });
  expect((await requestAll(client(), { url: server.url }, 100)).bytes.toString()).toBe('complete');
});

test('says at once that nobody listens', async () => {
  const server = await serve(() => undefined);
  await new Promise((done) => server.server.close(done));
  const onRetry = vi.fn();
  await expect(client({ onRetry }).request({ url: server.url })).rejects.toMatchObject({
    code: 'NETWORK',
    errno: 'ECONNREFUSED',
    message: `Get "http://${server.host}/": dial tcp ${server.host}: connect: connection refused`,
  });
  expect(onRetry).not.toHaveBeenCalled();
});

test('says that a server without https answered', async () => {
  const server = await serve((_, response) => response.end());
  const url = new URL(`https://${server.host}/v2/`);
  await expect(client().request({ url })).rejects.toMatchObject({
    message: `Get "https://${server.host}/v2/": http: server gave HTTP response to HTTPS client`,
    hint: expect.stringContaining('--no-https'),
  });
});

test('gives up on a server that says nothing', async () => {
  const server = await serve(() => undefined);
  const impatient = client({ silenceTimeoutMs: 100, retry: { tries: 1, baseMs: 1, capMs: 1, patienceMs: 1 } });
  await expect(impatient.request({ url: server.url })).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('no answer in time'),
  });
});

test('follows redirects, and drops what is secret at another port', async () => {
  const elsewhere = await serve((request, response) => {
    response.end(`${request.headers.authorization ?? 'nothing'} ${request.headers['x-more']}`);
  });
  const server = await serve((request, response) => {
    if (request.url === '/') response.writeHead(302, { location: '/near' }).end();
    else response.writeHead(307, { location: `${elsewhere.url}far` }).end();
  });
  const headers = { authorization: 'Bearer secret', 'x-more': 'kept' };
  const { bytes, url } = await requestAll(client(), { url: server.url, headers }, 100);
  expect(bytes.toString()).toBe('nothing kept');
  expect(url.href).toBe(`${elsewhere.url}far`);
  expect(server.requests.map(({ headers: { authorization } }) => authorization)).toEqual([
    'Bearer secret',
    'Bearer secret',
  ]);
});

test('refuses endless redirects, and redirects to other protocols', async () => {
  const server = await serve((request, response) => {
    const location = request.url === '/file' ? 'file:///etc/passwd' : '/again';
    response.writeHead(302, { location }).end();
  });
  await expect(client().request({ url: server.url })).rejects.toThrow('more than 10 redirects');
  const url = new URL('/file', server.url);
  await expect(client().request({ url })).rejects.toThrow('redirects to "file:"');
});

test('does not read more of an answer than is allowed', async () => {
  const server = await serve((_, response) => response.end(Buffer.alloc(100_000)));
  await expect(requestAll(client(), { url: server.url }, 50_000)).rejects.toMatchObject({
    code: 'REGISTRY',
    message: expect.stringContaining('longer than 50000 bytes'),
  });
  expect(server.log).toHaveLength(1);
});

test('ends at once when it is cancelled', async () => {
  const controller = new AbortController();
  const reason = new RuntimeError('NETWORK', 'cancelled by the test');
  const server = await serve(() => controller.abort(reason));
  await expect(client().request({ url: server.url, signal: controller.signal })).rejects.toBe(reason);
  await expect(client().request({ url: server.url, signal: controller.signal })).rejects.toBe(reason);
  expect(server.log).toHaveLength(1);
});

test('cancels a pause between tries', async () => {
  const server = await serve((_, response) => response.writeHead(503).end());
  const retry = { tries: 3, baseMs: 60_000, capMs: 60_000, patienceMs: 1 };
  const reason = new Error('enough');
  await expect(client({ retry }).request({ url: server.url, signal: AbortSignal.timeout(100) })).rejects.toThrow();
  await expect(client({ retry }).request({ url: server.url, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('asks a proxy for plain http by the whole URL, with its password', async () => {
  const proxy = await serve((request, response) => {
    response.end(`${request.headers.host} ${request.headers['proxy-authorization']}`);
  });
  const env = { http_proxy: `http://user:p%20w@${proxy.host}` };
  const { bytes } = await requestAll(client({ env }), { url: new URL('http://registry.test:5000/v2/?a=b') }, 100);
  expect(bytes.toString()).toBe(`registry.test:5000 Basic ${Buffer.from('user:p w').toString('base64')}`);
  expect(proxy.log).toEqual(['GET http://registry.test:5000/v2/?a=b']);
});

test('asks a proxy for a tunnel to https', async () => {
  const proxy = await serve(() => undefined);
  const asked = new Promise<string>((done) => {
    proxy.server.on('connect', (request, socket) => {
      done(request.url ?? '');
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
  });
  const env = { HTTPS_PROXY: proxy.host };
  await expect(
    client({ env, retry: { tries: 1, baseMs: 1, capMs: 1, patienceMs: 1 } }).request({
      url: new URL('https://registry.test/v2/'),
    }),
  ).rejects.toMatchObject({ code: 'NETWORK' });
  expect(await asked).toBe('registry.test:443');
});

test('names the proxy that cannot be reached, not the server behind it', async () => {
  const gone = await serve(() => undefined);
  await new Promise((done) => gone.server.close(done));
  const env = { http_proxy: `http://us%er:p%zz@${gone.host}`, https_proxy: `http://${gone.host}` };
  for (const url of ['http://registry.test/v2/', 'https://registry.test/v2/']) {
    await expect(client({ env }).request({ url: new URL(url) }), url).rejects.toMatchObject({
      code: 'NETWORK',
      errno: 'ECONNREFUSED',
      message: `Get "${url}": proxyconnect tcp: dial tcp ${gone.host}: connect: connection refused`,
      hint: `is ${gone.host} the right proxy? It is named by https_proxy and http_proxy`,
    });
  }
});
