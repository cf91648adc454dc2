/**
 * One HTTP request over node:http and node:https. Not by fetch(): the undici in Node 20 ends the whole process when a
 * server closes a connection while its answer is still being read (nodejs/undici#5360).
 */
import {
  type ClientRequest,
  type ClientRequestArgs,
  Agent as HttpAgent,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { Agent as HttpsAgent, type AgentOptions, request as httpsRequest } from 'node:https';
import { type Duplex, pipeline, type Readable } from 'node:stream';
import { connect as tlsConnect, type SecureContext } from 'node:tls';

export interface Route {
  /** Where the connection goes: the server, or a proxy for plain http. */
  origin: URL;
  /** As it stands in the request. */
  path: string;
  agent: HttpAgent;
}

export interface PlainRequest extends Route {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array | Readable;
  signal?: AbortSignal;
  /** Until a connection is there; until an answer begins, and between two pieces of it. */
  connectTimeoutMs: number;
  silenceTimeoutMs: number;
}

/**
 * How long connections are kept for the next request. How many there are at once is for those who ask to limit ("download
 * concurrency"): here, a request that has to wait for one would count as a server that cannot be reached.
 */
const POOL: AgentOptions = { keepAlive: true, timeout: 0 };

export interface Tls {
  secureContext: SecureContext;
  rejectUnauthorized: boolean;
}

export function httpAgent(): HttpAgent {
  return new HttpAgent(POOL);
}

export function httpsAgent(tls: Tls): HttpsAgent {
  return new HttpsAgent({ ...POOL, ...tls });
}

/** Sends one request. @throws what Node raises; ETIMEDOUT without a connection, ETIME for silence */
export function send(plain: PlainRequest): Promise<IncomingMessage> {
  const { origin, path, agent, method, headers, signal } = plain;
  const start = origin.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((done, fail) => {
    const { hostname, port } = origin;
    const host = hostname.replace(/^\[|\]$/g, '');
    const request = start({ host, port, path, method, headers, agent, signal, setHost: headers.host === undefined });
    limitTimes(request, plain);
    request.once('response', (response) => {
      // Whoever reads the answer hears about errors from it; nobody waits for the request any more.
      request.on('error', () => undefined);
      done(response);
    });
    request.once('error', fail);
    sendBody(request, plain.body);
  });
}

function sendBody(request: ClientRequest, body: PlainRequest['body']): void {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) request.end(body);
  // A body that breaks off ends the request with its error; a request that fails is known by its own.
  else pipeline(body, request, (error) => error && request.destroy(error));
}

function limitTimes(request: ClientRequest, { connectTimeoutMs, silenceTimeoutMs }: PlainRequest): void {
  const timer = setTimeout(() => request.destroy(coded('ETIMEDOUT', 'no connection in time')), connectTimeoutMs);
  const connected = (): void => clearTimeout(timer);
  request.once('socket', (socket) => {
    if (!socket.connecting) connected();
    else socket.once('connect', connected);
  });
  request.once('close', connected);
  let answer: IncomingMessage | undefined;
  request.once('response', (response) => {
    answer = response;
  });
  request.setTimeout(silenceTimeoutMs, () => (answer ?? request).destroy(coded('ETIME', 'the server says nothing')));
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Connections to https servers through a proxy: a tunnel by CONNECT (RFC 9110, section 9.3.6), and TLS inside. */
export class TunnelAgent extends HttpsAgent {
  constructor(
    private readonly proxy: URL,
    private readonly proxyAgent: HttpAgent,
    private readonly proxyHeaders: Record<string, string>,
    private readonly tls: Tls,
  ) {
    super({ ...POOL, ...tls });
  }

  override createConnection(
    options: ClientRequestArgs & { servername?: string },
    callback: (error: Error | null, stream: Duplex) => void = () => undefined,
  ): undefined {
    const fail = (error: Error): void => (callback as (error: Error) => void)(error);
    const name = options.host ?? '';
    const host = name.includes(':') ? `[${name}]` : name;
    const target = `${host}:${options.port || 443}`;
    const start = this.proxy.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = start(this.proxy, {
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...this.proxyHeaders },
      agent: this.proxyAgent,
    });
    request.once('connect', (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        fail(coded('EPROXY', `the proxy ${this.proxy.host} refuses with status ${response.statusCode}`));
        return;
      }
      callback(null, tlsConnect({ ...this.tls, socket, servername: options.servername || undefined }));
    });
    request.once('error', (cause: NodeJS.ErrnoException) => {
      fail(coded(cause.code ?? 'EPROXY', `connect to the proxy ${this.proxy.host}: ${cause.message}`));
    });
    request.end();
  }
}
