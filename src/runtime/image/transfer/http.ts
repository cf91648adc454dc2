/**
 * HTTP as registries, libraries and web servers need it: proxies, certificates, redirects, tries again when a failure may
 * pass. Answers that are not successes are returned, not thrown; only the caller knows what they mean.
 */
import type { Agent } from 'node:http';
import { RuntimeError } from '../../../errors';
import { secureContextFor, type TrustOptions } from './certificates';
import { httpAgent, httpsAgent, type Route, send, type Tls, TunnelAgent } from './connection';
import { discard, type HttpRequest, type HttpResponse, headerOf } from './message';
import { type Environment, proxyFor, unescaped } from './proxy';
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

const MAX_REDIRECTS = 10;
const CONNECT_TIMEOUT_MS = 30_000;
const SILENCE_TIMEOUT_MS = 60_000;
/** Headers that are for one server alone. */
const PRIVATE_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

export class HttpClient {
  readonly retry: RetryPolicy;
  private readonly agents = new Map<string, Agent>();

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

  /** Ends all connections. */
  close(): void {
    for (const agent of this.agents.values()) agent.destroy();
    this.agents.clear();
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
      if (next.origin !== url.origin) {
        if (request.secretBody) throw refused(url, `redirects what is secret to "${shownUrl(next)}"`);
        headers = withoutPrivate(headers);
      }
      if (response.status === 303 && method !== 'HEAD') method = 'GET';
      url = next;
    }
  }

  private async send(request: HttpRequest): Promise<HttpResponse> {
    const { url, method = 'GET', body, signal, insecure = false } = request;
    signal?.throwIfAborted();
    const { headers: more, proxy, ...route } = this.route(url, insecure);
    const common = { 'user-agent': `davit/${this.options.version}`, 'accept-encoding': 'identity' };
    try {
      const answer = await send({
        ...route,
        method,
        headers: { ...common, ...request.headers, ...more },
        body: typeof body === 'function' ? body() : body,
        signal,
        connectTimeoutMs: this.options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        silenceTimeoutMs: this.options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS,
      });
      return { status: answer.statusCode ?? 0, headers: answer.headers, url, body: answer };
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof RuntimeError ? error : networkError(method, url, error, proxy);
    }
  }

  /** Through which connections a URL is reached. Plain http goes through a proxy by its whole URL, https by a tunnel. */
  private route(url: URL, insecure: boolean): Route & { headers?: Record<string, string>; proxy?: URL } {
    const proxy = proxyFor(url, this.options.env);
    const path = `${url.pathname}${url.search}`;
    if (!proxy) return { origin: url, path, agent: this.direct(url, insecure) };
    const headers = proxyHeaders(proxy);
    if (url.protocol === 'https:')
      return { origin: url, path, agent: this.tunnel(url, proxy, headers, insecure), proxy };
    const agent = this.direct(proxy, insecure);
    return { origin: proxy, path: `${url.origin}${path}`, agent, headers: { host: url.host, ...headers }, proxy };
  }

  private direct({ host, protocol }: URL, insecure: boolean): Agent {
    return this.kept(`${protocol}//${host} ${insecure}`, () =>
      protocol === 'https:' ? httpsAgent(this.tls(host, insecure)) : httpAgent(),
    );
  }

  private tunnel({ host }: URL, proxy: URL, headers: Record<string, string>, insecure: boolean): Agent {
    return this.kept(`${proxy.origin} → ${host} ${insecure}`, () => {
      return new TunnelAgent(proxy, this.direct(proxy, insecure), headers, this.tls(host, insecure));
    });
  }

  private kept(key: string, make: () => Agent): Agent {
    let agent = this.agents.get(key);
    if (!agent) {
      agent = make();
      this.agents.set(key, agent);
    }
    return agent;
  }

  private tls(host: string, insecure: boolean): Tls {
    const { env, trust } = this.options;
    return { secureContext: secureContextFor(host, { env, ...trust }), rejectUnauthorized: !insecure };
  }
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

function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const text = `${unescaped(username)}:${unescaped(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` };
}
