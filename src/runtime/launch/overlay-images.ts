/** The steps that lay file systems of image files over a root: by the kernel for root, by FUSE servers for others. */
import { RuntimeError } from '../../errors';
import type { Image, OverlaySource } from '../image/types';
import { NO_FUSE } from './fuse-programs';
import { TEMPORARY_DESCRIPTOR } from './image-layer';
import type { Notes } from './notes';
import type { Step } from './plan';

export interface OverlayImageRequest {
  /** The launch is root's own: in a user namespace the kernel mounts neither ext3 nor squashfs. */
  byKernel: boolean;
  /** The path of a program that serves a file system or mends one. */
  find: (name: string) => string | undefined;
  canUseFuse: () => boolean;
  loopDir: string;
  notes: Notes;
}

const IMAGE_SERVER = 'fuse2fs';
const IMAGE_CHECK = 'e2fsck';
const IMAGE_PATH = '/proc/self/fd/3';
/** The kernel's overlay takes no FUSE file system for changes, and does not know how this one marks what was removed. */
const ROOT_SERVER = 'fuse-overlayfs';

/**
 * The steps for an overlay image; `writable`: the first ext3 of it takes the changes.
 * @throws RuntimeError OPTION where it cannot be mounted
 */
export function overlaySteps(
  request: OverlayImageRequest,
  path: string,
  sources: readonly OverlaySource[],
  writable: boolean,
): Step[] {
  const obstacle = findObstacle(request, sources);
  if (obstacle) {
    const { what, hint } = obstacle;
    throw new RuntimeError('OPTION', `while loading overlay images: cannot mount ${path}: ${what}`, { path, hint });
  }
  return steps(request, path, sources, writable);
}

/** The steps for the overlay partitions of the SIF that is run. Who cannot mount them is told so. */
export function embeddedSteps(request: OverlayImageRequest, image: Image, writable: boolean): Step[] {
  const sources = image.overlays ?? [];
  const obstacle = findObstacle(request, sources);
  if (obstacle && !writable) {
    request.notes.warning(`The overlay partition of ${image.path} is left out: ${obstacle.what}`);
    return [];
  }
  const path = image.isTemporary ? `/proc/self/fd/${TEMPORARY_DESCRIPTOR}` : image.path;
  const made = overlaySteps({ ...request, loopDir: image.isTemporary ? '' : request.loopDir }, path, sources, writable);
  for (const { mountExt3 } of made) if (mountExt3) mountExt3.embedded = true;
  return made;
}

/** The program that makes the overlay in the kernel's place, when one of the layers needs that. */
export function overlayServer(request: OverlayImageRequest, layers: readonly Step[]): string | undefined {
  const isServed = layers.some(({ mountExt3 }) => (mountExt3?.serverArgv?.length ?? 0) > 0);
  return isServed ? request.find(ROOT_SERVER) : undefined;
}

/** What keeps this launch from mounting the images, and the way out. */
function findObstacle(
  request: OverlayImageRequest,
  sources: readonly OverlaySource[],
): { what: string; hint: string } | undefined {
  if (request.byKernel) return undefined;
  const other = 'or use a directory as overlay, or --writable-tmpfs';
  if (sources.some(({ fsType }) => fsType === 'squashfs')) {
    const hint = 'use a directory as overlay, or --writable-tmpfs';
    return { what: 'in a user namespace the kernel mounts no squashfs', hint };
  }
  for (const name of [IMAGE_SERVER, ROOT_SERVER]) {
    if (request.find(name) !== undefined) continue;
    const what = `in a user namespace that needs ${name}, and there is none on PATH`;
    return { what, hint: `install the package ${name}, ${other}` };
  }
  return request.canUseFuse() ? undefined : { what: NO_FUSE, hint: `ask the administrator for /dev/fuse, ${other}` };
}

function steps(
  request: OverlayImageRequest,
  image: string,
  sources: readonly OverlaySource[],
  writable: boolean,
): Step[] {
  const { loopDir } = request;
  const changes = writable ? sources.find(({ fsType }) => fsType === 'ext3') : undefined;
  return sources.map((source): Step => {
    const { fsType, offsetBytes, sizeBytes } = source;
    if (fsType === 'squashfs') return { mountSquashfs: { image, offsetBytes, sizeBytes, loopDir } };
    const isWritable = source === changes;
    const server = request.byKernel ? {} : served(request, offsetBytes, isWritable);
    return { mountExt3: { image, offsetBytes, sizeBytes, loopDir, writable: isWritable, ...server } };
  });
}

/**
 * fuse2fs as Apptainer calls it; the launcher appends the mount point. The image is the server's descriptor 3.
 * allow_other: who reads it is another server; fakeroot: who may do what is decided above, by the root's. e2fsck takes
 * the place of the file system within a file as `?offset=` (libext2fs); -p mends what is safe, and nothing else.
 */
function served(
  request: OverlayImageRequest,
  offset: number,
  writable: boolean,
): { serverArgv: string[]; checkArgv?: string[] } {
  const options = ['allow_other', 'fakeroot', ...(writable ? [] : ['ro']), ...(offset > 0 ? [`offset=${offset}`] : [])];
  const serverArgv = [request.find(IMAGE_SERVER) as string, '-f', '-o', options.join(','), IMAGE_PATH];
  const check = writable ? request.find(IMAGE_CHECK) : undefined;
  if (check === undefined) return { serverArgv };
  return { serverArgv, checkArgv: [check, '-p', offset > 0 ? `${IMAGE_PATH}?offset=${offset}` : IMAGE_PATH] };
}
