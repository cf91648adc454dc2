/**
 * Unpacks a squashfs into a cache directory, once, whoever asks and how many at a time. A lock on `<key>.lock` is held
 * meanwhile, so that `<key>.*.partial` is garbage whenever the lock could be taken: its maker was killed.
 */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../errors';
import { type ImageAddon, loadAddon } from './shared/image-addon';
import { type Reply, replyWith } from './shared/reply';

export interface UnpackTask {
  addonPath: string;
  image: {
    path: string;
    dev: number;
    ino: number;
    sizeBytes: number;
    mtimeMs: number;
    ctimeMs: number;
    offsetBytes: number;
    squashfsBytes: number;
  };
  /** Directory of the unpacked images; it exists and is the caller's. */
  directory: string;
  key: string;
  /** Name in `directory` that is this task's own: `<key>.*.partial`. */
  partial: string;
  /** Owners, devices and all modes as in the image; needs root. */
  faithful: boolean;
}

export interface UnpackResult {
  path: string;
  /** What was left out, in words; empty when somebody else had unpacked it. */
  notes: string[];
}

export default function run(task: UnpackTask): Reply<UnpackResult> {
  return replyWith('IMAGE_OPEN', () => unpack(task));
}

function unpack(task: UnpackTask): UnpackResult {
  const addon = loadAddon(task.addonPath);
  const path = join(task.directory, task.key);
  const lock = addon.lockFile(`${path}.lock`);
  try {
    if (existsSync(path)) return { path, notes: [] };
    removeGarbage(task);
    const partial = join(task.directory, task.partial);
    try {
      const notes = unpackTo(addon, task, partial);
      // A name must never lead to half a tree, not even after a power failure.
      addon.syncFileSystem(partial);
      renameSync(partial, path);
      return { path, notes };
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      throw error;
    }
  } finally {
    closeSync(lock);
  }
}

/** What makers that were killed have left. */
function removeGarbage({ directory, key }: UnpackTask): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(`${key}.`) && name !== `${key}.lock`) {
      rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
}

function unpackTo(addon: ImageAddon, task: UnpackTask, directory: string): string[] {
  const { image, faithful } = task;
  const fd = openSync(image.path, 'r');
  try {
    checkUnchanged(fd, image);
    const source = addon.scanSquashfs(`/proc/self/fd/${fd}`, {
      offsetBytes: image.offsetBytes,
      sizeBytes: image.squashfsBytes,
      xattrs: true,
      name: image.path,
    });
    mkdirSync(directory, { mode: 0o700 });
    addon.unpack(source, directory, { faithful });
    checkUnchanged(fd, image);
    return addon.notes(source);
  } finally {
    closeSync(fd);
  }
}

/** The image may be replaced or written to between being opened for the launch and now. */
function checkUnchanged(fd: number, image: UnpackTask['image']): void {
  const stat = fstatSync(fd);
  const same =
    stat.dev === image.dev &&
    stat.ino === image.ino &&
    stat.size === image.sizeBytes &&
    stat.mtimeMs === image.mtimeMs &&
    stat.ctimeMs === image.ctimeMs;
  if (!same) {
    throw new RuntimeError('IMAGE_OPEN', `the image "${image.path}" was changed while it was being unpacked`, {
      path: image.path,
      hint: 'start again',
    });
  }
}
