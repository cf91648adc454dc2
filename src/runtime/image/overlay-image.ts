/** Writable overlays: an ext3 file system with the directories `upper` and `work`, as a file or as an object of a SIF. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join, normalize } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import { DataType, FsType, PartitionType } from '../../formats/sif/constants';
import { errnoText } from './errno-text';
import { partialBeside } from './partial-name';
import { WritableSif } from './sif-file';
import { TemporaryDirectory } from './temporary';

export interface OverlayRequest {
  /** A SIF, or a file that does not exist yet. */
  path: string;
  sizeMiB: number;
  /** Blocks of zeros take no room until something is written there. */
  isSparse: boolean;
  /** For containers with --fakeroot: the layout belongs to root inside. */
  forFakeroot: boolean;
  /** Directories to be made in `upper`. */
  directories: readonly string[];
  /** Where the layout is made. */
  temporaryParent: string;
}

export const MIN_OVERLAY_MIB = 64;
const MIB = 1 << 20;
const IMAGES_GROUP = 1;
/** Larger ids have no meaning on the machines that the overlay may be carried to. */
const LARGEST_ID = 65535;
const ADMIN_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** @throws RuntimeError OPTION, IMAGE_OPEN, IMAGE_FORMAT, IMAGE_BUILD */
export function createOverlay(request: OverlayRequest): void {
  const { path, sizeMiB } = request;
  if (sizeMiB < MIN_OVERLAY_MIB) {
    throw new RuntimeError('OPTION', `image size must be equal or greater than ${MIN_OVERLAY_MIB} MiB`);
  }
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new RuntimeError('OPTION', 'destination image must be SIF image', { path });
  const temporary = new TemporaryDirectory(request.temporaryParent);
  try {
    if (found) addToSif(request, temporary);
    else createFile(request, temporary);
  } finally {
    temporary.remove();
  }
}

/** By link(2): what appears under that name meanwhile is not replaced, and half an image never has it. */
function createFile(request: OverlayRequest, temporary: TemporaryDirectory): void {
  const { path } = request;
  const partial = partialBeside(path, process.pid);
  try {
    makeFileSystem(partial, request, temporary);
    linkSync(partial, path);
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    throw new RuntimeError('IMAGE_BUILD', `while creating overlay image ${path}: ${errnoText(cause)}`, {
      path,
      errno: errnoOf(cause),
      cause,
    });
  } finally {
    rmSync(partial, { force: true });
  }
}

function addToSif(request: OverlayRequest, temporary: TemporaryDirectory): void {
  const { path } = request;
  const sif = openedSif(path);
  try {
    checkSif(sif, path);
    const file = temporary.newPath();
    makeFileSystem(file, request, temporary);
    const fd = openSync(file, 'r');
    try {
      const partition = { fsType: FsType.ext3, partitionType: PartitionType.overlay, arch: sif.header.arch };
      sif.add({ type: DataType.partition, name: '', group: IMAGES_GROUP, partition }, { fd });
      sif.commit();
    } finally {
      closeSync(fd);
    }
  } finally {
    sif.close();
  }
}

function openedSif(path: string): WritableSif {
  try {
    return WritableSif.open(path);
  } catch (cause) {
    if (!(cause instanceof RuntimeError) || cause.code !== 'IMAGE_FORMAT') throw cause;
    if (isExt(path)) throw new RuntimeError('OPTION', `EXT3 overlay image ${path} already exists`, { path });
    throw new RuntimeError(cause.code, `while opening image file ${path}: ${cause.message}`, { path, cause });
  }
}

/** The magic number of ext2, ext3 and ext4. */
function isExt(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    const magic = Buffer.alloc(2);
    return readSync(fd, magic, 0, 2, 1080) === 2 && magic.readUInt16LE(0) === 0xef53;
  } finally {
    closeSync(fd);
  }
}

function checkSif(sif: WritableSif, path: string): void {
  if (sif.objects.some(({ type }) => type === DataType.signature)) {
    throw new RuntimeError('OPTION', `SIF image ${path} is signed: could not add writable overlay`, { path });
  }
  const there = sif.objects.find(
    ({ partition }) => partition?.fsType === FsType.ext3 && partition.partitionType === PartitionType.overlay,
  );
  if (there) {
    const what = `a writable overlay partition already exists in ${path} (ID: ${there.id})`;
    throw new RuntimeError('OPTION', `${what}, delete it first with "davit sif del ${there.id} ${path}"`, { path });
  }
}

function makeFileSystem(file: string, request: OverlayRequest, temporary: TemporaryDirectory): void {
  const program = mkfsProgram();
  const layout = makeLayout(request, temporary);
  fill(file, request.sizeMiB, request.isSparse);
  const words = [program, '-q', '-F', ...(request.isSparse ? [] : ['-E', 'nodiscard']), '-d', layout, file];
  // In a user namespace that maps the caller to root, mkfs finds root's files.
  const inNamespace = request.forFakeroot && process.geteuid?.() !== 0;
  const [command, ...args] = (inNamespace ? ['unshare', '-r', ...words] : words) as [string, ...string[]];
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const reason = error ? errnoText(error) : stderr.trim() || `exit status ${status}`;
  throw new RuntimeError('IMAGE_BUILD', `while creating ext3 partition in ${request.path}: ${command}: ${reason}`, {
    path: request.path,
  });
}

function mkfsProgram(): string {
  const directories = [
    ...(process.env.PATH ?? '').split(':').filter((path) => path.startsWith('/')),
    ...ADMIN_DIRECTORIES,
  ];
  const found = directories.map((directory) => `${directory}/mkfs.ext3`).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new RuntimeError('OPTION', 'mkfs.ext3 was not found', { hint: 'install e2fsprogs' });
}

function makeLayout({ directories }: OverlayRequest, temporary: TemporaryDirectory): string {
  const layout = temporary.newPath();
  const isLarge = Math.max(process.geteuid?.() ?? 0, process.getegid?.() ?? 0) > LARGEST_ID;
  const umask = process.umask(0);
  try {
    mkdirSync(layout, 0o755);
    for (const name of ['upper', 'work']) mkdirSync(join(layout, name), isLarge ? 0o777 : 0o755);
    const upper = join(layout, 'upper');
    for (const name of directories) {
      const directory = normalize(`${upper}/${name}`);
      if (directory !== upper && !directory.startsWith(`${upper}/`)) {
        throw new RuntimeError('OPTION', `overlay directory created outside of overlay layout: ${name}`, {
          path: name,
        });
      }
      mkdirSync(directory, { recursive: true, mode: 0o755 });
    }
  } finally {
    process.umask(umask);
  }
  return layout;
}

/** Nobody else's until it is shared on purpose. */
function fill(file: string, sizeMiB: number, isSparse: boolean): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    const zeros = Buffer.alloc(MIB);
    if (isSparse) ftruncateSync(fd, sizeMiB * MIB);
    else for (let done = 0; done < sizeMiB * MIB; ) done += writeSync(fd, zeros);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
