/**
 * The numbers of SIF version "01".
 *
 *     0      128          4096 (by default)          32176 (by default)
 *     | header | …unused… | 48 descriptors of 585 B | object | object | pad | partition at a multiple of 4096 |
 *
 * The drawing shows what writers do; a reader believes the offsets and counts in the header.
 */

export const HEADER_BYTES = 128;
export const DESCRIPTOR_BYTES = 585;
/** Room for an object's name; it needs no NUL behind it. */
export const NAME_BYTES = 128;
export const LAUNCH_SCRIPT = '#!/usr/bin/env run-singularity\n';
export const LAUNCH_SCRIPT_BYTES = 32;
export const MAGIC = 'SIF_MAGIC';
export const MAGIC_OFFSET = 32;
export const VERSION = '01';

export const DEFAULT_DESCRIPTORS = 48;
export const DEFAULT_TABLE_OFFSET = 4096;
/** Where the data of an image with the default table begins: 4096 + 48 × 585. */
export const DEFAULT_DATA_OFFSET = DEFAULT_TABLE_OFFSET + DEFAULT_DESCRIPTORS * DESCRIPTOR_BYTES;
export const PARTITION_ALIGNMENT_BYTES = 4096;

/** Group ids and links to a group carry this mask. */
export const GROUP_MASK = 0xf0000000;

/** The year 1, in Unix seconds: the date in a SIF that has none. */
export const NO_TIME_S = -62135596800;

/** A table larger than this is refused, whatever the file's size: the usual one has 48 entries. */
export const MAX_DESCRIPTORS = 16384;

export const DataType = {
  definitionFile: 0x4001,
  environment: 0x4002,
  labels: 0x4003,
  partition: 0x4004,
  signature: 0x4005,
  genericJson: 0x4006,
  generic: 0x4007,
  cryptoMessage: 0x4008,
  sbom: 0x4009,
  ociRootIndex: 0x400a,
  ociBlob: 0x400b,
} as const;

export const FsType = {
  squashfs: 1,
  ext3: 2,
  archive: 3,
  raw: 4,
  encryptedSquashfs: 5,
  gocryptfsSquashfs: 6,
} as const;

export const PartitionType = { system: 1, primarySystem: 2, data: 3, overlay: 4 } as const;

/** GOARCH names in the order of their codes; `00` is unknown. */
const ARCHITECTURES = [
  '',
  '386',
  'amd64',
  'arm',
  'arm64',
  'ppc64',
  'ppc64le',
  'mips',
  'mipsle',
  'mips64',
  'mips64le',
  's390x',
  'riscv64',
  'loong64',
];

/** Name of a two-digit architecture code; `undefined` for `00` and for codes nobody has given out. */
export function archFromCode(code: string): string | undefined {
  return /^\d\d$/.test(code) ? ARCHITECTURES[Number(code)] || undefined : undefined;
}

/** Two-digit code of a GOARCH name; `00` for a name without one. */
export function archToCode(arch: string): string {
  const index = arch === '' ? 0 : ARCHITECTURES.indexOf(arch);
  return String(Math.max(index, 0)).padStart(2, '0');
}
