/** From the layers of an OCI image to the file system of a SIF. */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { errnoOf, RuntimeError } from '../../../errors';
import type { NewEntry } from '../../../formats/container/tree';
import { type ConvertLayersReply, type ConvertLayersTask, FIRST_LAYER_COUNTER } from '../../../workers/convert-layers';
import { imageAddonPath, runTask } from '../../../workers/pool';
import type { OnProgress } from '../../image/source/progress';
import { parseCompression } from './compression';
import { type PackedBytes, whilePacking } from './packing-progress';

export interface LayerFile {
  /** The blob, as the registry gave it. */
  path: string;
  mediaType: string;
  /** Of the blob, `sha256:…`. */
  digest: string;
  /** Of the tar in it, from the image's configuration. */
  diffId?: string;
}

export interface ConvertLayersRequest {
  /** Lowest first, as in a manifest. */
  layers: LayerFile[];
  /** Put on top of the layers; what has `replace` goes through whatever a layer has put there, links included. */
  generated: NewEntry[];
  /** The file is there, and will end where the squashfs does. */
  output: { path: string; offsetBytes: number };
  /** `zstd`, `gzip`, `xz` or `lz4`. */
  compression: { name: string; level?: number };
  /** `root`: every file belongs to root, and device nodes are left out. */
  owners: 'keep' | 'root';
  limits?: ConvertLimits;
  /** Unix seconds, of directories that no layer describes, of what is generated, and of the file system; default now. */
  timeS?: number;
  /** No file is given a later date (Unix seconds). */
  latestS?: number;
  /** Bytes of the blobs that have been worked on. */
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** What an image may cost; over them is an error. */
export interface ConvertLimits {
  /** Entries in all layers together: each costs about 500 bytes of memory. */
  maxEntries: number;
  /** Decompressed bytes of all layers together, and bytes of all files with their holes. */
  maxBytes: number;
}

export interface ConvertedLayers {
  /** A multiple of 4096. */
  sizeBytes: number;
  /** What was left out, in words. */
  notes: string[];
  /** Digests of the tars, in the order of the layers. */
  diffIds: string[];
}

export const DEFAULT_LIMITS: ConvertLimits = { maxEntries: 1_000_000, maxBytes: 256 * 2 ** 30 };

const BLOCK_BYTES = 131072;
/** Reading and hashing keep up with about so many; each holds up to ten blocks in memory. */
const MAX_WORKERS = 32;
/** OCI image specification, layer.md; Docker's distribution manifest 2.2. How they are compressed, the bytes say. */
const LAYER_TYPES =
  /^application\/(vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar|vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.(gzip|zstd))?)(\+(gzip|zstd))?$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Converts layers. After an error what lies in the output from the offset on means nothing.
 * @throws RuntimeError INTEGRITY when a digest is wrong; IMAGE_FORMAT for damaged layers and for what cannot be in an
 *   image; IMAGE_UNSUPPORTED for other media types and digests; IMAGE_BUILD over a limit, and when the output cannot
 *   be written; the signal's reason when it aborts
 */
export async function convertLayers(request: ConvertLayersRequest): Promise<ConvertedLayers> {
  const { layers, signal, onProgress } = request;
  signal?.throwIfAborted();
  for (const layer of layers) checkLayer(layer);
  const counters = FIRST_LAYER_COUNTER + layers.length;
  const { sizeBytes, diffIds, notes } = await whilePacking(amountOf(layers), onProgress, (onCounters) =>
    runTask<ConvertLayersTask, ConvertLayersReply>('convert-layers', taskFor(request), {
      partial: request.output.path,
      counters,
      onCounters,
      signal,
    }),
  );
  return { sizeBytes, notes, diffIds };
}

function checkLayer({ mediaType, digest, diffId }: LayerFile): void {
  if (!LAYER_TYPES.test(mediaType)) {
    throw new RuntimeError('IMAGE_UNSUPPORTED', `layer ${digest} is of the type "${mediaType}", which is no tar`, {
      path: digest,
    });
  }
  for (const text of [digest, diffId ?? digest]) {
    if (DIGEST.test(text)) continue;
    throw new RuntimeError('IMAGE_UNSUPPORTED', `digest "${text}": only sha256 is supported`, { path: text });
  }
}

function taskFor(request: ConvertLayersRequest): ConvertLayersTask {
  const { layers, generated, output, compression, owners, limits = DEFAULT_LIMITS, latestS } = request;
  const { name, level } = compression;
  return {
    addonPath: imageAddonPath(),
    output: { ...output, ino: statSync(output.path).ino },
    options: {
      ...parseCompression(level === undefined ? name : `${name}:${level}`),
      layers: layers.map(({ path, digest, diffId = '' }) => ({ path, digest, diffId })),
      generated,
      allRoot: owners === 'root',
      devices: owners === 'keep',
      ...limits,
      blockSize: BLOCK_BYTES,
      workers: Math.min(availableParallelism(), MAX_WORKERS),
      mtime: request.timeS ?? Math.floor(Date.now() / 1000),
      ...(latestS === undefined ? {} : { latestS }),
    },
  };
}

/** How much of the blobs has been read. */
function amountOf(layers: LayerFile[]): (counters: number[]) => PackedBytes {
  const totalBytes = layers.map(({ path }) => sizeOf(path)).reduce((left, right) => left + right, 0);
  return (counters) => {
    const doneBytes = counters.slice(FIRST_LAYER_COUNTER).reduce((left, right) => left + right, 0);
    return { doneBytes, totalBytes };
  };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('IMAGE_BUILD', `open layer "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
  }
}
