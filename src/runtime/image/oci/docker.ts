/** docker:// — an image in a registry. */
import { RuntimeError } from '../../../errors';
import type { Descriptor } from '../../../formats/oci/manifest';
import { formatReference, parseReference } from '../../../formats/oci/reference';
import { hostArch } from '../arch';
import { prefixed } from '../prefixed';
import type { FetchContext } from '../source/source';
import { storedBlob } from './blob-store';
import { type Endpoint, endpointsFor, firstAnswer } from './endpoints';
import { type OciImage, resolveManifest } from './image';

/**
 * Finds the image for the wanted platform.
 * @param text without `docker://`
 * @throws RuntimeError NETWORK, REGISTRY, IMAGE_*
 */
export async function dockerImage(text: string, context: FetchContext): Promise<OciImage & { name: string }> {
  const reference = parseReference(text);
  const { arch = hostArch(), archVariant: variant } = context.options;
  const endpoints = await endpointsFor(reference, context);
  const ask = async ({ registry, repository }: Endpoint) => {
    try {
      const first = await registry.manifest(repository, reference.digest ?? (reference.tag as string));
      const read = ({ digest }: Descriptor) => registry.manifest(repository, digest);
      return await resolveManifest(first, { arch, variant }, read);
    } catch (error) {
      const unreachable = error instanceof RuntimeError && error.code === 'NETWORK';
      throw unreachable ? prefixed(error, `pinging container registry ${registry.name}`) : error;
    }
  };
  const { value, endpoint } = await firstAnswer(endpoints, context, ask);
  // Who has the manifest has most likely the blobs; the others are asked when that turns out to be wrong.
  const order = [endpoint, ...endpoints.filter((other) => other !== endpoint)];
  return {
    ...value,
    name: formatReference(reference),
    blob: async (descriptor, label) => {
      const asked = firstAnswer(order, context, ({ registry, repository }) =>
        storedBlob(descriptor, label, (range) => registry.blob(repository, descriptor.digest, range), context),
      );
      return { path: (await asked).value, digest: descriptor.digest };
    },
  };
}
