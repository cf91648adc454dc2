/** The steps that lay file systems of image files over a root: ext3 and squashfs, by the kernel. */
import { RuntimeError } from '../../errors';
import type { Image, OverlaySource } from '../image/types';
import { TEMPORARY_DESCRIPTOR } from './image-layer';
import type { Notes } from './notes';
import type { Step } from './plan';

export interface OverlayImageRequest {
  /** The launch is root's own: in a user namespace the kernel mounts neither file system. */
  byKernel: boolean;
  loopDir: string;
  notes: Notes;
}

/**
 * The steps for an overlay image; `writable`: the first ext3 of it takes the changes.
 * @throws RuntimeError OPTION where the kernel would not mount it
 */
export function overlaySteps(
  { byKernel, loopDir }: OverlayImageRequest,
  path: string,
  sources: readonly OverlaySource[],
  writable: boolean,
): Step[] {
  if (!byKernel) throw needsKernel(path, sources[0]);
  return steps(path, sources, loopDir, writable);
}

/**
 * fuse2fs is no way round it: with libfuse 2 it takes no /dev/fd/N as its mount point, so that it would have to live in
 * the container's mount namespace, and the kernel refuses it (EINVAL) as the place for the changes of an overlay.
 */
function needsKernel(path: string, source: OverlaySource | undefined): RuntimeError {
  const { fsType = 'ext3', offsetBytes = 0 } = source ?? {};
  const what = `${path} is an image, and in a user namespace the kernel mounts no ${fsType}`;
  const program = fsType === 'ext3' ? 'fuse2fs -o ro' : 'squashfuse';
  // Within a SIF neither program finds it.
  const toRead = offsetBytes > 0 ? '' : `; to read it: ${program} ${path} DIR, and --overlay DIR:ro`;
  const hint = `use a directory as overlay, or --writable-tmpfs${toRead}`;
  return new RuntimeError('OPTION', `while loading overlay images: ${what}`, { path, hint });
}

/** The steps for the overlay partitions of the SIF that is run. Who cannot mount them is told so. */
export function embeddedSteps(request: OverlayImageRequest, image: Image, writable: boolean): Step[] {
  const sources = image.overlays ?? [];
  if (!request.byKernel && !writable) {
    request.notes.warning(
      `The overlay partition of ${image.path} is left out: in a user namespace the kernel mounts no ${sources[0]?.fsType}`,
    );
    return [];
  }
  const path = image.isTemporary ? `/proc/self/fd/${TEMPORARY_DESCRIPTOR}` : image.path;
  const made = overlaySteps({ ...request, loopDir: image.isTemporary ? '' : request.loopDir }, path, sources, writable);
  for (const { mountExt3 } of made) if (mountExt3) mountExt3.embedded = true;
  return made;
}

function steps(image: string, sources: readonly OverlaySource[], loopDir: string, writable: boolean): Step[] {
  const changes = writable ? sources.find(({ fsType }) => fsType === 'ext3') : undefined;
  return sources.map((source): Step => {
    const { fsType, offsetBytes, sizeBytes } = source;
    if (fsType === 'squashfs') return { mountSquashfs: { image, offsetBytes, sizeBytes, loopDir } };
    return { mountExt3: { image, offsetBytes, sizeBytes, loopDir, writable: source === changes } };
  });
}
