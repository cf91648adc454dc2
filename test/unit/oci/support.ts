/** Servers that behave as badly as a test wants, and clients that do not wait long. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { HttpClient, type HttpOptions } from '../../../src/runtime/image/transfer/http';

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface TestServer {
  url: URL;
  /** host:port */
  host: string;
  /** `METHOD /path` of everything that was asked for, in order. */
  log: string[];
  requests: IncomingMessage[];
  server: Server;
}

const cleanUps: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A server on a free port of 127.0.0.1; it ends with the test. */
export async function serve(handler: Handler): Promise<TestServer> {
  const log: string[] = [];
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    log.push(`${request.method} ${request.url}`);
    requests.push(request);
    void Promise.resolve(handler(request, response)).catch((error) => response.destroy(error));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  cleanUps.push(
    () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  );
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: new URL(`http://${host}/`), host, log, requests, server };
}

/** A client without proxies and with pauses of a millisecond. A busy machine is not taken for a silent server. */
export function client(options: Partial<HttpOptions> = {}): HttpClient {
  const retry = { tries: 4, baseMs: 1, capMs: 2, patienceMs: 1500, ...options.retry };
  const made = new HttpClient({ env: {}, version: 'test', silenceTimeoutMs: 30_000, ...options, retry });
  cleanUps.push(() => made.close());
  return made;
}

/** A directory that is removed behind the test. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'davit-unit-'));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Bytes that look random and are the same in every run. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    bytes[at] = state >> 16;
  }
  return bytes;
}

/** Answers with `bytes`, honouring a Range header of the form `bytes=N-` or `bytes=N-M`. */
export function sendRange(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
  if (request.headers.range === undefined) {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    return;
  }
  const part = bytes.subarray(Number(first), last === '' ? bytes.length : Number(last) + 1);
  const range = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`;
  response.writeHead(206, { 'content-length': part.length, 'content-range': range }).end(part);
}
