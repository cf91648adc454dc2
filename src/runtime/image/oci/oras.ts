/** SIF files in registries (formats.md section 17.2): a manifest with one layer, which is the file. */
import { RuntimeError } from '../../../errors';
import { type Descriptor, decodeManifest } from '../../../formats/oci/manifest';
import { isSifLayerType } from '../../../formats/oci/media-types';
import { type ImageReference, parseReference } from '../../../formats/oci/reference';
import type { FetchContext, ImageSource } from '../source/source';
import { download } from '../transfer/download';
import { type Endpoint, endpointsFor, firstAnswer } from './endpoints';
import { shortDigest, progressOf } from './progress-of';

/**
 * Finds an image.
 * @param reference without `oras://`
 * @throws RuntimeError NETWORK, REGISTRY, IMAGE_FORMAT
 */
export async function orasSource(reference: string, context: FetchContext): Promise<ImageSource> {
  const parsed = parseReference(reference);
  const endpoints = await endpointsFor(parsed, context, true);
  const { value: layer, endpoint } = await firstAnswer(endpoints, context, (asked) => sifLayer(parsed, asked));
  return {
    kind: 'oras',
    key: layer.digest,
    reference: `oras://${reference}`,
    announcement: 'Downloading oras image',
    produce: (path) => fetchLayer(layer, endpoint, context, path),
  };
}

async function sifLayer({ tag, digest }: ImageReference, { registry, repository }: Endpoint): Promise<Descriptor> {
  const { bytes, contentType } = await registry.manifest(repository, digest ?? (tag as string));
  const manifest = decodeManifest(bytes, contentType);
  if (manifest.kind === 'index') throw notSif('it is an index of several images');
  const [layer, ...more] = manifest.layers;
  if (layer === undefined || more.length > 0) throw notSif(`it has ${manifest.layers.length} layers, not one`);
  if (!isSifLayerType(layer.mediaType)) throw notSif(`invalid layer mediatype: ${layer.mediaType}`);
  return layer;
}

function notSif(detail: string): RuntimeError {
  return new RuntimeError('IMAGE_FORMAT', `this is no SIF image: ${detail}`, {
    hint: 'images of Docker and its kin are named by docker://',
  });
}

async function fetchLayer(
  { digest, sizeBytes }: Descriptor,
  { registry, repository }: Endpoint,
  { client, parts, signal, onProgress }: FetchContext,
  path: string,
): Promise<{ digest: string }> {
  const progress = progressOf(onProgress, digest, `image ${shortDigest(digest)}`, sizeBytes);
  await download({
    client,
    open: (range) => registry.blob(repository, digest, range),
    parts,
    path,
    what: `image ${digest}`,
    sizeBytes,
    digest,
    onBytes: progress.bytes,
    signal,
  });
  progress.end();
  return { digest };
}
