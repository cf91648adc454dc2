/** The interface of library servers (formats.md section 17.1): JSON in an envelope with `data` or `error`. */
import type { Readable } from 'node:stream';
import { RuntimeError } from '../../../errors';
import { isObject, type JsonObject, optionalString, parseObject, printable } from '../../../formats/oci/json';
import type { FetchContext } from '../source/source';
import { requestAll } from '../transfer/answer';
import type { HttpRequest, HttpResponse } from '../transfer/message';
import { shownUrl } from '../transfer/wording';
import type { LibraryEndpoint } from './endpoint';

const MAX_ANSWER_BYTES = 4 << 20;

/** An image as a library knows it. */
export interface LibraryImage {
  id: string;
  /** `sha256.HEX`. */
  hash: string;
  sizeBytes?: number;
  uploaded: boolean;
}

export class LibraryApi {
  constructor(
    private readonly endpoint: LibraryEndpoint,
    private readonly context: Pick<FetchContext, 'client' | 'signal'>,
  ) {}

  /** An image; `undefined` when there is none. @throws RuntimeError NETWORK, REGISTRY */
  async image(reference: string, arch: string): Promise<LibraryImage | undefined> {
    const data = await this.get(`v1/images/${reference}?arch=${encodeURIComponent(arch)}`);
    return data && decodeImage(data);
  }

  /** `data` of an object; `undefined` when there is none. */
  async get(path: string): Promise<JsonObject | undefined> {
    return await this.call({ path });
  }

  /** @throws RuntimeError also when there is no such object */
  async send(method: 'POST' | 'PUT', path: string, body: object): Promise<JsonObject> {
    const data = await this.call({ method, path, body: JSON.stringify(body) });
    if (data) return data;
    throw new RuntimeError('REGISTRY', `${method} "${shownUrl(this.url(path))}": not found`);
  }

  /** @returns false when there is no such object */
  async delete(path: string): Promise<boolean> {
    return (await this.call({ method: 'DELETE', path })) !== undefined;
  }

  /** Sends a file; nobody asks whether it succeeded. */
  async post(path: string, headers: Record<string, string>, body: () => Readable): Promise<HttpResponse> {
    const { client, signal } = this.context;
    const request = { method: 'POST' as const, url: this.url(path), body, signal, once: true };
    const { insecure } = this.endpoint;
    return await client.request({ ...request, headers: { ...this.authorization(), ...headers }, insecure });
  }

  /** Opens a file of the library; it mostly sends us to a storage, which does not get the token. */
  async open(path: string, headers: Record<string, string> = {}): Promise<HttpResponse> {
    const { client, signal } = this.context;
    const request = { url: this.url(path), headers: { ...this.authorization(), ...headers }, signal };
    return await client.request({ ...request, insecure: this.endpoint.insecure });
  }

  url(path: string): URL {
    return new URL(path, this.endpoint.url);
  }

  private authorization(): Record<string, string> {
    const { token } = this.endpoint;
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  private async call({
    path,
    ...more
  }: { path: string } & Pick<HttpRequest, 'method' | 'body'>): Promise<JsonObject | undefined> {
    const { client, signal } = this.context;
    const url = this.url(path);
    const type: Record<string, string> = more.body === undefined ? {} : { 'content-type': 'application/json' };
    const headers = { ...this.authorization(), ...type };
    const once = more.method === 'POST';
    const request = { ...more, url, headers, signal, once, insecure: this.endpoint.insecure };
    const answer = await requestAll(client, request, MAX_ANSWER_BYTES);
    if (answer.status === 404) return undefined;
    if (answer.status < 200 || answer.status > 299) throw libraryError(answer.status, answer.bytes, url);
    if (answer.bytes.length === 0) return {};
    const { data } = parseObject(answer.bytes, `the answer of "${shownUrl(url)}"`);
    return isObject(data) ? data : {};
  }
}

function libraryError(status: number, bytes: Buffer, url: URL): RuntimeError {
  let words = `status ${status}`;
  try {
    const { error } = JSON.parse(bytes.toString('utf8'));
    if (isObject(error) && typeof error.message === 'string') words = printable(error.message);
  } catch {
    // a page, or nothing
  }
  return new RuntimeError('REGISTRY', `"${shownUrl(url)}": ${words}`, {
    path: shownUrl(url),
    hint: status === 401 || status === 403 ? 'log in with "davit remote login"' : undefined,
  });
}

/** @throws RuntimeError REGISTRY */
function decodeImage({ id, hash, size, uploaded }: JsonObject): LibraryImage {
  if (typeof hash !== 'string' || !/^sha256\.[0-9a-f]{64}$/.test(hash)) {
    throw new RuntimeError('REGISTRY', `the library names an image by ${printable(JSON.stringify(hash) ?? '', 80)}`, {
      hint: 'only images with a SHA-256 hash can be checked',
    });
  }
  return {
    id: optionalString(id) ?? '',
    hash,
    sizeBytes: Number.isSafeInteger(size) && (size as number) > 0 ? (size as number) : undefined,
    uploaded: uploaded !== false,
  };
}
