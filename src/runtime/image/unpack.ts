/** The last of the mount drivers: the squashfs of an image as a directory in a cache on this node. */
import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import type { UnpackResult, UnpackTask } from '../../workers/unpack-rootfs';
import { makeDirectories } from '../make-directories';
import { errnoText } from './errno-text';
import type { Image } from './types';

/** Raised when what unpacking makes of an image changes: older directories are then not used any more. */
const FORMAT = 'v1';
const PRIVATE = 0o700;
const OTHERS_WRITE = 0o022;

/**
 * Name of the directory an image is unpacked to. Everything that tells two images apart is in it, also two states of
 * one file; so is whether root unpacked it, since plain users own what they unpack.
 */
export function unpackedKey(image: Image, faithful: boolean): string {
  const { dev, ino, sizeBytes, mtimeMs, ctimeMs, squashfs } = image;
  const microseconds = (ms: number) => Math.round(ms * 1000).toString(36);
  const identity = [dev, ino, sizeBytes, squashfs?.offsetBytes ?? 0].map((number) => number.toString(36));
  return [FORMAT, faithful ? 'root' : 'user', ...identity, microseconds(mtimeMs), microseconds(ctimeMs)].join('-');
}

/** The unpacked directory, when the image was unpacked before. Two system calls. */
export function findUnpacked(image: Image, cacheDir: string): string | undefined {
  const directory = join(cacheDir, 'rootfs');
  const path = join(directory, unpackedKey(image, isRoot()));
  try {
    return isPrivate(lstatSync(directory)) && lstatSync(path).isDirectory() ? path : undefined;
  } catch {
    return undefined; // not there, or not a place for directories at all
  }
}

/**
 * The content of an image as a directory: `<cacheDir>/rootfs/<key>`, unpacked now unless it was before. Any number of
 * processes may ask at once; one unpacks, the others wait. A directory under that name is always complete.
 * As a plain user all files become the caller's, set-id bits are dropped and device nodes left out.
 * @param onNote what was left out, in words; not called when the directory was there
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT (damaged), STATE (the cache is not private)
 */
export async function unpackedRootfs(
  image: Image,
  cacheDir: string,
  onNote: (note: string) => void = () => undefined,
): Promise<string> {
  if (!image.squashfs) return image.path; // a sandbox is unpacked as it is
  const found = findUnpacked(image, cacheDir);
  if (found !== undefined) return found;
  const directory = privateDirectory(join(cacheDir, 'rootfs'));
  const { imageAddonPath, runTask } = await import('../../workers/pool');
  const { path, dev, ino, sizeBytes, mtimeMs, ctimeMs, squashfs } = image;
  const { offsetBytes, sizeBytes: squashfsBytes } = squashfs;
  const key = unpackedKey(image, isRoot());
  const task: UnpackTask = {
    addonPath: imageAddonPath(),
    image: { path, dev, ino, sizeBytes, mtimeMs, ctimeMs, offsetBytes, squashfsBytes },
    directory,
    key,
    // A name of its own: when this process is killed, its worker must not remove what another one makes by then.
    partial: `${key}.${randomUUID()}.partial`,
    faithful: isRoot(),
  };
  const unpacked: UnpackResult = await runTask('unpack-rootfs', task, { partial: join(directory, task.partial) });
  for (const note of unpacked.notes) onNote(note);
  return unpacked.path;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Whoever could write here could put files of his own into our containers. */
function isPrivate(stat: { uid: number; mode: number; isDirectory(): boolean }): boolean {
  return stat.isDirectory() && stat.uid === process.geteuid?.() && (stat.mode & OTHERS_WRITE) === 0;
}

function privateDirectory(path: string): string {
  try {
    makeDirectories(path, PRIVATE);
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('STATE', `create the cache directory "${path}": ${errnoText(cause)}`, {
      path,
      errno,
      cause,
      hint: 'DAVIT_CACHEDIR names another place for it',
    });
  }
  if (!isPrivate(lstatSync(path))) {
    throw new RuntimeError('STATE', `the cache directory "${path}" is not yours alone`, {
      path,
      hint: 'remove it, or name another place with DAVIT_CACHEDIR',
    });
  }
  return path;
}
