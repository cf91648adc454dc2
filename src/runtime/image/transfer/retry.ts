/** When a request is worth another try, and when to make it. */

export interface RetryPolicy {
  /** All tries together. */
  tries: number;
  /** Pause before the second try; it doubles from try to try. */
  baseMs: number;
  /** No pause of our own is longer. */
  capMs: number;
  /** A server that asks for more patience than this is not waited for. */
  patienceMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { tries: 5, baseMs: 500, capMs: 20_000, patienceMs: 90_000 };

/** Too many requests, and trouble that may pass: RFC 9110 and RFC 6585. */
const PASSING_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Names of failures that another try does not mend. */
const LASTING_ERRORS = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EACCES', 'EPERM', 'EPROTO', 'ERR_INVALID_URL']);

export function isPassingStatus(status: number): boolean {
  return PASSING_STATUSES.has(status);
}

/** Whether a connection that broke, or never came to be, may work when it is tried again. */
export function isPassingError(code: string | undefined): boolean {
  if (code === undefined || LASTING_ERRORS.has(code)) return false;
  return !/^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|HOSTNAME_|ERR_OSSL)/.test(code);
}

/**
 * The pause before a try: doubled from try to try, and somewhere between half and all of that, so that many clients
 * that failed together do not come back together.
 * @param failures tries that have failed, at least 1
 */
export function pauseMs(policy: RetryPolicy, failures: number, random: () => number = Math.random): number {
  const full = Math.min(policy.capMs, policy.baseMs * 2 ** (failures - 1));
  return full / 2 + (full / 2) * random();
}

/** What Retry-After asks for (RFC 9110, section 10.2.3), in milliseconds; `undefined` when it says nothing useful. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Waits, or throws the signal's reason. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { setTimeout: sleep } = await import('node:timers/promises');
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
