/** An OCI image, wherever it lies: its manifest, and its blobs as files. */
import { RuntimeError } from '../../../errors';
import { type Descriptor, decodeManifest, type ImageManifest } from '../../../formats/oci/manifest';
import { selectPlatform, type WantedPlatform } from '../../../formats/oci/platform';

export interface OciImage {
  /** Identifies the image: everything follows from what has this digest. */
  digest: string;
  manifest: ImageManifest;
  /**
   * A blob as a file, fetched now unless it is here; its content may still have to be checked.
   * @param label for progress and messages
   * @throws RuntimeError
   */
  blob(descriptor: Descriptor, label: string): Promise<BlobFile>;
}

export interface BlobFile {
  path: string;
  /** What its content ought to have. */
  digest: string;
}

/** A document as it was found under a tag or a digest. */
export interface Found {
  bytes: Uint8Array;
  digest: string;
  contentType?: string;
}

/** Indexes that lead to indexes; nobody makes more than two. */
const MAX_DEPTH = 8;

/**
 * From a tag or a digest to the manifest of the image for a platform.
 * @param read gets a document by digest
 * @throws RuntimeError IMAGE_FORMAT (also for indexes that lead back to themselves), IMAGE_ARCH
 */
export async function resolveManifest(
  first: Found,
  platform: WantedPlatform,
  read: (descriptor: Descriptor) => Promise<Found>,
): Promise<{ digest: string; manifest: ImageManifest }> {
  const seen = new Set<string>();
  let found = first;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (seen.has(found.digest))
      throw new RuntimeError('IMAGE_FORMAT', `the index ${found.digest} leads back to itself`);
    seen.add(found.digest);
    const manifest = decodeManifest(found.bytes, found.contentType);
    if (manifest.kind === 'manifest') return { digest: found.digest, manifest };
    const entry = selectPlatform(manifest, platform);
    found = { contentType: entry.mediaType, ...(await read(entry)) };
  }
  throw new RuntimeError('IMAGE_FORMAT', `more than ${MAX_DEPTH} indexes lead to one another`);
}
