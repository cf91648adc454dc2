/** OCI images as sources of SIF files: found by their scheme, fetched in layers, converted. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { RuntimeError } from '../../../errors';
import { checkLayerCount, decodeConfig, type ImageConfig } from '../../../formats/oci/config';
import { MAX_JSON_BYTES } from '../../../formats/oci/json';
import { layerCompression } from '../../../formats/oci/media-types';
import { hostArch } from '../arch';
import type { ConvertRequest, FetchContext, ImageSource } from '../source/source';
import type { OciImage } from './image';
import { mapLimited } from './map-limited';

/** Raised when what a conversion makes of an image changes: older files in the cache are then not used any more. */
const FORMAT = 'v2';

/** GOARCH names that `--arch` may have: those of Apptainer 1.4, and this machine's own. */
const ARCHITECTURES = ['arm', 'arm64', 'amd64', '386', 'ppc64le', 's390x', 'riscv64'];

export type OciScheme = 'docker' | 'oci' | 'oci-archive' | 'docker-archive' | 'docker-daemon';

/**
 * Finds an image.
 * @param rest what stands behind the scheme
 * @throws RuntimeError OPTION, NETWORK, REGISTRY, IMAGE_*
 */
export async function ociSource(scheme: OciScheme, rest: string, context: FetchContext): Promise<ImageSource> {
  checkArch(context.options.arch);
  const image = await findImage(scheme, rest, context);
  const owners = process.geteuid?.() === 0 ? 'keep' : 'root';
  const { arch = hostArch(), compression = '', reproducible = false, partOfBuild } = context.options;
  const header = { bootstrap: scheme, from: rest };
  const dates = reproducible ? `reproducible ${context.env.SOURCE_DATE_EPOCH ?? ''}` : '';
  // The image says of itself what it was made from: the same layers under another name are another file.
  // One that has no platforms to choose from is the same for all, but worth a warning for those whom it does not fit.
  const wanted = arch === hostArch() ? [] : [arch];
  const identity = [FORMAT, image.digest, owners, compression, header, dates, ...wanted];
  return {
    kind: 'oci-tmp',
    key: createHash('sha256').update(JSON.stringify(identity)).digest('hex'),
    reference: `${scheme}:${scheme === 'docker' ? '//' : ''}${rest}`,
    announcement: partOfBuild ? '' : 'Converting OCI blobs to SIF format',
    async produce(path, additions) {
      await convert(image, { header, path, additions }, context);
      return {};
    },
  };
}

/** A word that no image can have is a mistake of writing, such as x86_64, and must not end in an image for another machine. */
function checkArch(arch: string | undefined): void {
  if (arch === undefined || arch === hostArch() || ARCHITECTURES.includes(arch)) return;
  throw new RuntimeError(
    'OPTION',
    `while processing the arch and arch variant: arch: ${arch} is not valid, supported archs are: [${ARCHITECTURES.join(' ')}]`,
    { path: '--arch' },
  );
}

/** Modules are imported for the scheme that is asked for alone. */
async function findImage(scheme: OciScheme, rest: string, context: FetchContext): Promise<OciImage> {
  switch (scheme) {
    case 'docker':
      return (await import('./docker')).dockerImage(rest, context);
    case 'oci':
      return (await import('./layout')).layoutImage(rest, context);
    case 'oci-archive':
      return (await import('./oci-archive')).ociArchiveImage(rest, context);
    case 'docker-archive':
      return (await import('./docker-archive')).dockerArchiveImage(rest, context);
    case 'docker-daemon':
      return (await import('./docker-daemon')).dockerDaemonImage(rest, context);
  }
}

async function convert(
  image: OciImage,
  { header, path, additions }: Pick<ConvertRequest, 'header' | 'path' | 'additions'>,
  context: FetchContext,
): Promise<void> {
  const { onInfo, onWarning, onProgress, options, settings, version, env, signal } = context;
  if (!options.partOfBuild) onInfo('Starting build...');
  onInfo('Fetching OCI image...');
  const config = await readConfig(image);
  const request = async (): Promise<ConvertRequest> => ({
    layers: await fetchLayers(image, config, context),
    config,
    digest: image.digest,
    header,
    additions,
    reproducible: options.reproducible,
    env,
    arch: config.architecture ?? hostArch(),
    compression: options.compression,
    limits: { maxEntries: settings.conversionMaxEntries, maxBytes: settings.conversionMaxSize * 2 ** 20 },
    version,
    path,
    onProgress,
    signal,
  });
  const notes = await convertChecked(request, context);
  for (const note of notes) onWarning(note);
  const { arch = hostArch() } = options;
  if (config.architecture !== undefined && config.architecture !== arch) {
    onWarning(`Architecture ${config.architecture} does not match build arch ${arch}`);
  }
}

/** A blob in the cache may be damaged in a way that its size and times do not show: then it is fetched once more. */
async function convertChecked(request: () => Promise<ConvertRequest>, context: FetchContext): Promise<string[]> {
  const { cache, options, onInfo, onWarning } = context;
  const first = await request();
  first.additions?.onFetched();
  if (options.partOfBuild !== 'base') onInfo('Creating SIF file...');
  try {
    return await context.convert(first);
  } catch (error) {
    const cached = cache ? first.layers.filter(({ path }) => path.startsWith(`${cache.directory}/`)) : [];
    if (!(error instanceof RuntimeError) || error.code !== 'INTEGRITY' || cached.length === 0) throw error;
    onWarning(`The cache is damaged, fetching again: ${error.message}`);
    for (const { path } of cached) cache?.remove(path);
    return await context.convert(await request());
  }
}

async function readConfig(image: OciImage): Promise<ImageConfig> {
  const { config: descriptor, layers } = image.manifest;
  if (descriptor.sizeBytes > MAX_JSON_BYTES) {
    throw new RuntimeError('IMAGE_FORMAT', `the image configuration claims ${descriptor.sizeBytes} bytes`);
  }
  for (const { mediaType } of layers) {
    if (layerCompression(mediaType) !== undefined) continue;
    throw new RuntimeError(
      'IMAGE_UNSUPPORTED',
      `this is no image of a file system: it has a layer of type ${mediaType}`,
      {
        hint: mediaType.includes('sif') ? 'SIF files in registries are named by oras://' : undefined,
      },
    );
  }
  const file = await image.blob(descriptor, 'configuration');
  const bytes = await readFile(file.path);
  const [algorithm = 'sha256'] = file.digest.split(':');
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (digest !== file.digest) {
    throw new RuntimeError('INTEGRITY', `the image configuration has the digest ${digest}, not ${file.digest}`);
  }
  const config = decodeConfig(bytes);
  checkLayerCount(config, layers.length);
  return config;
}

async function fetchLayers(
  image: OciImage,
  config: ImageConfig,
  { settings }: FetchContext,
): Promise<ConvertRequest['layers']> {
  return await mapLimited(image.manifest.layers, settings.downloadConcurrency, async (layer, at) => ({
    ...(await image.blob(layer, 'layer')),
    mediaType: layer.mediaType,
    diffId: config.diffIds[at] as string,
  }));
}
