/** docker-archive: — what `docker save` writes: a tar archive with `manifest.json`, configurations and layers. */
import { createHash } from 'node:crypto';
import { RuntimeError } from '../../../errors';
import { decodeConfig } from '../../../formats/oci/config';
import { isObject, MAX_JSON_BYTES, stringList } from '../../../formats/oci/json';
import type { Descriptor } from '../../../formats/oci/manifest';
import { OCI_CONFIG } from '../../../formats/oci/media-types';
import { parseReference, formatReference } from '../../../formats/oci/reference';
import { hashOf } from '../cache/entry';
import type { FetchContext } from '../source/source';
import { Archive } from './archive';
import type { OciImage } from './image';
import { splitPath } from './layout';

interface SavedImage {
  config: string;
  layers: string[];
  tags: string[];
}

/** Layers in such archives are plain tar by rule; some programs write compressed ones, which their magic tells. */
const PLAIN_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';
const GZIP_LAYER = `${PLAIN_LAYER}.gzip`;
const ZSTD_LAYER = `${PLAIN_LAYER}.zstd`;

/**
 * @param text `FILE[:NAME:TAG]` or `FILE:@INDEX`
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_UNSUPPORTED
 */
export async function dockerArchiveImage(text: string, context: FetchContext): Promise<OciImage> {
  const { path, reference } = splitPath(text);
  return await imageOfDockerArchive(await Archive.open(path, context), reference);
}

export async function imageOfDockerArchive(archive: Archive, reference: string | undefined): Promise<OciImage> {
  const saved = chooseSaved(readSaved(archive), reference, archive.name);
  const configBytes = archive.read(saved.config, MAX_JSON_BYTES);
  const config = decodeConfig(configBytes);
  if (config.diffIds.length !== saved.layers.length) {
    const message = `"${archive.name}" has ${saved.layers.length} layers, its configuration ${config.diffIds.length}`;
    throw new RuntimeError('IMAGE_FORMAT', message, { path: archive.name });
  }
  const digest = `sha256:${createHash('sha256').update(configBytes).digest('hex')}`;
  // Their digests in the archive are unknown; what is in them is told by the configuration.
  const layers = saved.layers.map((name, at) => layerDescriptor(archive, name, config.diffIds[at] as string));
  const names = new Map(layers.map((layer, at) => [layer, saved.layers[at] as string]));
  const configDescriptor = { mediaType: OCI_CONFIG, digest, sizeBytes: configBytes.length, annotations: {} };
  return {
    digest,
    manifest: { kind: 'manifest', config: configDescriptor, layers, annotations: {} },
    blob: async (descriptor) => {
      const path = await archive.extract(names.get(descriptor) ?? saved.config);
      // The digest of a compressed layer is announced nowhere; what is in it must have its diffId all the same.
      const isPlain = descriptor.mediaType === PLAIN_LAYER || descriptor.mediaType === OCI_CONFIG;
      return { path, digest: isPlain ? descriptor.digest : await hashOf(path, descriptor.digest) };
    },
  };
}

function layerDescriptor(archive: Archive, name: string, diffId: string): Descriptor {
  const magic = archive.peek(name, 4);
  const mediaType =
    magic.readUInt16BE(0) === 0x1f8b ? GZIP_LAYER : magic.readUInt32BE(0) === 0x28b52ffd ? ZSTD_LAYER : PLAIN_LAYER;
  return { mediaType, digest: diffId, sizeBytes: archive.sizeOf(name), annotations: {} };
}

function readSaved(archive: Archive): SavedImage[] {
  const text = archive.read('manifest.json', MAX_JSON_BYTES).toString('utf8');
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list) || !list.every(isObject)) {
    throw new RuntimeError('IMAGE_FORMAT', `"manifest.json" in "${archive.name}" is no list`, { path: archive.name });
  }
  return list.map(({ Config, Layers, RepoTags }) => {
    if (typeof Config !== 'string') throw new RuntimeError('IMAGE_FORMAT', `"${archive.name}" names no configuration`);
    const layers = stringList(Layers, `Layers in "${archive.name}"`) ?? [];
    return { config: Config, layers, tags: stringList(RepoTags, `RepoTags in "${archive.name}"`) ?? [] };
  });
}

function chooseSaved(all: SavedImage[], reference: string | undefined, name: string): SavedImage {
  const hint = `there are ${all.map(({ tags }, at) => tags.join(', ') || `@${at}`).join('; ')}`;
  const byIndex = /^@(\d+)$/.exec(reference ?? '')?.[1];
  const chosen =
    reference === undefined
      ? all
      : byIndex === undefined
        ? all.filter(({ tags }) => tags.some((tag) => sameName(tag, reference)))
        : all.slice(Number(byIndex), Number(byIndex) + 1);
  const [image, ...more] = chosen;
  if (image === undefined) {
    throw new RuntimeError('IMAGE_OPEN', `no image "${reference ?? ''}" in "${name}"`, { path: name, hint });
  }
  if (more.length > 0) {
    throw new RuntimeError('IMAGE_OPEN', `more than one image in "${name}", choose an image`, { path: name, hint });
  }
  return image;
}

function sameName(tag: string, reference: string): boolean {
  const normal = (text: string): string => {
    try {
      return formatReference(parseReference(text));
    } catch {
      return text;
    }
  };
  return normal(tag) === normal(reference);
}
