/** push oras:// — a SIF file into a registry (formats.md section 17.2). */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { RuntimeError } from '../../../errors';
import { OCI_MANIFEST, SIF_CONFIG, SIF_LAYER } from '../../../formats/oci/media-types';
import { parseReference } from '../../../formats/oci/reference';
import { hashOf } from '../cache/entry';
import type { FetchContext } from '../source/source';
import { discard, headerOf, type HttpResponse } from '../transfer/message';
import { isPassingError, pauseMs } from '../transfer/retry';
import { failureCode } from '../transfer/wording';
import { endpointsFor, type Endpoint } from './endpoints';
import { progressOf, shortDigest } from './progress-of';

/** The configuration of such images says nothing. */
const CONFIG = '{}';

interface Blob {
  digest: string;
  sizeBytes: number;
  /** Opened once for every try. */
  open: () => Readable;
  /** Shown while it is sent. */
  label?: string;
}

/**
 * Uploads a file.
 * @param reference without `oras://`
 * @returns the digest of the manifest
 * @throws RuntimeError NETWORK, REGISTRY, IMAGE_OPEN
 */
export async function pushSif(path: string, reference: string, context: FetchContext): Promise<string> {
  const parsed = parseReference(reference);
  if (parsed.tag === undefined) {
    throw new RuntimeError('IMAGE_OPEN', `an image is pushed to a tag, not to a digest: ${reference}`);
  }
  const endpoint = (await endpointsFor(parsed, context, true)).at(-1) as Endpoint;
  const layer: Blob = {
    digest: await hashOf(path, 'sha256:', context.signal),
    sizeBytes: statSync(path).size,
    open: () => createReadStream(path),
    label: basename(path),
  };
  const config: Blob = { digest: sha256(CONFIG), sizeBytes: CONFIG.length, open: () => Readable.from([CONFIG]) };
  for (const blob of [layer, config]) await pushBlob(blob, endpoint, context);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: SIF_CONFIG, digest: config.digest, size: config.sizeBytes },
    layers: [
      {
        mediaType: SIF_LAYER,
        digest: layer.digest,
        size: layer.sizeBytes,
        annotations: { 'org.opencontainers.image.title': basename(path) },
      },
    ],
  });
  await pushManifest(manifest, parsed.tag, endpoint);
  return sha256(manifest);
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** Sends a blob unless the registry has it; a connection that breaks off means the whole blob again. */
async function pushBlob(blob: Blob, endpoint: Endpoint, { client, signal, onProgress }: FetchContext): Promise<void> {
  const { registry, repository } = endpoint;
  const there = await registry.send(repository, `blobs/${blob.digest}`, { method: 'HEAD' }, 'pull,push');
  await discard(there);
  if (there.status === 200) return;
  const shown = blob.label === undefined ? () => undefined : onProgress;
  const progress = progressOf(shown, blob.digest, blob.label ?? shortDigest(blob.digest), blob.sizeBytes);
  for (let failures = 1; ; failures++) {
    try {
      await upload(blob, endpoint, progress.bytes);
      progress.end();
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const passing = error instanceof RuntimeError && error.code === 'NETWORK' && isPassingError(failureCode(error));
      if (!passing || failures >= client.retry.tries) throw error;
      await client.waitAfter(error.message, pauseMs(client.retry, failures), signal);
    }
  }
}

/** Begin, send, end (distribution specification, "Pushing a blob in chunks", with one chunk). */
async function upload(
  blob: Blob,
  { registry, repository }: Endpoint,
  onBytes: (doneBytes: number) => void,
): Promise<void> {
  const what = `upload ${blob.digest} to ${registry.name}/${repository}`;
  const expect = async (response: HttpResponse, status: number): Promise<HttpResponse> => {
    if (response.status !== status) throw await registry.failure(response, what);
    await discard(response);
    return response;
  };
  const send = registry.send.bind(registry);
  const begun = await send(
    repository,
    'blobs/uploads/',
    { method: 'POST', headers: { 'content-length': '0' } },
    'pull,push',
  );
  const place = uploadUrl(await expect(begun, 202), what);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.sizeBytes) };
  const body = (): Readable => counted(blob.open(), onBytes);
  const sent = await send(repository, place, { method: 'PATCH', headers, body, once: true }, 'pull,push');
  const end = uploadUrl(await expect(sent, 202), what);
  end.searchParams.set('digest', blob.digest);
  const finish = { method: 'PUT' as const, headers: { 'content-length': '0' }, once: true };
  await expect(await send(repository, end, finish, 'pull,push'), 201);
}

function uploadUrl(response: HttpResponse, what: string): URL {
  const location = headerOf(response, 'location');
  if (location !== undefined && URL.canParse(location, response.url.href)) return new URL(location, response.url);
  throw new RuntimeError('REGISTRY', `${what}: the registry does not say where to`);
}

function counted(stream: Readable, onBytes: (doneBytes: number) => void): Readable {
  let done = 0;
  stream.on('data', (chunk: Buffer | string) => {
    done += chunk.length;
    onBytes(done);
  });
  // A listener alone would let the data flow before anybody takes them.
  return stream.pause();
}

async function pushManifest(manifest: string, tag: string, { registry, repository }: Endpoint): Promise<void> {
  const request = { method: 'PUT' as const, headers: { 'content-type': OCI_MANIFEST }, body: manifest };
  const response = await registry.send(repository, `manifests/${tag}`, request, 'pull,push');
  if (response.status !== 201) throw await registry.failure(response, `push ${registry.name}/${repository}:${tag}`);
  await discard(response);
}
