import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DownloadRequest, download } from '../../../src/runtime/image/transfer/download';
import { rangeHeader } from '../../../src/runtime/image/transfer/range';
import type { HttpClient } from '../../../src/runtime/image/transfer/http';
import { client, noise, scratch, sendRange, serve, sha256, type TestServer } from './support';

const content = noise(300_000);

function request(server: TestServer, changes: Partial<DownloadRequest> = {}): DownloadRequest {
  const from: HttpClient = changes.client ?? client();
  return {
    client: from,
    path: join(scratch(), 'file'),
    what: 'the blob',
    sizeBytes: content.length,
    digest: sha256(content),
    open: (range) => from.request({ url: server.url, headers: rangeHeader(range), signal: changes.signal }),
    ...changes,
  };
}

test('downloads and hashes', async () => {
  const server = await serve((_, response) => response.end(content));
  const seen: [number, number | undefined][] = [];
  const job = request(server, { onBytes: (done, total) => seen.push([done, total]) });
  expect(await download(job)).toEqual({ sizeBytes: content.length, sha256: sha256(content).slice(7) });
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(statSync(job.path).mode & 0o777).toBe(0o600);
  expect(seen.at(-1)).toEqual([content.length, content.length]);
});

test('goes on where the connection broke', async () => {
  let count = 0;
  const server = await serve((incoming, response) => {
    count += 1;
    if (count > 2) return sendRange(incoming, response, content);
    const from = Number(/\d+/.exec(incoming.headers.range ?? '0')?.[0]);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': content.length - from,
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    });
    response.write(content.subarray(from, from + 90_000), () => response.destroy());
  });
  const job = request(server);
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(server.requests.map(({ headers: { range } }) => range !== undefined)).toEqual([false, true, true]);
});

test('goes on where an earlier process stopped', async () => {
  const server = await serve((incoming, response) => sendRange(incoming, response, content));
  const job = request(server);
  writeFileSync(job.path, content.subarray(0, 100_000));
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(server.requests[0]?.headers.range).toBe('bytes=100000-');
});

test('begins again when what an earlier process left is wrong', async () => {
  const server = await serve((incoming, response) => sendRange(incoming, response, content));
  const job = request(server);
  writeFileSync(job.path, Buffer.alloc(100_000));
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(server.log).toHaveLength(2);
});

test('begins again when an earlier process left too much', async () => {
  const server = await serve((incoming, response) => sendRange(incoming, response, content));
  const job = request(server);
  writeFileSync(job.path, content);
  appendFileSync(job.path, 'more');
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
});

test('asks for nothing when an earlier process had everything', async () => {
  const server = await serve((_, response) => response.writeHead(500).end());
  const job = request(server);
  writeFileSync(job.path, content);
  await download(job);
  expect(server.log).toEqual([]);
});

test('takes the whole from a server that knows no ranges', async () => {
  const server = await serve((_, response) => response.end(content));
  const job = request(server);
  writeFileSync(job.path, content.subarray(0, 100_000));
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
});

test.each([
  ['416', (response: ServerResponse) => response.writeHead(416).end()],
  [
    'another range than it was asked for',
    (response: ServerResponse) =>
      response.writeHead(206, { 'content-range': 'bytes 5-9/10', 'content-length': 0 }).end(),
  ],
])('begins again after %s', async (_, refuse) => {
  const server = await serve((incoming, response) => {
    if (incoming.headers.range === undefined) response.end(content);
    else refuse(response);
  });
  const job = request(server);
  writeFileSync(job.path, content.subarray(0, 100_000));
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
});

test('refuses content with another digest, and leaves none of it', async () => {
  const server = await serve((_, response) => response.end(noise(content.length, 2)));
  const job = request(server);
  await expect(download(job)).rejects.toMatchObject({
    code: 'INTEGRITY',
    message: `the blob: the content has the digest ${sha256(noise(content.length, 2))}, not ${sha256(content)}`,
  });
  expect(existsSync(job.path)).toBe(false);
});

