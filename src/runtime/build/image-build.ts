/** Builds without a definition: an image or a URI becomes a SIF or a sandbox. */
import { RuntimeError } from '../../errors';
import { imageAddonPath, runTask } from '../../workers/pool';
import type { UnpackSandboxTask } from '../../workers/unpack-sandbox';
import { type InspectedImage, inspectImage } from '../image/open';
import { unsupportedUri, withoutLogin } from '../image/uri';
import { carriedObjects } from './bootstrap/carried';
import { isConverted } from './bootstrap/from-uri';
import { imageDateS } from './bootstrap/image-date';
import { verifyBase } from './bootstrap/verify-base';
import type { Build } from './bundle/context';
import { performing } from './bundle/performing';
import { replaceTarget } from './bundle/target';
import { packSif } from './packing/pack';
import { buildTimes } from './packing/times';
import type { Specification } from './specification';

/** @throws RuntimeError IMAGE_BUILD */
export async function buildFromImage(
  { inspected }: Extract<Specification, { kind: 'image' }>,
  build: Build,
): Promise<void> {
  const { options, onInfo } = build;
  onInfo('Starting build...');
  await verifyBase(inspected, options.source, [], build);
  onInfo('Extracting local image...');
  await convert(inspected, build, options.source);
}

/** Fetches an image; one that comes as a SIF is packed again, as a local one is. @throws RuntimeError */
export async function buildFromUri(
  { scheme, reference }: Extract<Specification, { kind: 'uri' }>,
  build: Build,
): Promise<void> {
  const { fetching, options, onInfo } = build;
  if (!fetching || scheme === 'shub' || scheme === 'instance') throw unsupportedUri(scheme, reference);
  onInfo('Starting build...');
  if (!options.sandbox && isConverted(reference)) {
    const make = (temporary: string) => fetching.toTarget({ reference }, temporary);
    await performing(replaceTarget(options.target, make, build.interruption));
    return;
  }
  const path = await performing(fetching.toFile({ reference }));
  // Who has fetched an image, and by which password, is no part of it.
  const from = withoutLogin(reference).replace(/^[^:]+:(\/\/)?/, '');
  await convert(inspectImage(path), build, from, { bootstrap: scheme, from });
}

async function convert(
  inspected: InspectedImage,
  build: Build,
  from: string,
  header?: Record<string, string>,
): Promise<void> {
  const { options, onInfo, onWarning, interruption } = build;
  onInfo(options.sandbox ? 'Creating sandbox directory...' : 'Creating SIF file...');
  const make = (temporary: string): Promise<string[]> =>
    options.sandbox ? unpackSandbox(inspected, temporary) : repack(inspected, temporary, build, from, header);
  const notes = await performing(replaceTarget(options.target, make, interruption));
  for (const note of notes) onWarning(note);
}

/** Images keep their owners; a plain user's directory holds his own files, which are root's in the image. */
function repack(
  inspected: InspectedImage,
  target: string,
  { options, env, onProgress }: Build,
  from: string,
  header?: Record<string, string>,
): Promise<string[]> {
  const { image, sif } = inspected;
  const { path, squashfs } = image;
  const request = {
    source: squashfs ? { kind: 'squashfs' as const, path, ...squashfs } : { kind: 'directory' as const, path },
    allRoot: process.geteuid?.() !== 0,
    from,
    header,
    arch: image.arch,
    carried: sif ? carriedObjects(path, sif.descriptors) : {},
    times: buildTimes(options, env, imageDateS(inspected)),
  };
  return packSif(request, target, options, onProgress);
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
  return await runTask('unpack-sandbox', task, { partial: directory });
}
