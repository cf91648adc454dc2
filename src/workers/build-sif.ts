/** Packs a directory, or the squashfs of an image, into a new SIF file. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type ComposedImage, composeImage, describeTree } from '../formats/container/compose';
import type { Recipe } from '../formats/container/recipe';
import { DESCRIBING_NAMES, MAX_TEXT_BYTES, type TreeEntry } from '../formats/container/tree';
import { DataType, FsType, NO_TIME_S, PartitionType } from '../formats/sif/constants';
import { SifLayout } from '../formats/sif/write';
import { type ImageAddon, loadAddon, type Source } from './shared/image-addon';
import { type Reply, replyWith } from './shared/reply';

export interface BuildSifTask {
  addonPath: string;
  source:
    | { kind: 'directory'; path: string }
    | { kind: 'squashfs'; path: string; offsetBytes: number; sizeBytes: number };
  /** Does not exist yet; complete only when the task has ended without an error. */
  target: string;
  /** Every file belongs to root in the image. */
  allRoot: boolean;
  /** Number of the compressor in a superblock, its level (0: its own default), threads to compress with. */
  compressor: number;
  level: number;
  workers: number;
  /** On shared memory: bytes of files packed, and bytes there are to pack. */
  counters?: BigInt64Array;
  /** Milliseconds since the epoch. */
  timeMs: number;
  /** 16 bytes. */
  id: Uint8Array;
  version: string;
  /** The source as the user named it. */
  from: string;
  /** Used when no program tells the architecture. */
  hostArch: string;
  /** Known from the source's SIF header; beats what the programs tell. */
  arch?: string;
  /** JSON objects that go over from a SIF, by name. */
  carried: Record<string, string>;
  /** Header of a definition, for labels. */
  header?: Record<string, string>;
  /** A definition whose sections are put into the tree while it is written. */
  recipe?: Recipe;
  /** The tree has everything already that describes it. */
  isFinished?: boolean;
  /** No date in the image is later (Unix seconds), and those of the SIF itself say nothing. */
  latestS?: number;
}

export interface BuildSifResult {
  arch: string;
  inodes: number;
  sizeBytes: number;
  /** What was left out, in words. */
  notes: string[];
}

const BLOCK_BYTES = 131072;
const GROUP = 1;

export default function run(task: BuildSifTask): Reply<BuildSifResult> {
  return replyWith('IMAGE_BUILD', () => build(task));
}

function build(task: BuildSifTask): BuildSifResult {
  const addon = loadAddon(task.addonPath);
  // 0755 before the umask: a SIF is a program.
  const fd = openSync(task.target, 'wx+', 0o755);
  try {
    const source = openSource(addon, task, fd);
    const arch = task.arch ?? (addon.machine(source) || task.hostArch);
    const composed = compose(addon.list(source, DESCRIBING_NAMES, MAX_TEXT_BYTES), task, arch);
    const written = writeSif(addon, source, task, fd, arch, composed);
    return { arch, ...written, notes: [...composed.warnings, ...addon.notes(source)] };
  } finally {
    closeSync(fd);
  }
}

function compose(listing: TreeEntry[], task: BuildSifTask, arch: string): ComposedImage {
  const { version, from, header, carried, recipe, isFinished } = task;
  if (isFinished) return { entries: [], objects: describeTree(listing, carried), warnings: [] };
  return composeImage(listing, { date: new Date(task.timeMs), arch, version, from, header }, carried, recipe);
}

function openSource(addon: ImageAddon, { source, allRoot }: BuildSifTask, targetFd: number): Source {
  if (source.kind === 'directory') {
    return addon.scanDirectory(source.path, { allRoot, xattrs: true, excludeFd: targetFd });
  }
  const { path, offsetBytes, sizeBytes } = source;
  return addon.scanSquashfs(path, { offsetBytes, sizeBytes, xattrs: true, name: path });
}

function writeSif(
  addon: ImageAddon,
  source: Source,
  task: BuildSifTask,
  fd: number,
  arch: string,
  composed: ComposedImage,
): { inodes: number; sizeBytes: number } {
  const mtime = Math.floor(task.timeMs / 1000);
  const layout = new SifLayout(Buffer.from(task.id), task.latestS === undefined ? mtime : NO_TIME_S);
  for (const { type, name, content } of composed.objects) {
    const bytes = Buffer.from(content);
    const { offsetBytes } = layout.append({ type, name, group: GROUP }, bytes.length);
    writeAll(fd, bytes, offsetBytes);
  }
  const partition = { fsType: FsType.squashfs, partitionType: PartitionType.primarySystem, arch };
  const object = { type: DataType.partition, name: '', group: GROUP, partition };
  const { compressor, level, workers, latestS, counters } = task;
  const options = {
    compressor,
    level,
    workers,
    blockSize: BLOCK_BYTES,
    mtime,
    latestS,
    inject: composed.entries,
    counters,
  };
  const { sizeBytes, inodes } = addon.writeSquashfs(source, fd, layout.nextOffset(object), options);
  layout.append(object, sizeBytes);
  // Header and table last: until then the file is no SIF.
  const { header, table, tableOffsetBytes } = layout.encode();
  writeAll(fd, table, tableOffsetBytes);
  writeAll(fd, header, 0);
  return { inodes, sizeBytes: layout.sizeBytes };
}

function writeAll(fd: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}
