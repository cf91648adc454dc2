/**
 * From the name of an image to what is known about it, checked. On the path of every start: a handful of system calls,
 * nothing of Node imported but src/observed-fs.ts and node:path.
 */
import type { Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import { FsType, PartitionType } from '../../formats/sif/constants';
import type { SifDescriptor } from '../../formats/sif/descriptor';
import { decodeHeader, looksLikeSif, type SifHeader } from '../../formats/sif/header';
import { decodeTable, selectPrimary } from '../../formats/sif/table';
import { type Compressor, decodeSuperblock, findSquashfs, SUPERBLOCK_BYTES } from '../../formats/squashfs/superblock';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openChangingSync,
  openSync,
  readOpenedPathSync,
  realpathSync,
  statFullySync,
  statSync,
} from '../../observed-fs';
import { canRun, hostArch } from './arch';
import { readUpTo } from './read-at';
import type { Image, OverlaySource } from './types';
import { imageScheme, unsupportedUri } from './uri';

/** Header and table of a SIF as writers lay it out fit in one read of this size. */
const FIRST_READ_BYTES = 32768;

/** An image and, if it is one, the tables of its SIF. */
export interface InspectedImage {
  image: Image;
  sif?: { header: SifHeader; descriptors: SifDescriptor[] };
}

/**
 * Opens an image to run it.
 * @param given a path, or a URI (which is refused for now)
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_UNSUPPORTED, IMAGE_ARCH
 */
export function openImage(given: string): Image {
  const { image } = inspectImage(given);
  const { arch, squashfs } = image;
  if (arch !== undefined && !canRun(arch)) {
    const message = `the image's architecture (${arch}) could not run on the host's (${hostArch()})`;
    throw inContext(new RuntimeError('IMAGE_ARCH', message, { hint: `use an image for ${hostArch()}` }), image.path);
  }
  if (squashfs?.compressor === 'lzma') {
    const unsupported = new RuntimeError(
      'IMAGE_UNSUPPORTED',
      'squashfs with the old compressor lzma cannot be mounted',
      {
        hint: `pack it again with "davit build new.sif ${given}"`,
      },
    );
    throw inContext(unsupported, image.path);
  }
  return image;
}

/**
 * Like openImage, but accepts what can be read and not run: images for other architectures, old compressors.
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_UNSUPPORTED
 */
