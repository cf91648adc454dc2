/** Image manifests and indexes, OCI's and Docker's, which differ in their media types alone. */
import { RuntimeError } from '../../errors';
import { requireDigest } from './digest';
import { isObject, type JsonObject, optionalString, parseObject, printable, stringMap } from './json';
import { isIndexType, isManifestType, isSchema1Type } from './media-types';

export interface Descriptor {
  mediaType: string;
  digest: string;
  sizeBytes: number;
  annotations: Record<string, string>;
}

export interface Platform {
  os: string;
  /** GOARCH name. */
  architecture: string;
  variant?: string;
}

export interface IndexEntry extends Descriptor {
  platform?: Platform;
}

export interface ImageIndex {
  kind: 'index';
  entries: IndexEntry[];
}

export interface ImageManifest {
  kind: 'manifest';
  config: Descriptor;
  layers: Descriptor[];
  annotations: Record<string, string>;
}

/** More layers than any builder makes (Docker stops at 127), and more platforms than there are. */
const MAX_LAYERS = 2048;
const MAX_ENTRIES = 4096;

/**
 * Decodes a manifest or an index.
 * @param contentType what the server says it is; asked only when the document does not say so itself
 * @throws RuntimeError IMAGE_FORMAT, IMAGE_UNSUPPORTED (Docker's first format)
 */
export function decodeManifest(bytes: Uint8Array, contentType?: string): ImageIndex | ImageManifest {
  const json = parseObject(bytes, 'the manifest');
  const mediaType = optionalString(json.mediaType) ?? contentType?.split(';')[0]?.trim() ?? '';
  if (json.schemaVersion === 1 || isSchema1Type(mediaType)) {
    throw new RuntimeError('IMAGE_UNSUPPORTED', 'the image has a manifest of Docker’s first format (schema 1)', {
      hint: 'push the image again with a program of this decade',
    });
  }
  if (json.schemaVersion !== 2) {
    throw new RuntimeError('IMAGE_FORMAT', `the manifest has schema version ${shown(json.schemaVersion)}, not 2`);
  }
  // A document that is both could mean one image to us and another to whoever checked it (CVE-2021-41190).
  const hasEntries = json.manifests !== undefined;
  const hasLayers = json.layers !== undefined || json.config !== undefined;
  if (hasEntries && hasLayers) throw new RuntimeError('IMAGE_FORMAT', 'the manifest is both an index and an image');
  if (hasEntries && !isManifestType(mediaType)) return decodeIndex(json);
  if (hasLayers && !isIndexType(mediaType)) return decodeImage(json);
  throw new RuntimeError('IMAGE_FORMAT', `the manifest is neither an index nor an image: type ${shown(mediaType)}`);
}

function decodeIndex(json: JsonObject): ImageIndex {
  const list = json.manifests;
  if (!Array.isArray(list) || list.length > MAX_ENTRIES) throw new RuntimeError('IMAGE_FORMAT', 'absurd image index');
  return { kind: 'index', entries: list.map((entry, at) => decodeEntry(entry, `entry ${at + 1} of the index`)) };
}

function decodeEntry(value: unknown, what: string): IndexEntry {
  const descriptor = decodeDescriptor(value, what);
  const platform = (value as JsonObject).platform;
  if (!isObject(platform)) return descriptor;
  const { os, architecture, variant } = platform;
  if (typeof os !== 'string' || typeof architecture !== 'string') return descriptor;
  return { ...descriptor, platform: { os, architecture, variant: optionalString(variant) } };
}

function decodeImage(json: JsonObject): ImageManifest {
  const { layers } = json;
  if (!Array.isArray(layers) || layers.length > MAX_LAYERS) {
    throw new RuntimeError('IMAGE_FORMAT', 'the manifest has no list of layers, or an absurd one');
  }
  return {
    kind: 'manifest',
    config: decodeDescriptor(json.config, 'the configuration of the manifest'),
    layers: layers.map((layer, at) => decodeDescriptor(layer, `layer ${at + 1} of the manifest`)),
    annotations: stringMap(json.annotations),
  };
}

function decodeDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw new RuntimeError('IMAGE_FORMAT', `${what} is no object`);
  const { mediaType, size } = value;
  if (typeof mediaType !== 'string') throw new RuntimeError('IMAGE_FORMAT', `${what} has no media type`);
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    throw new RuntimeError('IMAGE_FORMAT', `${what} claims a size of ${shown(size)} bytes`);
  }
  return {
    mediaType,
    digest: requireDigest(value.digest, what),
    sizeBytes: size as number,
    annotations: stringMap(value.annotations),
  };
}

function shown(value: unknown): string {
  return printable(JSON.stringify(value) ?? 'nothing', 80);
}
