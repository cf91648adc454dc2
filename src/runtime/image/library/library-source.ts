/** library:// — SIF files on library servers. */
import { RuntimeError } from '../../../errors';
import { hostArch } from '../arch';
import { progressOf } from '../oci/progress-of';
import type { FetchContext, ImageSource } from '../source/source';
import { download } from '../transfer/download';
import { discard } from '../transfer/message';
import { rangeHeader } from '../transfer/range';
import { LibraryApi, type LibraryImage } from './api';
import { libraryEndpoint } from './endpoint';
import { parseLibraryReference } from './reference';

/**
 * Finds an image.
 * @param text without `library://`
 * @throws RuntimeError NETWORK, REGISTRY, CONFIG, IMAGE_OPEN
 */
export async function librarySource(text: string, context: FetchContext): Promise<ImageSource> {
  const { host, path, tags } = parseLibraryReference(text);
  const arch = context.options.arch ?? hostArch();
  const api = new LibraryApi(await libraryEndpoint(host, context), context);
  const reference = `${path}:${tags[0] ?? 'latest'}`;
  const image = await api.image(reference, arch);
  if (!image) {
    throw new RuntimeError('REGISTRY', `image does not exist in the library: ${reference} (${arch})`, { path: text });
  }
  return {
    kind: 'library',
    key: image.hash,
    reference: `library://${text}`,
    announcement: 'Downloading library image',
    produce: (target) => fetchImage(api, { image, reference, arch }, context, target),
  };
}

async function fetchImage(
  api: LibraryApi,
  { image, reference, arch }: { image: LibraryImage; reference: string; arch: string },
  { client, parts, signal, onProgress }: FetchContext,
  path: string,
): Promise<{ digest: string }> {
  const digest = image.hash.replace('.', ':');
  const name = reference.slice(reference.lastIndexOf('/') + 1);
  const progress = progressOf(onProgress, digest, name, image.sizeBytes);
  const file = `v1/imagefile/${reference}?arch=${encodeURIComponent(arch)}`;
  await download({
    client,
    parts,
    open: async (range) => {
      const response = await api.open(file, rangeHeader(range));
      if ([200, 206, 416].includes(response.status)) return response;
      await discard(response);
      throw new RuntimeError('REGISTRY', `the library has no file for ${reference}: status ${response.status}`);
    },
    path,
    what: `image ${reference}`,
    sizeBytes: image.sizeBytes,
    digest,
    onBytes: progress.bytes,
    signal,
  });
  progress.end();
  return { digest };
}
