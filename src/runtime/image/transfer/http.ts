/**
 * HTTP as registries, libraries and web servers need it: proxies, certificates, redirects, tries again when a failure may
 * pass. Answers that are not successes are returned, not thrown; only the caller knows what they mean.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { RuntimeError } from '../../../errors';
import { discard, headerOf } from './answer';
import { secureContextFor, type TrustOptions } from './certificates';
import { type Environment, proxyFor } from './proxy';
import {
  DEFAULT_RETRY,
  isPassingError,
  isPassingStatus,
  pause,
  pauseMs,
  retryAfterMs,
  type RetryPolicy,
} from './retry';
import { failureCode, networkError, shownUrl } from './wording';

export interface HttpOptions {
  env: Environment;
  /** Goes into User-Agent. */
  version: string;
  trust?: Omit<TrustOptions, 'env'>;
  retry?: Partial<RetryPolicy>;
  connectTimeoutMs?: number;
  /** Until an answer begins, and between two pieces of it. */
  silenceTimeoutMs?: number;
  /** Told about every try that failed and is made again. */
  onRetry?: (text: string) => void;
}

export interface HttpRequest {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Record<string, string>;
  /** A function is called once for every try. */
  body?: string | Uint8Array | (() => Readable);
  signal?: AbortSignal;
  /** Certificates are not checked, and plain http is a fine place to be redirected to. */
  insecure?: boolean;
  /** One try only: asking again could do twice what was asked for, or somebody else tries again. */
  once?: boolean;
}

export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** Where the answer came from, after redirects. */
  url: URL;
  body: Dispatcher.ResponseData['body'];
}

const MAX_REDIRECTS = 10;
const CONNECTIONS = 8;
const CONNECT_TIMEOUT_MS = 30_000;
const SILENCE_TIMEOUT_MS = 60_000;
/** Headers that are for one server alone. */
const PRIVATE_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

export class HttpClient {
  readonly retry: RetryPolicy;
  private readonly dispatchers = new Map<string, Dispatcher>();

  constructor(private readonly options: HttpOptions) {
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
  }

