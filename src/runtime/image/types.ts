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
  /** GOARCH name (`amd64`) from the SIF header; absent where the format has none. */
  arch?: string;
}
