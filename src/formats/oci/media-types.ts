/** Media types of image manifests and layers: OCI's and Docker's. */

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';

/** formats.md section 17.2: a SIF in a registry is one layer of this type. */
export const SIF_CONFIG = 'application/vnd.sylabs.sif.config.v1+json';
export const SIF_LAYER = 'application/vnd.sylabs.sif.layer.v1.sif';
/** Misspelt by the first programs that pushed SIF files; such images exist. */
const SIF_LAYER_MISSPELT = 'appliciation/vnd.sylabs.sif.layer.tar';

/** What manifests are asked for, in the order of preference. */
export const ACCEPTED_MANIFESTS: readonly string[] = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST];

const SCHEMA_1 = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];

export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_INDEX;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/** The format of Docker before 2016: no digests of its own, no registry serves it any more. */
export function isSchema1Type(mediaType: string): boolean {
  return SCHEMA_1.includes(mediaType);
}

export function isSifLayerType(mediaType: string): boolean {
  return mediaType === SIF_LAYER || mediaType === SIF_LAYER_MISSPELT;
}

export type LayerCompression = 'none' | 'gzip' | 'zstd';

const LAYERS: Record<string, LayerCompression> = {
  'application/vnd.oci.image.layer.v1.tar': 'none',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
  'application/vnd.oci.image.layer.nondistributable.v1.tar': 'none',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd': 'zstd',
  'application/vnd.docker.image.rootfs.diff.tar': 'none',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'gzip',
  'application/vnd.docker.image.rootfs.diff.tar.zstd': 'zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar': 'none',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': 'gzip',
};

/** How a file system layer is compressed; `undefined` for anything that is no such layer. */
export function layerCompression(mediaType: string): LayerCompression | undefined {
  return Object.hasOwn(LAYERS, mediaType) ? LAYERS[mediaType] : undefined;
}
