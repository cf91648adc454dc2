/** Which proxy a request goes through, by the rules of Go's programs: http_proxy, https_proxy, all_proxy, no_proxy. */
import { isIP } from 'node:net';
import { RuntimeError } from '../../../errors';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, or `undefined` for a direct connection. This machine itself is never asked for through a proxy.
 * @throws RuntimeError CONFIG when the variable holds no http or https URL
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const [variable, value] = firstSet(env, [name, name.toUpperCase(), 'all_proxy', 'ALL_PROXY']);
  if (value === undefined || isLoopback(hostOf(url)) || excluded(url, firstSet(env, ['no_proxy', 'NO_PROXY'])[1])) {
    return undefined;
  }
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text) || !['http:', 'https:'].includes(new URL(text).protocol)) {
    throw new RuntimeError('CONFIG', `${variable}="${value}" is no proxy that can be used`, {
      path: variable,
      hint: 'write http://HOST:PORT or https://HOST:PORT; other kinds of proxies are not supported',
    });
  }
  return new URL(text);
}

function firstSet(env: Environment, names: string[]): [string, string | undefined] {
  for (const name of names) {
    const value = env[name]?.trim();
    if (value !== undefined && value !== '') return [name, value];
  }
  return ['', undefined];
}

/** A user's name or password as it stands in a URL; a percent sign that begins no escape stands for itself. */
export function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The host name without the brackets of IPv6 addresses. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || /^127\.\d+\.\d+\.\d+$/.test(host) || host === '::1';
}

/** Items of no_proxy: `*`, a domain and what is below it, `.domain` (only below), an address, a network; with `:port`. */
function excluded(url: URL, list: string | undefined): boolean {
  if (list === undefined) return false;
  const host = hostOf(url).toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((item) => item !== '' && matches(item.toLowerCase(), host, port));
}

function matches(item: string, host: string, port: string): boolean {
  if (item === '*') return true;
  if (item.includes('/')) return inNetwork(host, item);
  const withPort = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(item);
  if (withPort && withPort[3] !== port) return false;
  const name = (withPort ? (withPort[1] ?? withPort[2]) : item)?.replace(/^\[|\]$/g, '') ?? '';
  if (isIP(name) !== 0) return name === host;
  const domain = name.replace(/^\*?\./, '');
  const onlyBelow = domain !== name;
  return host.endsWith(`.${domain}`) || (!onlyBelow && host === domain);
}

/** IPv4 networks alone: nobody writes others into no_proxy. */
function inNetwork(host: string, network: string): boolean {
  const [base = '', bitsText = ''] = network.split('/');
  const bits = Number(bitsText);
  if (isIP(host) !== 4 || isIP(base) !== 4 || !/^\d{1,2}$/.test(bitsText) || bits > 32) return false;
  const shift = 2 ** (32 - bits);
  return Math.floor(toNumber(host) / shift) === Math.floor(toNumber(base) / shift);
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
