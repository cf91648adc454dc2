/** Blobs as files: in the cache, or where there is none in a temporary directory. */
import { parseDigest } from '../../../formats/oci/digest';
import type { Descriptor } from '../../../formats/oci/manifest';
import type { FetchContext } from '../source/source';
import { download } from '../transfer/download';
import type { OpenRange } from '../transfer/parts';
import { progressOf, shortDigest } from './progress-of';

/**
 * A blob as a file, with the announced size and digest.
 * @throws RuntimeError NETWORK, REGISTRY, INTEGRITY
 */
export async function storedBlob(
  descriptor: Descriptor,
  label: string,
  open: OpenRange,
  context: FetchContext,
): Promise<string> {
  const { cache, temporary, signal } = context;
  const { digest, sizeBytes } = descriptor;
  const found = await cache?.findBlob(digest, sizeBytes, signal);
  if (found !== undefined) return found;
  if (cache?.isWritable) {
    const name = `blob-${parseDigest(digest)?.hex}`;
    const fetchOnce = async (): Promise<string> => {
      const meanwhile = await cache.findBlob(digest, sizeBytes, signal);
      if (meanwhile !== undefined) return meanwhile;
      const path = cache.blobPath(digest);
      await fetchTo(cache.partialPath(name), descriptor, label, open, context);
      cache.publish(cache.partialPath(name), path, { digest });
      return path;
    };
    try {
      return await cache.exclusively(name, fetchOnce, signal);
    } catch (error) {
      if (!cache.trouble(error)) throw error;
    }
  }
  const path = temporary.newPath();
  await fetchTo(path, descriptor, label, open, context);
  return path;
}

async function fetchTo(
  path: string,
  { digest, sizeBytes }: Descriptor,
  label: string,
  open: OpenRange,
  { client, parts, signal, onProgress }: FetchContext,
): Promise<void> {
  // Configurations are over before anybody could look.
  const shown = label === 'layer' ? onProgress : () => undefined;
  const progress = progressOf(shown, digest, `${label} ${shortDigest(digest)}`, sizeBytes);
  await download({
    client,
    open,
    parts,
    path,
    what: `${label} ${digest}`,
    sizeBytes,
    digest,
    onBytes: progress.bytes,
    signal,
  });
  progress.end();
}
