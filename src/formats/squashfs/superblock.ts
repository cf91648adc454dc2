import { RuntimeError } from '../../errors';
import { readInt64 } from '../bytes';

export const SUPERBLOCK_BYTES = 96;

/** The compressors by their number in the superblock; `lzma` is the old format that no kernel reads. */
const COMPRESSORS = [undefined, 'gzip', 'lzma', 'lzo', 'xz', 'lz4', 'zstd'] as const;
export type Compressor = NonNullable<(typeof COMPRESSORS)[number]>;

/** What the first 96 bytes of a squashfs 4.0 file system say. */
export interface Superblock {
  inodes: number;
  modifiedS: number;
  blockSizeBytes: number;
  compressor: Compressor;
  /** Size without the padding behind it. */
  bytesUsed: number;
}

const MAGIC_LITTLE = 'hsqs';
const MAGIC_BIG = 'sqsh';
const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCK_BYTES = 1048576;

/**
 * Where a squashfs begins in a file that starts with these bytes: at 0, or behind a launch line that ends in
 * ` run-singularity` and a line feed.
 * @returns the offset, or `undefined` when there is no squashfs
 */
export function findSquashfs(bytes: Buffer): number | undefined {
  if (hasMagic(bytes, 0)) return 0;
  if (bytes.toString('latin1', 0, 2) !== '#!') return undefined;
  const lineEnd = bytes.subarray(0, 256).indexOf(0x0a) + 1;
  const launchLine = bytes.toString('latin1', 0, lineEnd);
  return launchLine.endsWith(' run-singularity\n') && hasMagic(bytes, lineEnd) ? lineEnd : undefined;
}

function hasMagic(bytes: Buffer, at: number): boolean {
  const magic = bytes.toString('latin1', at, at + 4);
  return magic === MAGIC_LITTLE || magic === MAGIC_BIG;
}

/**
 * Decodes and checks a superblock.
 * @param bytes at least 96 bytes from the beginning of the file system
 * @param roomBytes what the file or partition has from there on
 * @throws RuntimeError IMAGE_FORMAT; IMAGE_UNSUPPORTED for another version of squashfs or an unknown compressor
 */
export function decodeSuperblock(bytes: Buffer, roomBytes: number): Superblock {
  if (bytes.length < SUPERBLOCK_BYTES) {
    const detail = `the superblock has ${SUPERBLOCK_BYTES} bytes, ${bytes.length} are there`;
    throw new RuntimeError('IMAGE_FORMAT', `squashfs is cut short: ${detail}`, { hint: 'the file is incomplete' });
  }
  checkVersion(bytes);
  const blockSizeBytes = bytes.readUInt32LE(12);
  if (
    blockSizeBytes < MIN_BLOCK_BYTES ||
    blockSizeBytes > MAX_BLOCK_BYTES ||
    blockSizeBytes !== 2 ** bytes.readUInt16LE(22)
  ) {
    throw new RuntimeError('IMAGE_FORMAT', `squashfs with a block size of ${blockSizeBytes} bytes`);
  }
  const compressorId = bytes.readUInt16LE(20);
  const compressor = COMPRESSORS[compressorId];
  if (!compressor) throw new RuntimeError('IMAGE_UNSUPPORTED', `squashfs with unknown compressor ${compressorId}`);
  const bytesUsed = readInt64(bytes, 40);
  if (bytesUsed < SUPERBLOCK_BYTES || bytesUsed > roomBytes) {
    throw new RuntimeError('IMAGE_FORMAT', `squashfs of ${bytesUsed} bytes in a space of ${roomBytes}`, {
      hint: bytesUsed > roomBytes ? 'the file is incomplete: copy or download it again' : undefined,
    });
  }
  const inodes = bytes.readUInt32LE(4);
  checkTables(bytes, inodes, bytesUsed);
  return { inodes, modifiedS: bytes.readUInt32LE(8), blockSizeBytes, compressor, bytesUsed };
}

function checkVersion(bytes: Buffer): void {
  const magic = bytes.toString('latin1', 0, 4);
  if (magic === MAGIC_BIG) {
    throw new RuntimeError('IMAGE_UNSUPPORTED', 'squashfs in big-endian byte order (older than version 4)');
  }
  if (magic !== MAGIC_LITTLE) throw new RuntimeError('IMAGE_FORMAT', 'invalid squashfs magic');
  const major = bytes.readUInt16LE(28);
  const minor = bytes.readUInt16LE(30);
  if (major !== 4 || minor !== 0) {
    throw new RuntimeError('IMAGE_UNSUPPORTED', `squashfs version ${major}.${minor}, not 4.0`);
  }
}

/** Tables lie behind the superblock and within the used bytes; -1 stands for a table that does not exist. */
function checkTables(bytes: Buffer, inodes: number, bytesUsed: number): void {
  const inodeTable = readInt64(bytes, 64);
  const directoryTable = readInt64(bytes, 72);
  const tables: [string, number][] = [
    ['id', readInt64(bytes, 48)],
    ['inode', inodeTable],
    ['directory', directoryTable],
  ];
  const optional: [string, number][] = [
    ['xattr', readInt64(bytes, 56)],
    ['fragment', readInt64(bytes, 80)],
    ['export', readInt64(bytes, 88)],
  ];
  tables.push(...optional.filter(([, offset]) => offset !== -1));
  for (const [name, offset] of tables) {
    if (offset < SUPERBLOCK_BYTES || offset >= bytesUsed) {
      throw new RuntimeError('IMAGE_FORMAT', `squashfs ${name} table at ${offset}, outside its ${bytesUsed} bytes`);
    }
  }
  // A root inode reference is the offset of a metadata block in the inode table (48 bits) and a place within the block.
  const rootBlock = bytes.readUInt32LE(34) + bytes.readUInt16LE(38) * 4294967296;
  if (directoryTable <= inodeTable || rootBlock >= directoryTable - inodeTable || bytes.readUInt16LE(32) >= 8192) {
    throw new RuntimeError('IMAGE_FORMAT', 'squashfs root directory outside the inode table');
  }
  if (inodes === 0 || bytes.readUInt16LE(26) === 0) {
    throw new RuntimeError('IMAGE_FORMAT', 'squashfs without inodes or owners');
  }
}
