/** How an image becomes the lowest layer of a root: by the kernel, by a FUSE server, or as a directory. */
import { RuntimeError } from '../../errors';
import type { LaunchConfig } from '../config/directives';
import type { Image } from '../image/types';
import { canUseFuse, findServer, NO_FUSE } from './fuse-programs';
import { needsUserNamespace } from './namespaces';
import type { Caller, LaunchOptions } from './options';
import type { Step } from './plan';

/** As `instance list --json` names them. */
export type Driver = 'squashfs' | 'squashfuse_ll' | 'unpacked' | 'sandbox';

const SERVER_NAME = 'squashfuse_ll';

/** Where the launcher has an image that nobody keeps; low enough for every limit of open files. */
export const TEMPORARY_DESCRIPTOR = 100;

export interface DriverChoice {
  driver: Driver;
  /** The FUSE server's program, for squashfuse_ll. */
  server?: string;
  /** Why FUSE is not used, when `unpacked` was not asked for. */
  reason?: string;
}

/**
 * The driver for a launch. `unpacked` asks the caller of the compiler for an unpacked copy (LaunchRequest.unpackedDir).
 * Root of the host lets the kernel mount; in a user namespace the kernel refuses squashfs, so a FUSE server reads it.
 */
export function chooseDriver(image: Image, options: LaunchOptions, caller: Caller, config: LaunchConfig): DriverChoice {
  if (image.kind === 'sandbox') return { driver: 'sandbox' };
  if (options.unsquash) return { driver: 'unpacked' };
  if (!needsUserNamespace(options, caller)) return { driver: 'squashfs' };
  const server = findServer(SERVER_NAME, config.binaryPath, caller.env.PATH);
  if (server === undefined) return { driver: 'unpacked', reason: `no ${SERVER_NAME} was found on PATH` };
  if (!canUseFuse()) return { driver: 'unpacked', reason: NO_FUSE };
  return { driver: 'squashfuse_ll', server };
}

export interface Sharing {
  /** Directory that remembers which loop device serves which image. */
  loopDir: string;
  /** Directory that remembers which FUSE server serves which image; `makeShared`: this launch leaves one behind. */
  fuseDir: string;
  makeShared: boolean;
  /** Directory that remembers who keeps an image of root's mounted. */
  warmDir: string;
  /** For how long this launch wants the image kept behind its last user; 0 for no longer than that. */
  warmMs: number;
}

export interface LayerRequest extends Sharing {
  image: Image;
  choice: DriverChoice;
  unpackedDir?: string;
}

/**
 * The step that mounts the image.
 * @throws RuntimeError IMAGE_UNSUPPORTED when a copy is needed and there is none.
 */
export function imageLayer(request: LayerRequest): Step {
  const { image, choice, loopDir, fuseDir, makeShared, warmDir, warmMs, unpackedDir } = request;
  const { driver, server } = choice;
  if (driver === 'sandbox') return { mountDirectory: { path: image.path } };
  if (driver === 'unpacked') {
    if (unpackedDir === undefined) throw needsCopy(image, choice);
    return { mountDirectory: { path: unpackedDir } };
  }
  if (!image.squashfs) throw new Error(`image ${image.path} has no squashfs`);
  const { offsetBytes, sizeBytes } = image.squashfs;
  const path = image.isTemporary ? `/proc/self/fd/${TEMPORARY_DESCRIPTOR}` : image.path;
  if (driver === 'squashfs') {
    // Nobody else will ever want the device of a temporary image.
    const shared = image.isTemporary ? '' : loopDir;
    const warm = warmMs > 0 && !image.isTemporary ? { shareDir: warmDir, warmMs } : {};
    return { mountSquashfs: { image: path, offsetBytes, sizeBytes, loopDir: shared, ...warm } };
  }
  return {
    mountFuse: {
      image: path,
      serverArgv: serverArgv(server as string, offsetBytes),
      source: driver,
      subtype: driver,
      shareDir: fuseDir,
      shareMake: makeShared,
      ...(warmMs > 0 ? { warmMs } : {}),
    },
  };
}

/**
 * Tried with squashfuse 0.1.105 (libfuse 3.14) and 0.5.2 (libfuse 3.17): the image is found as /proc/self/fd/3, and as
 * /dev/fd/3 too; the channel, already mounted, as the mount point /dev/fd/4, which needs neither fusermount nor the path
 * of a directory. -f: a server in the background would lose its parent. The options uid= and gid= are no help: 0.1.105
 * lacks them, and 0.5.2 takes the 0 that our first user namespace has for "not given".
 */
function serverArgv(server: string, offsetBytes: number): string[] {
  return [server, '-f', '-o', `offset=${offsetBytes}`, '/proc/self/fd/3', '/dev/fd/4'];
}

function needsCopy(image: Image, { reason }: DriverChoice): RuntimeError {
  const why = reason === undefined ? 'it has not been unpacked' : reason;
  return new RuntimeError('IMAGE_UNSUPPORTED', `mount the image "${image.path}": ${why}`, {
    path: image.path,
    hint: 'install squashfuse, or use --unsquash to run from an unpacked copy',
  });
}