test('refuses another size than was announced, before reading', async () => {
  const server = await serve((_, response) => response.writeHead(200, { 'content-length': 5 }).end('short'));
  await expect(download(request(server))).rejects.toMatchObject({
    code: 'INTEGRITY',
    message: `the blob: the server has 5 bytes, ${content.length} were announced`,
  });
});

test('refuses more than was announced when the server does not say how much it sends', async () => {
  const server = await serve((_, response) => {
    response.write(content);
    response.end('more');
  });
  await expect(download(request(server))).rejects.toMatchObject({
    code: 'INTEGRITY',
    message: expect.stringMatching(/sends more than/),
  });
});

test('gives up when an answer always ends too early', async () => {
  const server = await serve((incoming, response) => {
    if (incoming.headers.range === undefined) {
      response.write(content.subarray(0, 1000));
      response.end();
      return;
    }
    response.writeHead(206, { 'content-range': `bytes 1000-${content.length - 1}/${content.length}` }).end();
  });
  const job = request(server);
  await expect(download(job)).rejects.toMatchObject({
    code: 'NETWORK',
    message: `the blob: the answer ended after 1000 of ${content.length} bytes`,
  });
  expect(server.log).toHaveLength(4);
  expect(statSync(job.path).size).toBe(1000);
});

test('refuses compressed answers that nobody asked for', async () => {
  const server = await serve((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'));
  await expect(download(request(server))).rejects.toMatchObject({
    code: 'REGISTRY',
    message: expect.stringMatching(/encoded as gzip/),
  });
});

test('survives a slow server, but not a silent one', async () => {
  const slow = await serve(async (_, response) => {
    for (let at = 0; at < content.length; at += 50_000) {
      response.write(content.subarray(at, at + 50_000));
      await new Promise((done) => setTimeout(done, 60));
    }
    response.end();
  });
  const patient = client({ silenceTimeoutMs: 1000 });
  await download(request(slow, { client: patient }));

  const silent = await serve((_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write('x');
  });
  const impatient = client({ silenceTimeoutMs: 100, retry: { tries: 2, baseMs: 1, capMs: 1, patienceMs: 1 } });
  await expect(download(request(silent, { client: impatient }))).rejects.toMatchObject({
    code: 'NETWORK',
    errno: 'ETIME',
  });
});

test('stops when it is cancelled, and keeps what it has', async () => {
  const server = await serve((_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 50_000));
  });
  const controller = new AbortController();
  const reason = new Error('cancelled by the test');
  const job = request(server, {
    signal: controller.signal,
    onBytes: (done) => done >= 50_000 && controller.abort(reason),
  });
  await expect(download(job)).rejects.toBe(reason);
  expect(statSync(job.path).size).toBe(50_000);
});

test('passes on that the disk is full', async () => {
  const server = await serve((_, response) => response.end(content));
  await expect(download(request(server, { path: '/dev/full' }))).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(server.log).toHaveLength(1);
});

test('takes what has no announced size or digest', async () => {
  const server = await serve((_, response) => {
    response.write(content);
    response.end();
  });
  const job = request(server, { sizeBytes: undefined, digest: undefined });
  expect(await download(job)).toMatchObject({ sizeBytes: content.length });
});

test('takes empty content', async () => {
  const server = await serve((_, response) => response.end());
  const job = request(server, { sizeBytes: 0, digest: sha256('') });
  expect(await download(job)).toMatchObject({ sizeBytes: 0 });
});

test('knows sha512', async () => {
  const { createHash } = await import('node:crypto');
  const digest = `sha512:${createHash('sha512').update(content).digest('hex')}`;
  const server = await serve((_, response) => response.end(content));
  expect(await download(request(server, { digest }))).toMatchObject({ sha256: sha256(content).slice(7) });
  await expect(download(request(server, { digest: `sha512:${'0'.repeat(128)}` }))).rejects.toThrow(
    'has the digest sha512:',
  );
});