  /**
   * Sends a request and follows redirects. The body must be read or destroyed.
   * @throws RuntimeError NETWORK, or the signal's reason
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const tries = request.once ? 1 : this.retry.tries;
    for (let failures = 1; ; failures++) {
      const outcome = await this.follow(request).catch((error: unknown) => {
        request.signal?.throwIfAborted();
        if (failures >= tries || !isPassingError(failureCode(error))) throw error;
        return error as RuntimeError;
      });
      if (outcome instanceof Error) {
        await this.waitAfter(outcome.message, pauseMs(this.retry, failures), request.signal);
        continue;
      }
      if (failures >= tries || !isPassingStatus(outcome.status)) return outcome;
      const asked = retryAfterMs(headerOf(outcome, 'retry-after'), Date.now());
      if (asked !== undefined && asked > this.retry.patienceMs) return outcome;
      await discard(outcome);
      const what = `"${shownUrl(outcome.url)}" answered with status ${outcome.status}`;
      await this.waitAfter(what, asked ?? pauseMs(this.retry, failures), request.signal);
    }
  }

  /** Ends connections that are kept for further requests. */
  async close(): Promise<void> {
    await Promise.all([...this.dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    this.dispatchers.clear();
  }

  /** Says what failed and waits before the next try. */
  async waitAfter(what: string, ms: number, signal?: AbortSignal): Promise<void> {
    this.options.onRetry?.(`${what}; trying again in ${(ms / 1000).toFixed(1)} s`);
    await pause(ms, signal);
  }

  private async follow(request: HttpRequest): Promise<HttpResponse> {
    let { url, method = 'GET', headers = {} } = request;
    for (let redirects = 0; ; redirects++) {
      const response = await this.send({ ...request, url, method, headers });
      const location = headerOf(response, 'location');
      if (!isRedirect(response.status, method) || location === undefined) return response;
      await discard(response);
      if (redirects === MAX_REDIRECTS) throw refused(url, `more than ${MAX_REDIRECTS} redirects`);
      const next = redirectTarget(url, location, request.insecure ?? false);
      if (next.origin !== url.origin) headers = withoutPrivate(headers);
      if (response.status === 303 && method !== 'HEAD') method = 'GET';
      url = next;
    }
  }

  private async send(request: HttpRequest): Promise<HttpResponse> {
    const { url, method = 'GET', body, signal, insecure = false } = request;
    signal?.throwIfAborted();
    const route = this.route(url, insecure);
    const headers = {
      'user-agent': `davit/${this.options.version}`,
      'accept-encoding': 'identity',
      ...request.headers,
    };
    try {
      const answer = await route.dispatcher.request({
        origin: route.origin,
        path: route.path,
        method,
        headers: { ...headers, ...route.headers },
        body: typeof body === 'function' ? body() : body,
        signal,
      });
      return { status: answer.statusCode, headers: answer.headers, url, body: answer.body };
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof RuntimeError ? error : networkError(method, url, error);
    }
  }

  /** Through which connections a URL is reached. Plain http goes through a proxy by its whole URL, https by a tunnel. */
  private route(url: URL, insecure: boolean): Route {
    const proxy = proxyFor(url, this.options.env);
    const { origin, host, protocol } = url;
    const path = `${url.pathname}${url.search}`;
    if (!proxy) return { origin, path, dispatcher: this.direct(host, protocol, insecure) };
    const token = proxyCredentials(proxy);
    if (protocol === 'https:') return { origin, path, dispatcher: this.tunnel(host, proxy, token, insecure) };
    return {
      origin: proxy.origin,
      path: `${origin}${path}`,
      dispatcher: this.direct(proxy.host, proxy.protocol, insecure),
      headers: { host, ...(token === undefined ? undefined : { 'proxy-authorization': token }) },
    };
  }

  private direct(host: string, protocol: string, insecure: boolean): Dispatcher {
    return this.kept(`${protocol}//${host} ${insecure}`, () => {
      const connect = { timeout: this.options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS };
      const tls = protocol === 'https:' ? this.tls(host, insecure) : {};
      return new Agent({ ...this.timeouts(), connections: CONNECTIONS, connect: { ...connect, ...tls } });
    });
  }

  private tunnel(host: string, proxy: URL, token: string | undefined, insecure: boolean): Dispatcher {
    return this.kept(`${proxy.origin} → ${host} ${insecure}`, () => {
      const proxyTls = proxy.protocol === 'https:' ? this.tls(proxy.host, insecure) : undefined;
      const requestTls = this.tls(host, insecure);
      return new ProxyAgent({ ...this.timeouts(), uri: proxy.origin, token, proxyTls, requestTls });
    });
  }

  private kept(key: string, make: () => Dispatcher): Dispatcher {
    let dispatcher = this.dispatchers.get(key);
    if (!dispatcher) {
      dispatcher = make();
      this.dispatchers.set(key, dispatcher);
    }
    return dispatcher;
  }

  private tls(host: string, insecure: boolean): object {
    const { env, trust } = this.options;
    return { secureContext: secureContextFor(host, { env, ...trust }), rejectUnauthorized: !insecure };
  }

  private timeouts(): { headersTimeout: number; bodyTimeout: number } {
    const silence = this.options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS;
    return { headersTimeout: silence, bodyTimeout: silence };
  }
}

interface Route {
  origin: string;
  path: string;
  dispatcher: Dispatcher;
  headers?: Record<string, string>;
}

function isRedirect(status: number, method: string): boolean {
  if (status === 307 || status === 308) return true;
  return [301, 302, 303].includes(status) && (method === 'GET' || method === 'HEAD');
}

function redirectTarget(from: URL, location: string, insecure: boolean): URL {
  if (!URL.canParse(location, from.href)) throw refused(from, 'redirects to what is no URL');
  const next = new URL(location, from);
  if (next.protocol !== 'https:' && next.protocol !== 'http:') throw refused(from, `redirects to "${next.protocol}"`);
  if (from.protocol === 'https:' && next.protocol === 'http:' && !insecure) {
    throw refused(from, `redirects from https to plain http: "${shownUrl(next)}"`);
  }
  return next;
}

function refused(url: URL, what: string): RuntimeError {
  return new RuntimeError('NETWORK', `Get "${shownUrl(url)}": ${what}`, { path: shownUrl(url) });
}

function withoutPrivate(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.includes(name.toLowerCase())));
}

function proxyCredentials(proxy: URL): string | undefined {
  if (proxy.username === '') return undefined;
  const text = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(text).toString('base64')}`;
}
