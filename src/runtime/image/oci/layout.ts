/** oci: — an image layout, a directory with blobs by digest (OCI image specification, image-layout.md). */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import { parseDigest } from '../../../formats/oci/digest';
import { MAX_JSON_BYTES } from '../../../formats/oci/json';
import { decodeManifest, type IndexEntry } from '../../../formats/oci/manifest';
import { OCI_INDEX } from '../../../formats/oci/media-types';
import { hostArch } from '../arch';
import { errnoText } from '../errno-text';
import type { FetchContext } from '../source/source';
import { type Found, type OciImage, resolveManifest } from './image';

const REFERENCE_NAME = 'org.opencontainers.image.ref.name';

/** Where the files of a layout are: in a directory, or somewhere in an archive. */
export interface LayoutFiles {
  /** For messages. */
  name: string;
  /** @throws RuntimeError when there is no such file, or it is larger than `limitBytes` */
  read(path: string, limitBytes: number): Uint8Array;
  /** A file of its own with that content; takes a while for archives. */
  path(path: string): Promise<string>;
}

/**
 * @param text `DIRECTORY[:REFERENCE]`
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_ARCH
 */
export async function layoutImage(text: string, context: FetchContext): Promise<OciImage> {
  const { path, reference } = splitPath(text);
  return await imageOfLayout(directoryFiles(path), reference, context);
}

/** The first colon ends the path, as in other programs. */
export function splitPath(text: string): { path: string; reference?: string } {
  const colon = text.indexOf(':');
  if (colon < 0) return { path: text };
  const reference = text.slice(colon + 1);
  return { path: text.slice(0, colon), ...(reference === '' ? undefined : { reference }) };
}

export async function imageOfLayout(
  files: LayoutFiles,
  reference: string | undefined,
  { options }: FetchContext,
): Promise<OciImage> {
  const { arch = hostArch(), archVariant: variant } = options;
  const index = decodeManifest(files.read('index.json', MAX_JSON_BYTES), OCI_INDEX);
  if (index.kind !== 'index') throw new RuntimeError('IMAGE_FORMAT', `"${files.name}/index.json" is no index`);
  const read = async (entry: { digest: string }): Promise<Found> => ({
    bytes: readBlob(files, entry.digest),
    digest: entry.digest,
  });
  const entry = chooseEntry(index.entries, reference, files.name);
  const found = await resolveManifest(await read(entry), { arch, variant }, read);
  return {
    ...found,
    blob: async ({ digest, sizeBytes }) => {
      const path = await files.path(blobName(digest));
      checkSize(path, sizeBytes, digest);
      return { path, digest };
    },
  };
}

function chooseEntry(entries: IndexEntry[], reference: string | undefined, name: string): IndexEntry {
  const named = entries.filter(
    ({ annotations }) => reference === undefined || annotations[REFERENCE_NAME] === reference,
  );
  const [entry, ...more] = named;
  const names = entries.map(({ annotations }) => annotations[REFERENCE_NAME]).filter((text) => text !== undefined);
  const hint = names.length > 0 ? `there are ${names.join(', ')}: write ${name}:NAME` : undefined;
  if (entry === undefined) {
    throw new RuntimeError('IMAGE_OPEN', `no descriptor found for reference "${reference ?? ''}"`, {
      path: name,
      hint,
    });
  }
  if (more.length > 0 && reference === undefined) {
    throw new RuntimeError('IMAGE_OPEN', 'more than one image in oci, choose an image', { path: name, hint });
  }
  return entry;
}

function readBlob(files: LayoutFiles, digest: string): Uint8Array {
  const bytes = files.read(blobName(digest), MAX_JSON_BYTES);
  const { algorithm, hex } = parseDigest(digest) as NonNullable<ReturnType<typeof parseDigest>>;
  const found = createHash(algorithm).update(bytes).digest('hex');
  if (found === hex) return bytes;
  const message = `"${blobName(digest)}" in "${files.name}" has the digest ${algorithm}:${found}`;
  throw new RuntimeError('INTEGRITY', message, { path: files.name });
}

function checkSize(path: string, sizeBytes: number, digest: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined || size === sizeBytes) return;
  throw new RuntimeError('INTEGRITY', `blob ${digest} has ${size} bytes, the manifest says ${sizeBytes}`, { path });
}

function blobName(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function directoryFiles(directory: string): LayoutFiles {
  return {
    name: directory,
    read(name, limitBytes) {
      const path = join(directory, name);
      try {
        if (statSync(path).size > limitBytes)
          throw new RuntimeError('IMAGE_FORMAT', `"${path}" is too large: the limit is ${limitBytes} bytes`);
        return readFileSync(path);
      } catch (error) {
        throw error instanceof RuntimeError ? error : unreadable(path, error);
      }
    },
    path: async (name) => join(directory, name),
  };
}

export function unreadable(path: string, cause: unknown): RuntimeError {
  const errno = errnoOf(cause);
  return new RuntimeError('IMAGE_OPEN', `open ${path}: ${errnoText(cause)}`, { path, errno, cause });
}
