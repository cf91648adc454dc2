/** `davit build`: from a directory or an image to a SIF or a sandbox. */
import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../errors';
import { DataType } from '../../formats/sif/constants';
import type { BuildSifResult, BuildSifTask } from '../../workers/build-sif';
import { imageAddonPath, runTask } from '../../workers/pool';
import type { UnpackSandboxTask } from '../../workers/unpack-sandbox';
import { hostArch } from '../image/arch';
import { type InspectedImage, inspectImage } from '../image/open';
import { parseCompression } from './compression';
import { checkTarget, replaceTarget } from './target';

export interface BuildOptions {
  /** Path of the new image. */
  target: string;
  /** A sandbox directory, a SIF or a squashfs file. */
  source: string;
  /** Replaces what has the target's name. */
  force?: boolean;
  /** Makes a directory instead of a SIF. */
  sandbox?: boolean;
  /** `zstd` (default), `gzip`, `xz` or `lz4`, with `:level` where there are levels. */
  compression?: string;
  /** Version of davit, for the image's labels. */
  version: string;
  /** Progress, in the words of the command line. */
  onInfo?: (text: string) => void;
  /** Something was left out of the image. */
  onWarning?: (text: string) => void;
}

const MAX_JSON_BYTES = 16 << 20;

/**
 * Builds an image. Under the target's name there is the complete new image, or what was there before.
 * @throws RuntimeError IMAGE_BUILD, OPTION, and what inspectImage throws about the source
 */
export async function buildImage(options: BuildOptions): Promise<void> {
  const { target, source, onInfo = () => undefined, onWarning = () => undefined } = options;
  const compression = parseCompression(options.compression);
  checkTarget(target, options.force ?? false, source);
  const inspected = inspectSource(source);
  onInfo('Starting build...');
  if (options.sandbox && inspected.image.kind === 'sandbox') {
    throw new RuntimeError('IMAGE_BUILD', `"${source}" is a sandbox already`, { hint: 'copy it with "cp -a"' });
  }
  onInfo(options.sandbox ? 'Creating sandbox directory...' : 'Creating SIF file...');
  const make = (temporary: string) =>
    options.sandbox
      ? unpackSandbox(inspected, temporary)
      : packSif(inspected, temporary, { ...compression, version: options.version });
  const notes = await replaceTarget(target, make).catch((error: unknown) => {
    if (!(error instanceof RuntimeError)) throw error;
    const { code, message, errno, path, hint } = error;
    throw new RuntimeError(code, `While performing build: ${message}`, { errno, path, hint, cause: error });
  });
  for (const note of notes) onWarning(note);
  onInfo(`Build complete: ${target}`);
}

/** Opens the source; a file that is no image may be a definition file, which is not there yet. */
function inspectSource(source: string): InspectedImage {
  try {
    return inspectImage(source);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const { code, hint, errno, path } = error;
    const unrecognised = error.message.includes('image format not recognized');
    if (!unrecognised || !looksLikeDefinition(source)) {
      throw new RuntimeError(code, `Unable to build from ${source}: ${error.message}`, { hint, errno, path });
    }
    throw new RuntimeError(
      'IMAGE_UNSUPPORTED',
      `Unable to build from ${source}: definition files are not supported yet`,
      {
        path: source,
        hint: 'build from a directory: "davit build image.sif ROOTFS"',
      },
    );
  }
}

function looksLikeDefinition(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(65536);
    const text = bytes.toString('utf8', 0, readSync(fd, bytes));
    return /^\s*bootstrap\s*:/im.test(text);
  } finally {
    closeSync(fd);
  }
}

/** Images keep their owners; a plain user's directory holds his own files, which are root's in the image. */
async function packSif(
  { image, sif }: InspectedImage,
  target: string,
  { compressor, level, version }: { compressor: number; level: number; version: string },
): Promise<string[]> {
  const { availableParallelism } = await import('node:os');
  const { randomUUID } = await import('node:crypto');
  const { path, squashfs } = image;
  const task: BuildSifTask = {
    addonPath: imageAddonPath(),
    source: squashfs
      ? { kind: 'squashfs', path, offsetBytes: squashfs.offsetBytes, sizeBytes: squashfs.sizeBytes }
      : { kind: 'directory', path },
    target,
    allRoot: process.geteuid?.() !== 0,
    compressor,
    level,
    workers: availableParallelism(),
    timeMs: Date.now(),
    id: Buffer.from(randomUUID().replaceAll('-', ''), 'hex'),
    version,
    from: image.given,
    hostArch: hostArch(),
    arch: image.arch,
    carried: sif ? carriedObjects(path, sif.descriptors) : {},
  };
  return (await runTask<BuildSifTask, BuildSifResult>('build-sif', task)).notes;
}

/** JSON objects of a SIF that say something about its contents and are not made anew. */
function carriedObjects(
  path: string,
  descriptors: NonNullable<InspectedImage['sif']>['descriptors'],
): Record<string, string> {
  const carried: Record<string, string> = {};
  const fd = openSync(path, 'r');
  try {
    for (const { type, name, offsetBytes, sizeBytes } of descriptors) {
      if (type !== DataType.genericJson || name !== 'oci-config.json' || sizeBytes > MAX_JSON_BYTES) continue;
      const bytes = Buffer.alloc(sizeBytes);
      carried[name] = bytes.toString('utf8', 0, readSync(fd, bytes, 0, sizeBytes, offsetBytes));
    }
  } catch (cause) {
    throw new RuntimeError('IMAGE_BUILD', `read "${path}": ${errnoOf(cause) ?? String(cause)}`, { path, cause });
  } finally {
    closeSync(fd);
  }
  return carried;
}

async function unpackSandbox({ image }: InspectedImage, directory: string): Promise<string[]> {
  const { path, squashfs } = image;
  if (!squashfs) throw new RuntimeError('INTERNAL', 'a sandbox cannot be unpacked');
  const { offsetBytes, sizeBytes } = squashfs;
  const faithful = process.geteuid?.() === 0;
  const task: UnpackSandboxTask = {
    addonPath: imageAddonPath(),
    image: { path, offsetBytes, sizeBytes },
    directory,
    faithful,
  };
  return await runTask('unpack-sandbox', task);
}
