/** An image that a launch can use, checked and ready to be mounted; nothing has been mounted or unpacked yet. */
export interface Image {
  /** How the user named it. */
  given: string;
  /** Absolute path, symbolic links resolved. */
  path: string;
  kind: 'sif' | 'squashfs' | 'sandbox';
  /** stat(2) identity of `path`. */
  dev: number;
  ino: number;
  sizeBytes: number;
  mtimeMs: number;
  ctimeMs: number;
  /** Made for one launch: the launcher removes it, and the directory it lies in, as soon as it has it open. */
  isTemporary?: boolean;
  /** Where the squashfs lies in the file; absent for a sandbox. */
  squashfs?: { offsetBytes: number; sizeBytes: number; compressor: 'gzip' | 'lzma' | 'lzo' | 'xz' | 'lz4' | 'zstd' };
  /** Overlay partitions of a SIF; absent where there is none. */
  overlays?: OverlaySource[];
  /** GOARCH name (`amd64`) from the SIF header; absent where the format has none. */
  arch?: string;
}

/** A file system that can be laid over a root, within a file. */
export interface OverlaySource {
  fsType: 'ext3' | 'squashfs';
  offsetBytes: number;
  /** 0: to the end of the file, however large that is by then. */
  sizeBytes: number;
}
