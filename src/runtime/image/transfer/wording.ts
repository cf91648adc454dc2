/** What is said when a request fails: the request, where it was going, and why, in the words of Apptainer's own client. */
import { errnoOf, RuntimeError } from '../../../errors';
import { hostOf } from './proxy';

const PLAIN_ANSWER = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO']);
/** There was no connection. */
const UNREACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);
const CERTIFICATE = /^(CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_)/;

/** The name of what went wrong, however deep it is wrapped. */
export function failureCode(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = at instanceof RuntimeError ? at.errno : (errnoOf(at) ?? errnoOf((at as AggregateError).errors?.[0]));
    if (code !== undefined) return code;
  }
  return undefined;
}

/** Whether a server was there, with a certificate that we do not trust. */
export function isCertificateError(error: unknown): boolean {
  return CERTIFICATE.test(failureCode(error) ?? '');
}

/** A URL for messages: queries and passwords may be secrets. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/**
 * @param proxy through which the request went: who could not be reached then is the proxy
 * @returns RuntimeError NETWORK
 */
export function networkError(method: string, url: URL, cause: unknown, proxy?: URL): RuntimeError {
  const code = failureCode(cause);
  const verb = method[0] + method.slice(1).toLowerCase();
  const unreached = proxy && code !== undefined && UNREACHED.has(code) ? proxy : undefined;
  const why = unreached ? `proxyconnect tcp: ${reason(unreached, code, cause)}` : reason(url, code, cause);
  return new RuntimeError('NETWORK', `${verb} "${shownUrl(url)}": ${why}`, {
    errno: code,
    path: shownUrl(url),
    cause,
    hint: unreached
      ? `is ${unreached.host} the right proxy? It is named by https_proxy and http_proxy`
      : hintFor(url, code),
  });
}

function reason(url: URL, code: string | undefined, cause: unknown): string {
  const address = `${hostOf(url)}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
  if (code !== undefined && PLAIN_ANSWER.has(code)) return 'http: server gave HTTP response to HTTPS client';
  if (code !== undefined && CERTIFICATE.test(code)) {
    return `tls: failed to verify certificate: ${innermost(cause)} (${code})`;
  }
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`;
    case 'ENOTFOUND':
      return `dial tcp: lookup ${hostOf(url)}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${hostOf(url)}: temporary failure in name resolution`;
    case 'EHOSTUNREACH':
      return `dial tcp ${address}: connect: no route to host`;
    case 'ENETUNREACH':
      return `dial tcp ${address}: connect: network is unreachable`;
    case 'ETIMEDOUT':
      return `dial tcp ${address}: i/o timeout`;
    case 'ETIME':
      return 'no answer in time';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was closed before the answer was complete';
    default:
      return innermost(cause);
  }
}

function innermost(error: unknown): string {
  let at = error;
  for (let depth = 0; at instanceof Error && at.cause instanceof Error && depth < 5; depth++) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}

function hintFor(url: URL, code: string | undefined): string | undefined {
  if (code === undefined) return undefined;
  if (PLAIN_ANSWER.has(code)) return 'if the server has no https, use --no-https';
  if (CERTIFICATE.test(code)) {
    return 'name the certificate authority with "registry ca file" in davit.conf, or with NODE_EXTRA_CA_CERTS';
  }
  if (['ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(code)) {
    return `can this machine reach ${url.host}? A proxy is named by https_proxy and http_proxy`;
  }
  return undefined;
}
