import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DownloadRequest, download } from '../../../src/runtime/image/transfer/download';
import { PartPolicy } from '../../../src/runtime/image/transfer/parts';
import { rangeHeader } from '../../../src/runtime/image/transfer/range';
import { client, noise, scratch, sendRange, serve, sha256, type TestServer } from './support';

const PART = 40_000;
/** No connection is fast enough to be left alone. */
const SLOW = Number.POSITIVE_INFINITY;
const content = noise(9 * PART + 5);

function request(server: TestServer, changes: Partial<DownloadRequest> = {}): DownloadRequest {
  const from = client();
  return {
    client: from,
    path: join(scratch(), 'file'),
    what: 'the blob',
    sizeBytes: content.length,
    digest: sha256(content),
    parts: new PartPolicy(PART, 3, SLOW),
    open: (range) => from.request({ url: server.url, headers: rangeHeader(range), signal: changes.signal }),
    ...changes,
  };
}

const at = (incoming: IncomingMessage): number => Number(/\d+/.exec(incoming.headers.range ?? '0')?.[0]);
const ranges = (server: TestServer): string[] => server.requests.map(({ headers }) => headers.range ?? 'all').sort();
const expected = Array.from({ length: 10 }, (_, at) => {
  return `bytes=${at * PART}-${Math.min((at + 1) * PART, content.length) - 1}`;
});

test('a large content comes in parts over several connections, each byte once', async () => {
  let open = 0;
  let most = 0;
  let meet: (() => void) | undefined;
  const met = new Promise<void>((done) => {
    meet = done;
  });
  const server = await serve(async (incoming, response) => {
    open += 1;
    most = Math.max(most, open);
    // The first answer tells how fast the server is, and with the second others begin: these wait for one another.
    if (open === 3) meet?.();
    if (at(incoming) > PART) await met;
    await new Promise((done) => setTimeout(done, 20));
    open -= 1;
    sendRange(incoming, response, content);
  });
  const seen: number[] = [];
  const job = request(server, { onBytes: (done) => seen.push(done) });
  expect(await download(job)).toEqual({ sizeBytes: content.length, sha256: sha256(content).slice(7) });
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(ranges(server)).toEqual([...expected].sort());
  expect(most).toBe(3);
  expect(seen.at(-1)).toBe(content.length);
  expect(seen.every((bytes, at) => bytes >= (seen[at - 1] ?? 0) && bytes <= content.length)).toBe(true);
});

test('several downloads share the connections', async () => {
  let open = 0;
  let most = 0;
  const server = await serve(async (incoming, response) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((done) => setTimeout(done, 10));
    open -= 1;
    sendRange(incoming, response, content);
  });
  const parts = new PartPolicy(PART, 4, SLOW);
  const jobs = [1, 2, 3].map(() => request(server, { parts }));
  await Promise.all(jobs.map(download));
  for (const { path } of jobs) expect(readFileSync(path).equals(content)).toBe(true);
  // Each has one of its own; one that waits for a part from ahead leaves its own unused.
  expect(most).toBeLessThanOrEqual(6);
  expect(parts.tryEnter()).toBe(true); // all have been given back
});

test('a connection that is fast is left alone', async () => {
  const server = await serve((incoming, response) => sendRange(incoming, response, content));
  const job = request(server, { parts: new PartPolicy(PART, 3, 1) });
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(ranges(server)).toEqual([`bytes=0-${PART - 1}`, `bytes=${PART}-`]);
});

test('small content is asked for as a whole', async () => {
  const small = content.subarray(0, 2 * PART);
  const server = await serve((incoming, response) => sendRange(incoming, response, small));
  await download(request(server, { sizeBytes: small.length, digest: sha256(small) }));
  expect(ranges(server)).toEqual(['all']);
});

test('goes on in parts where an earlier process stopped', async () => {
  const server = await serve((incoming, response) => sendRange(incoming, response, content));
  const job = request(server);
  writeFileSync(job.path, content.subarray(0, PART + 10));
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(ranges(server)).toContain(`bytes=${PART + 10}-${2 * PART + 9}`);
});

test('takes the whole from a server that knows no ranges', async () => {
  const server = await serve((_, response) => response.end(content));
  const job = request(server);
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  expect(server.log).toHaveLength(1);
});

test.each<[string, (incoming: IncomingMessage, response: ServerResponse) => void]>([
  ['break off', (_, response) => void response.destroy()],
  ['are too short', (_, response) => void response.writeHead(206, { 'content-range': 'bytes 1-2/3' }).end('xx')],
  [
    'end too early',
    (incoming, response) => {
      const range = `bytes ${at(incoming)}-${at(incoming) + PART - 1}/${content.length}`;
      response.writeHead(206, { 'content-range': range, 'content-length': PART });
      response.write(content.subarray(0, 100), () => response.destroy());
    },
  ],
  ['come as a whole', (_, response) => void response.writeHead(200).end(content)],
  ['are refused', (_, response) => void response.writeHead(416).end()],
])('parts from ahead that %s are asked for again', async (_, misbehave) => {
  let bad = 0;
  const server = await serve((incoming, response) => {
    if (at(incoming) === 0 || ++bad > 2) sendRange(incoming, response, content);
    else misbehave(incoming, response);
  });
  const job = request(server);
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
});

test('parts that do not fit together are fetched again as a whole; wrong content is an error', async () => {
  const other = noise(content.length, 2);
  const server = await serve((incoming, response) =>
    sendRange(incoming, response, at(incoming) > PART ? other : content),
  );
  const job = request(server);
  await download(job);
  expect(readFileSync(job.path).equals(content)).toBe(true);
  const wrong = await serve((incoming, response) => sendRange(incoming, response, other));
  await expect(download(request(wrong))).rejects.toMatchObject({ code: 'INTEGRITY' });
});

test('another size than announced is refused before reading', async () => {
  const longer = Buffer.concat([content, Buffer.from('more')]);
  const server = await serve((incoming, response) => sendRange(incoming, response, longer));
  await expect(download(request(server))).rejects.toMatchObject({
    code: 'INTEGRITY',
    message: `the blob: the server has ${longer.length} bytes, ${content.length} were announced`,
  });
});

test('stops when it is cancelled; the file is the beginning of the content', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled by the test');
  const server = await serve(async (incoming, response) => {
    if (at(incoming) >= 3 * PART) {
      controller.abort(reason);
      return;
    }
    sendRange(incoming, response, content);
  });
  const parts = new PartPolicy(PART, 3, SLOW);
  const job = request(server, { signal: controller.signal, parts });
  await expect(download(job)).rejects.toBe(reason);
  const { size } = statSync(job.path);
  expect(readFileSync(job.path).equals(content.subarray(0, size))).toBe(true);
});
