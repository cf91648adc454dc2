/** Uploads to libraries (formats.md section 17.1): what is missing is made on the way, then the file goes to a storage. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { errnoOf, RuntimeError } from '../../../errors';
import { isObject, type JsonObject, optionalString } from '../../../formats/oci/json';
import { progressOf } from '../oci/progress-of';
import type { FetchContext } from '../source/source';
import { discard } from '../transfer/message';
import { LibraryApi } from './api';
import { libraryEndpoint } from './endpoint';
import { type LibraryReference, parseLibraryReference } from './reference';
import { supports } from './version';

export interface LibraryPush {
  /** A SIF file. */
  path: string;
  /** Without `library://`. */
  reference: string;
  /** GOARCH name. */
  arch: string;
  description: string;
}

/** What a library says when a file has arrived; `undefined` when it had the file already. */
export interface PushedImage {
  usedBytes: number;
  /** 0: no limit. */
  quotaBytes: number;
  url: string;
}

interface ImageFile {
  path: string;
  sizeBytes: number;
  /** Hex. */
  sha256: string;
}

/** @throws RuntimeError NETWORK, REGISTRY, CONFIG without a token, IMAGE_OPEN */
export async function pushToLibrary(push: LibraryPush, context: FetchContext): Promise<PushedImage | undefined> {
  const reference = parseLibraryReference(push.reference);
  const { host, path, tags } = reference;
  if (path.split('/').length !== 3) {
    throw new RuntimeError('IMAGE_OPEN', `bad request: malformed image path: ${path}`, {
      path: push.reference,
      hint: 'write library://[HOST/]ENTITY/COLLECTION/NAME[:TAG]',
    });
  }
  const endpoint = await libraryEndpoint(host, context);
  if (endpoint.token === undefined) throw noToken();
  const file = await describe(push.path);
  const api = new LibraryApi(endpoint, context);
  const containerId = await findContainer(api, reference);
  const image = await findImage(api, reference, containerId, file, push);
  const newVersion = await supports(api);
  let pushed: PushedImage | undefined;
  if (image.uploaded !== true) {
    const answer = newVersion.uploads
      ? await uploadToStorage(api, idOf(image), file, context)
      : await uploadDirectly(api, idOf(image), file, context);
    pushed = decodePushed(answer, endpoint.url);
  }
  for (const tag of tags.length > 0 ? tags : ['latest']) {
    const body = { Tag: tag, ImageID: idOf(image) };
    if (newVersion.archTags) await api.send('POST', `v2/tags/${containerId}`, { Arch: push.arch, ...body });
    else await api.send('POST', `v1/tags/${containerId}`, body);
  }
  return pushed;
}

export function noToken(): RuntimeError {
  const message = 'no authentication token, log in with `davit remote login`';
  return new RuntimeError('CONFIG', message, {
    hint: 'the token belongs to the endpoint that "davit remote list" shows',
  });
}

async function describe(path: string): Promise<ImageFile> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return { path, sizeBytes: statSync(path).size, sha256: hash.digest('hex') };
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('IMAGE_OPEN', `read "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
  }
}

/** Entity, collection and container, each made when it is missing. @returns the container's id */
async function findContainer(api: LibraryApi, { path }: LibraryReference): Promise<string> {
  const [entity = '', collection = '', name = ''] = path.split('/');
  const description = 'No description';
  const found = async (kind: string, place: string, body: object): Promise<string> =>
    idOf((await api.get(`v1/${kind}/${place}`)) ?? (await api.send('POST', `v1/${kind}`, { ...body, description })));
  const entityId = await found('entities', entity, { name: entity });
  const collectionId = await found('collections', `${entity}/${collection}`, { name: collection, entity: entityId });
  return await found('containers', path, { name, collection: collectionId });
}

async function findImage(
  api: LibraryApi,
  { path }: LibraryReference,
  container: string,
  { sha256 }: ImageFile,
  { arch, description }: LibraryPush,
): Promise<JsonObject> {
  const hash = `sha256.${sha256}`;
  const known = await api.get(`v1/images/${path}:${hash}?arch=${encodeURIComponent(arch)}`);
  return known ?? (await api.send('POST', 'v1/images', { hash, container, description }));
}

function idOf({ id }: JsonObject): string {
  const text = optionalString(id);
  if (text !== undefined && /^[A-Za-z0-9_-]+$/.test(text)) return text;
  throw new RuntimeError('REGISTRY', 'the library answers without an id');
}

/** Version 2: the library says where to, the storage gets the file and no token, the library is told that it is there. */
async function uploadToStorage(
  api: LibraryApi,
  id: string,
  file: ImageFile,
  context: FetchContext,
): Promise<JsonObject> {
  const { sizeBytes: filesize, sha256: sha256sum } = file;
  const { uploadURL } = await api.send('POST', `v2/imagefile/${id}`, { filesize, sha256sum });
  if (typeof uploadURL !== 'string' || !URL.canParse(uploadURL)) {
    throw new RuntimeError('REGISTRY', 'the library does not say where to upload');
  }
  const url = new URL(uploadURL);
  // Only what has been signed may be sent.
  const signed = url.searchParams.get('X-Amz-SignedHeaders')?.split(';') ?? [];
  const checksum = signed.includes('x-amz-content-sha256') ? { 'x-amz-content-sha256': sha256sum } : undefined;
  await sendFile(file, context, async (body) => {
    const headers = { ...fileHeaders(file), ...checksum };
    return await context.client.request({ method: 'PUT', url, headers, body, once: true, signal: context.signal });
  });
  return await api.send('PUT', `v2/imagefile/${id}/_complete`, {});
}

async function uploadDirectly(
  api: LibraryApi,
  id: string,
  file: ImageFile,
  context: FetchContext,
): Promise<JsonObject> {
  await sendFile(file, context, (body) => api.post(`v1/imagefile/${id}`, fileHeaders(file), body));
  return {};
}

function fileHeaders({ sizeBytes }: ImageFile): Record<string, string> {
  return { 'content-type': 'application/octet-stream', 'content-length': String(sizeBytes) };
}

async function sendFile(
  { path, sha256, sizeBytes }: ImageFile,
  { onProgress }: FetchContext,
  send: (body: () => Readable) => ReturnType<LibraryApi['open']>,
): Promise<void> {
  const progress = progressOf(onProgress, `sha256:${sha256}`, path.slice(path.lastIndexOf('/') + 1), sizeBytes);
  const response = await send(() => {
    let doneBytes = 0;
    const stream = createReadStream(path);
    stream.on('data', (chunk) => {
      doneBytes += chunk.length;
      progress.bytes(doneBytes);
    });
    // A listener alone would let the data flow before anybody takes them.
    return stream.pause();
  });
  await discard(response);
  if (response.status < 200 || response.status > 299) {
    throw new RuntimeError('REGISTRY', `upload of "${path}": status ${response.status}`, { path });
  }
  progress.end();
}

function decodePushed({ quota, containerUrl }: JsonObject, base: URL): PushedImage {
  const { quotaTotal, quotaUsage } = isObject(quota) ? quota : {};
  const path = (optionalString(containerUrl) ?? '').replace(/^\/+/, '');
  return { usedBytes: Number(quotaUsage) || 0, quotaBytes: Number(quotaTotal) || 0, url: new URL(path, base).href };
}
