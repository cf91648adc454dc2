/** The image addon (native/image/binding.cc). Every call blocks: worker threads alone load it. */
import type { NewEntry, TreeEntry } from '../../formats/container/tree';

/** An opened source: its tree is in memory. Freed with the garbage. */
export type Source = { readonly __source: unique symbol };

export interface WriteOptions {
  /** Number in the superblock. */
  compressor: number;
  /** 0: the compressor's own default. */
  level: number;
  blockSize: number;
  /** Threads that compress. */
  workers: number;
  /** Unix seconds, of the file system and of the entries that are added. */
  mtime: number;
  /** Files with a later date get this one. */
  latestS?: number;
  inject: NewEntry[];
  /** On shared memory: bytes of files packed, and bytes there are to pack. */
  counters?: BigInt64Array;
}

export interface ConvertOptions extends Omit<WriteOptions, 'inject' | 'counters'> {
  /** Lowest first. `digest` is of the file, `diffId` of the tar in it; '' when nobody has announced it. */
  layers: { path: string; digest: string; diffId: string }[];
  /** Put on top of the layers. */
  generated: NewEntry[];
  /** Every file belongs to root. */
  allRoot: boolean;
  /** Otherwise device nodes are left out. */
  devices: boolean;
  /** In all layers; 0: no limit. */
  maxEntries: number;
  /** Of all tars, and of all files with their holes; 0: no limit. */
  maxBytes: number;
  /** On shared memory: not 0 cancels, bytes of files packed, then bytes read of each layer. */
  counters: BigInt64Array;
}

/** All functions throw ImageAddonError. */
export interface ImageAddon {
  /** `excludeFd`: an open file to leave out, such as the image that is being written. */
  scanDirectory(path: string, options: { allRoot: boolean; xattrs: boolean; excludeFd?: number }): Source;
  /** `name` stands in errors. */
  scanSquashfs(
    path: string,
    options: { offsetBytes: number; sizeBytes: number; xattrs: boolean; name: string },
  ): Source;
  /** Entries at and below these names in the root; content of files up to `maxBytes`. */
  list(source: Source, names: string[], maxBytes: number): TreeEntry[];
  /** GOARCH name of the programs in the tree; '' when it has none. */
  machine(source: Source): string;
  /** What was left out so far, in words. */
  notes(source: Source): string[];
  writeSquashfs(
    source: Source,
    fd: number,
    offsetBytes: number,
    options: WriteOptions,
  ): { sizeBytes: number; bytesUsed: number; inodes: number };
  /** The layers of an OCI image as a squashfs (native/image/layers.h). */
  convertLayers(
    fd: number,
    offsetBytes: number,
    options: ConvertOptions,
  ): { sizeBytes: number; inodes: number; diffIds: string[]; notes: string[] };
  /** Fills an empty directory; of sources made by scanSquashfs. */
  unpack(source: Source, directory: string, options: { faithful: boolean }): void;
  /** A descriptor that holds an exclusive lock on the file, which is made when missing; waits for it. */
  lockFile(path: string): number;
  /** Returns when all data of the file system that `path` lies on is on its disk. */
  syncFileSystem(path: string): void;
}

/** What the addon throws. */
export interface ImageAddonError extends Error {
  step: string;
  object: string;
  /** Absent when the content of an image, not a system call, was the reason. */
  errno?: string;
  /** Not the bytes that were announced, more than is allowed, cancelled; absent for everything else. */
  kind?: 'integrity' | 'limit' | 'cancelled';
}

const loaded = new Map<string, ImageAddon>();

/** Loads the addon, once for each thread. Not by require(), which bundlers take as theirs. */
export function loadAddon(path: string): ImageAddon {
  let addon = loaded.get(path);
  if (!addon) {
    const holder = { exports: {} };
    process.dlopen(holder, path);
    addon = holder.exports as ImageAddon;
    loaded.set(path, addon);
  }
  return addon;
}