export function inspectImage(given: string): InspectedImage {
  const scheme = imageScheme(given);
  if (scheme !== undefined) throw unsupportedUri(scheme, given);
  if (given === '') throw new RuntimeError('IMAGE_OPEN', 'could not open image: its name is empty');
  const path = resolve(given);
  let fd = -1;
  try {
    // O_NONBLOCK: opening a FIFO must not wait for somebody to write into it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    return inspectDescriptor(fd, given, path);
  } catch (error) {
    if (error instanceof RuntimeError) throw inContext(error, path);
    if (fd < 0 && errnoOf(error) === 'EACCES') return inspectUnreadable(given, path, error);
    throw openError(given, path, error);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function inspectDescriptor(fd: number, given: string, path: string): InspectedImage {
  const stat = fstatSync(fd);
  const resolved = descriptorPath(fd, path);
  if (stat.isDirectory()) return { image: sandbox(given, resolved, stat) };
  if (!stat.isFile()) throw notRecognized('it is neither a file nor a directory');
  const image: Image = { ...identity(given, resolved, stat), kind: 'squashfs' };
  const bytes = readUpTo(fd, 0, Math.min(FIRST_READ_BYTES, stat.size));
  if (looksLikeSif(bytes)) return inspectSif(fd, bytes, image);
  const offsetBytes = findSquashfs(bytes);
  if (offsetBytes === undefined) throw foreignFormat(bytes, stat.size);
  image.squashfs = checkedSquashfs(bytes.subarray(offsetBytes), offsetBytes, stat.size - offsetBytes);
  return { image };
}

function inspectSif(fd: number, bytes: Buffer, image: Image): InspectedImage {
  const { header, descriptors } = readTable(fd, bytes, image.sizeBytes);
  const primary = selectPrimary(descriptors);
  const superblock = readUpTo(fd, primary.offsetBytes, Math.min(SUPERBLOCK_BYTES, primary.sizeBytes));
  image.kind = 'sif';
  image.arch = primary.partition.arch ?? header.arch;
  image.squashfs = checkedSquashfs(superblock, primary.offsetBytes, primary.sizeBytes);
  const overlays = overlayPartitions(descriptors);
  if (overlays.length > 0) image.overlays = overlays;
  return { image, sif: { header, descriptors } };
}

/** Header and objects of a SIF that begins with `bytes`. */
function readTable(fd: number, bytes: Buffer, sizeBytes: number): { header: SifHeader; descriptors: SifDescriptor[] } {
  const header = decodeHeader(bytes, sizeBytes);
  const { tableOffsetBytes: start, tableSizeBytes: size } = header;
  const table = start + size <= bytes.length ? bytes.subarray(start, start + size) : readUpTo(fd, start, size);
  if (table.length < size) throw new RuntimeError('IMAGE_FORMAT', 'reading descriptors: unexpected EOF');
  return { header, descriptors: decodeTable(table, header, sizeBytes) };
}

function overlayPartitions(descriptors: SifDescriptor[]): OverlaySource[] {
  const found: OverlaySource[] = [];
  for (const { partition, offsetBytes, sizeBytes } of descriptors) {
    if (partition?.partitionType !== PartitionType.overlay) continue;
    if (partition.fsType === FsType.ext3) found.push({ fsType: 'ext3', offsetBytes, sizeBytes });
    if (partition.fsType === FsType.squashfs) found.push({ fsType: 'squashfs', offsetBytes, sizeBytes });
  }
  return found;
}

/**
 * What an overlay image holds: an ext3 or squashfs file, or a SIF with overlay partitions. An ext3 file changes with every
 * use: a plan depends on which file it is, and the launcher, which mounts it, judges what is in it.
 * @throws RuntimeError IMAGE_FORMAT, IMAGE_OPEN
 */
export function openOverlayImage(path: string): OverlaySource[] {
  const asExt = readOverlay(path, openChangingSync, (_fd, bytes): OverlaySource[] | undefined =>
    looksLikeExt(bytes) && !looksLikeSif(bytes) ? [{ fsType: 'ext3', offsetBytes: 0, sizeBytes: 0 }] : undefined,
  );
  return asExt ?? readOverlay(path, openSync, inspectOverlay);
}

function readOverlay<T>(
  path: string,
  open: (path: string, flags: number) => number,
  inspect: (fd: number, bytes: Buffer, stat: Stats) => T,
): T {
  let fd = -1;
  try {
    fd = open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new RuntimeError('IMAGE_FORMAT', 'image format not recognized');
    return inspect(fd, readUpTo(fd, 0, Math.min(FIRST_READ_BYTES, stat.size)), stat);
  } catch (error) {
    throw error instanceof RuntimeError ? error : openError(path, path, error);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function inspectOverlay(fd: number, bytes: Buffer, { size }: Stats): OverlaySource[] {
  if (looksLikeSif(bytes)) return overlayPartitions(readTable(fd, bytes, size).descriptors);
  const offsetBytes = findSquashfs(bytes);
  if (offsetBytes === undefined) throw new RuntimeError('IMAGE_FORMAT', 'image format not recognized');
  const room = size - offsetBytes;
  return [
    {
      fsType: 'squashfs',
      offsetBytes,
      sizeBytes: checkedSquashfs(bytes.subarray(offsetBytes), offsetBytes, room).sizeBytes,
    },
  ];
}

/** Superblock checks; the size is the room the file system has, as a mount needs it. */
function checkedSquashfs(bytes: Buffer, offsetBytes: number, sizeBytes: number): NonNullable<Image['squashfs']> {
  const { compressor }: { compressor: Compressor } = decodeSuperblock(bytes, sizeBytes);
  return { offsetBytes, sizeBytes, compressor };
}

function sandbox(given: string, path: string, stat: Stats): Image {
  const root = statSync('/');
  if (stat.ino === root.ino && stat.dev === root.dev) {
    throw new RuntimeError('IMAGE_UNSUPPORTED', 'the root directory of the host cannot be used as an image');
  }
  return { ...identity(given, path, stat), kind: 'sandbox' };
}

function identity(given: string, path: string, stat: Stats): Omit<Image, 'kind'> {
  const { dev, ino, size: sizeBytes, mtimeMs, ctimeMs } = stat;
  return { given, path, dev, ino, sizeBytes, mtimeMs, ctimeMs };
}

/** The path with links resolved: one system call where /proc is mounted, one per component elsewhere. */
function descriptorPath(fd: number, path: string): string {
  try {
    const target = readOpenedPathSync(fd, path);
    if (target.startsWith('/') && !target.endsWith(' (deleted)')) return target;
  } catch {
    // no /proc
  }
  return realpathSync(path);
}

/** A directory that may be searched but not listed is a fine sandbox. */
function inspectUnreadable(given: string, path: string, error: unknown): InspectedImage {
  const stat = statFullySync(path);
  if (!stat?.isDirectory()) throw openError(given, path, error);
  return { image: sandbox(given, realpathSync(path), stat) };
}

const EXT_MAGIC_OFFSET = 1080;
const EXT_MAGIC = 0xef53;

/** The magic number of ext2, ext3 and ext4. */
function looksLikeExt(bytes: Buffer): boolean {
  return bytes.length > EXT_MAGIC_OFFSET + 2 && bytes.readUInt16LE(EXT_MAGIC_OFFSET) === EXT_MAGIC;
}

function foreignFormat(bytes: Buffer, sizeBytes: number): RuntimeError {
  if (sizeBytes === 0) return notRecognized('the file is empty');
  if (looksLikeExt(bytes)) {
    return new RuntimeError('IMAGE_UNSUPPORTED', 'ext3 images are not supported as root file systems', {
      hint: 'build a SIF image from its contents: mount it and run "davit build image.sif DIRECTORY"',
    });
  }
  if (bytes.toString('latin1', 0, 2) === '#!' && bytes.subarray(0, 256).includes(' run-singularity\n')) {
    return notRecognized('it begins like a SIF image, but neither SIF nor squashfs follows: the file is damaged');
  }
  return notRecognized('it is neither SIF nor squashfs nor a directory');
}

function notRecognized(detail: string): RuntimeError {
  return new RuntimeError('IMAGE_FORMAT', `image format not recognized: ${detail}`);
}

/** Adds which image it was to what was wrong with it. */
function inContext(error: RuntimeError, path: string): RuntimeError {
  const { code, hint, errno } = error;
  return new RuntimeError(code, `could not open image ${path}: ${error.message}`, { path, hint, errno });
}

const ERRNO_TEXT: Record<string, string> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
  EIO: 'input/output error',
};

function openError(given: string, path: string, cause: unknown): RuntimeError {
  const errno = errnoOf(cause);
  const text = (errno && ERRNO_TEXT[errno]) ?? (cause instanceof Error ? cause.message : String(cause));
  const scheme = /^([A-Za-z][A-Za-z0-9+-]*):\/\//.exec(given)?.[1];
  if (errno === 'ENOENT' && scheme !== undefined) {
    return new RuntimeError('IMAGE_OPEN', `Unsupported transport type: ${scheme}`, { path: given, cause });
  }
  const unresolved = errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP';
  const detail = unresolved
    ? `failed to retrieve path for ${path}: lstat ${firstMissing(path)}: ${text}`
    : `open ${path}: ${text}`;
  return new RuntimeError('IMAGE_OPEN', `could not open image ${path}: ${detail}`, { path, errno, cause });
}

/** The first component that does not exist; the whole path when only the target of a link is missing. */
function firstMissing(path: string): string {
  let missing = path;
  for (let at = path; at !== '/'; at = dirname(at)) {
    try {
      lstatSync(at);
      break;
    } catch {
      missing = at;
    }
  }
  return missing;
}
