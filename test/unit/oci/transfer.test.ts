import { describe, expect, test } from 'vitest';
import { proxyFor } from '../../../src/runtime/image/transfer/proxy';
import { isPassingError, pauseMs, retryAfterMs } from '../../../src/runtime/image/transfer/retry';

describe('proxyFor', () => {
  const env = { http_proxy: 'http://plain:1', HTTPS_PROXY: 'tls:2', no_proxy: 'a.test,.b.test c.test:5000,10.0.0.0/8' };
  const proxy = (url: string, more = {}) => proxyFor(new URL(url), { ...env, ...more })?.host;

  test.each([
    ['http://x.test/', 'plain:1'],
    ['https://x.test/', 'tls:2'],
    ['https://a.test/', undefined],
    ['https://sub.a.test/', undefined],
    ['https://nota.test/', 'tls:2'],
    ['https://b.test/', 'tls:2'],
    ['https://sub.b.test/', undefined],
    ['https://c.test:5000/', undefined],
    ['https://c.test/', 'tls:2'],
    ['https://10.1.2.3/', undefined],
    ['https://11.1.2.3/', 'tls:2'],
    ['http://localhost:5000/', undefined],
    ['http://127.0.0.1:5000/', undefined],
    ['http://[::1]:5000/', undefined],
  ])('%s goes through %s', (url, expected) => expect(proxy(url)).toBe(expected));

  test('all_proxy is the last one asked, * excludes everything', () => {
    expect(proxyFor(new URL('http://x.test'), { ALL_PROXY: 'http://all:3' })?.host).toBe('all:3');
    expect(proxy('http://x.test', { no_proxy: '*' })).toBeUndefined();
  });

  test('refuses kinds of proxies that are not there', () => {
    expect(() => proxyFor(new URL('http://x.test'), { http_proxy: 'socks5://p:1' })).toThrow(
      expect.objectContaining({ code: 'CONFIG', path: 'http_proxy' }),
    );
  });
});

test('pauses double, are limited, and differ', () => {
  const policy = { tries: 9, baseMs: 100, capMs: 1000, patienceMs: 1 };
  expect([1, 2, 3, 4, 5, 6].map((n) => pauseMs(policy, n, () => 1))).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(pauseMs(policy, 3, () => 0)).toBe(200);
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(retryAfterMs('17', now)).toBe(17_000);
  expect(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30_000);
  expect(retryAfterMs('Thu, 01 Jan 2025 00:00:30 GMT', now)).toBe(0);
  expect(retryAfterMs('soon', now)).toBeUndefined();
  expect(retryAfterMs(undefined, now)).toBeUndefined();
});

test('what a second try does not mend is not tried again', () => {
  const codes = ['ECONNREFUSED', 'ENOTFOUND', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', undefined];
  expect(codes.map(isPassingError)).toEqual([false, false, false, false, false]);
  expect(['ECONNRESET', 'EAI_AGAIN', 'ETIME'].map(isPassingError)).toEqual([true, true, true]);
});
