/** Images on web servers: http:// and https://. */
import { createHash } from 'node:crypto';
import { RuntimeError } from '../../../errors';
import { progressOf } from '../oci/progress-of';
import { basic } from '../oci/token';
import type { FetchContext, ImageSource } from '../source/source';
import { download } from '../transfer/download';
import { discard, headerOf, type HttpResponse } from '../transfer/message';
import type { OpenRange } from '../transfer/parts';
import { unescaped } from '../transfer/proxy';
import { rangeHeader } from '../transfer/range';
import { shownUrl } from '../transfer/wording';

/**
 * Asks for what identifies the file: its address, and what the server says about its age (formats.md section 17.4).
 * @throws RuntimeError NETWORK, REGISTRY
 */
export async function webSource(reference: string, context: FetchContext): Promise<ImageSource> {
  if (!URL.canParse(reference)) {
    throw new RuntimeError('IMAGE_OPEN', `"${reference}" is no URL`, { path: reference });
  }
  const { url, login } = separateLogin(new URL(reference));
  const { headers } = await look(url, login, context);
  const [modified, tag] = [headerOf({ headers }, 'last-modified'), headerOf({ headers }, 'etag')];
  // A server that tells nothing about the file's age gets asked for all of it every time.
  const age = modified ?? tag ?? `unknown ${process.pid} ${Date.now()}`;
  return {
    kind: 'net',
    key: createHash('sha256').update(`${reference}\n${age}`).digest('hex'),
    reference: Object.keys(login).length > 0 ? url.href : reference,
    announcement: 'Downloading network image',
    produce: (path) => fetchFile({ url, login, validator: tag ?? modified }, context, path),
  };
}

/** The user and password of a URL, as the header that says the same to that server alone; they are written down nowhere. */
function separateLogin(given: URL): { url: URL; login: Record<string, string> } {
  const url = new URL(given);
  url.username = '';
  url.password = '';
  if (given.username === '' && given.password === '') return { url, login: {} };
  const [username, password] = [given.username, given.password].map(unescaped) as [string, string];
  return { url, login: { authorization: basic({ username, password }) } };
}

/** HEAD; some servers know only GET. */
async function look(
  url: URL,
  headers: Record<string, string>,
  { client, signal, options }: FetchContext,
): Promise<HttpResponse> {
  const request = { url, headers, signal, insecure: options.noHttps };
  let response = await client.request({ method: 'HEAD', ...request });
  if ([403, 405, 501].includes(response.status)) response = await client.request(request);
  if (response.status === 200) response.body.destroy();
  else await discard(response);
  if (response.status !== 200) throw refused(url, response.status);
  return response;
}

function refused(url: URL, status: number): RuntimeError {
  const path = shownUrl(url);
  if (status === 404) return new RuntimeError('REGISTRY', 'the requested image was not found', { path });
  const hint = status === 401 || status === 403 ? 'the server wants a login: https://USER:PASSWORD@HOST/…' : undefined;
  return new RuntimeError('REGISTRY', `Get "${path}": status ${status}`, { path, hint });
}

async function fetchFile(
  { url, login, validator }: { url: URL; login: Record<string, string>; validator: string | undefined },
  { client, signal, options, onProgress }: FetchContext,
  path: string,
): Promise<{ digest: string }> {
  const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1) || url.host;
  const progress = progressOf(onProgress, url.href, name);
  const open: OpenRange = async (part) => {
    const range = rangeHeader(part);
    // RFC 9110, section 13.1.5: a file that was replaced meanwhile is sent from its beginning. Weak tags do not count.
    if (part.from > 0 && validator !== undefined && !validator.startsWith('W/')) range['if-range'] = validator;
    const response = await client.request({ url, headers: { ...login, ...range }, signal, insecure: options.noHttps });
    if ([200, 206, 416].includes(response.status)) return response;
    await discard(response);
    throw refused(url, response.status);
  };
  const { sha256 } = await download({ client, open, path, what: name, onBytes: progress.bytes, signal });
  progress.end();
  return { digest: `sha256:${sha256}` };
}
