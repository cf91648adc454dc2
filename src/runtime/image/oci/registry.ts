/** A registry, by the OCI distribution specification 1.1: manifests and blobs of repositories. */
import { createHash } from 'node:crypto';
import { RuntimeError } from '../../../errors';
import { parseDigest } from '../../../formats/oci/digest';
import type { Credentials } from '../../../formats/oci/docker-config';
import { MAX_JSON_BYTES } from '../../../formats/oci/json';
import { ACCEPTED_MANIFESTS } from '../../../formats/oci/media-types';
import { readAll } from '../transfer/answer';
import type { HttpClient } from '../transfer/http';
import { discard, headerOf, type HttpRequest, type HttpResponse } from '../transfer/message';
import { type ByteRange, rangeHeader } from '../transfer/range';
import { isCertificateError } from '../transfer/wording';
import { registryError } from './registry-error';
import { answerChallenge } from './token';

export interface RegistryOptions {
  client: HttpClient;
  /** Host and port as the user named it. */
  registry: string;
  /** Where it is reached, when that is not `https://<registry>`: a mirror. */
  endpoint?: URL;
  /**
   * `https` alone; `http-too`: plain http where there is no https; `unchecked`: that, and certificates are not looked at.
   */
  transport?: Transport;
  credentials?: (repository: string) => Promise<Credentials | undefined>;
  signal?: AbortSignal;
}

export interface FetchedManifest {
  bytes: Buffer;
  digest: string;
  contentType?: string;
}

export type Transport = 'https' | 'http-too' | 'unchecked';

export type Action = 'pull' | 'pull,push';

/** Docker Hub's registry has another name than the hub. */
const HUB_ENDPOINT = 'https://registry-1.docker.io';
const MAX_ERROR_BYTES = 64 << 10;

export class Registry {
  private base: Promise<URL> | undefined;
  private readonly authorizations = new Map<string, string>();

  constructor(private readonly options: RegistryOptions) {}

  get name(): string {
    return this.options.registry;
  }

  /**
   * Fetches a manifest or an index.
   * @param reference a tag or a digest
   * @throws RuntimeError NETWORK, REGISTRY, INTEGRITY
   */
  async manifest(repository: string, reference: string): Promise<FetchedManifest> {
    const what = `reading manifest ${reference} in ${this.name}/${repository}`;
    const headers = { accept: ACCEPTED_MANIFESTS.join(', ') };
    const response = await this.send(repository, `manifests/${reference}`, { headers });
    if (response.status !== 200) throw await this.failure(response, what);
    const bytes = await readAll(response, MAX_JSON_BYTES);
    const announced = parseDigest(reference) ? reference : headerOf(response, 'docker-content-digest');
    const digest = digestOf(bytes, announced);
    if (announced !== undefined && parseDigest(announced) && digest !== announced) {
      throw new RuntimeError('INTEGRITY', `${what}: it has the digest ${digest}, not ${announced}`);
    }
    return { bytes, digest, contentType: headerOf(response, 'content-type') };
  }

  /** Opens a blob, or a part of it. @throws RuntimeError NETWORK, REGISTRY */
  async blob(repository: string, digest: string, range: ByteRange = { from: 0 }): Promise<HttpResponse> {
    const response = await this.send(repository, `blobs/${digest}`, { headers: rangeHeader(range) });
    if ([200, 206, 416].includes(response.status)) return response;
    throw await this.failure(response, `reading blob ${digest} in ${this.name}/${repository}`);
  }

  /** Whether a request to the root of the API is answered to who we are. @throws RuntimeError NETWORK, REGISTRY */
  async checkLogin(): Promise<void> {
    const response = await this.authorized('', '', { url: new URL('v2/', await this.url()) });
    if (response.status !== 200) throw await this.failure(response, `log in to ${this.name}`);
    await discard(response);
  }

  /**
   * Sends a request about a repository, authorized as far as the registry asks for it.
   * @param path below the repository, or a whole URL such as the registry gives for uploads
   */
  async send(
    repository: string,
    path: string | URL,
    request: Omit<HttpRequest, 'url'>,
    action: Action = 'pull',
  ): Promise<HttpResponse> {
    const url = typeof path === 'string' ? new URL(`v2/${repository}/${path}`, await this.url()) : path;
    return await this.authorized(repository, `repository:${repository}:${action}`, { ...request, url });
  }

  /** The error that an answer means; reads it. */
  async failure(response: HttpResponse, what: string): Promise<RuntimeError> {
    const bytes = await readAll(response, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
    return registryError({ ...response, bytes }, what);
  }

  private async authorized(repository: string, scope: string, request: HttpRequest): Promise<HttpResponse> {
    const { client, transport, signal } = this.options;
    const insecure = transport === 'unchecked';
    const send = (): Promise<HttpResponse> => {
      // The registry may send us elsewhere for uploads; who we are is nobody else's business.
      const known = this.ownOrigin === request.url.origin ? this.authorizations.get(scope) : undefined;
      const headers = known === undefined ? request.headers : { ...request.headers, authorization: known };
      return client.request({ ...request, headers, insecure, signal });
    };
    const response = await send();
    const header = headerOf(response, 'www-authenticate');
    if (response.status !== 401 || header === undefined || response.url.origin !== this.ownOrigin) return response;
    const credentials = await this.options.credentials?.(repository);
    const answer = { client, header, origin: request.url, credentials, scope, insecure, signal };
    const authorization = await answerChallenge(answer);
    if (authorization === undefined || authorization === this.authorizations.get(scope)) return response;
    this.authorizations.set(scope, authorization);
    await discard(response);
    return await send();
  }

  private ownOrigin: string | undefined;

  /** Where the API begins, with a slash at the end. */
  private async url(): Promise<URL> {
    this.base ??= this.findUrl();
    const url = await this.base;
    this.ownOrigin = url.origin;
    return url;
  }

  private async findUrl(): Promise<URL> {
    const { endpoint, registry, transport = 'https' } = this.options;
    if (endpoint) return new URL('/', endpoint);
    if (registry === 'docker.io') return new URL(`${HUB_ENDPOINT}/`);
    const secure = new URL(`https://${registry}/`);
    if (transport === 'https') return secure;
    // Without https there is only one way to find that out.
    const { client, signal } = this.options;
    const ping = { url: new URL('v2/', secure), insecure: transport === 'unchecked', once: true, signal };
    const answer = await client.request(ping).catch((error: unknown) => {
      signal?.throwIfAborted();
      if (isCertificateError(error)) throw error;
      return error;
    });
    if (answer instanceof Error) return new URL(`http://${registry}/`);
    await discard(answer as HttpResponse);
    return secure;
  }
}

/** By the algorithm of the digest that was announced, else SHA-256. */
function digestOf(bytes: Buffer, announced: string | undefined): string {
  const algorithm = parseDigest(announced)?.algorithm ?? 'sha256';
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}
