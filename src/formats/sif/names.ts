/** The words for what a SIF holds, as `sif list` and `sif info` print them. */
import { readText } from '../bytes';
import { DataType } from './constants';
import type { PartitionInfo, SifDescriptor } from './descriptor';

const UNKNOWN = 'Unknown';

const DATA_TYPES: Record<number, string> = {
  [DataType.definitionFile]: 'Def.FILE',
  [DataType.environment]: 'Env.Vars',
  [DataType.labels]: 'JSON.Labels',
  [DataType.partition]: 'FS',
  [DataType.signature]: 'Signature',
  [DataType.genericJson]: 'JSON.Generic',
  [DataType.generic]: 'Generic/Raw',
  [DataType.cryptoMessage]: 'Cryptographic Message',
  [DataType.sbom]: 'SBOM',
  [DataType.ociRootIndex]: 'OCI.RootIndex',
  [DataType.ociBlob]: 'OCI.Blob',
};

/** In the order of their numbers, from 1. */
const FS_TYPES = ['Squashfs', 'Ext3', 'Archive', 'Raw', 'Encrypted squashfs', 'Gocryptfs squashfs'];
const PARTITION_TYPES = ['System', '*System', 'Data', 'Overlay'];
const HASHES = ['SHA-256', 'SHA-384', 'SHA-512', 'BLAKE2s-256', 'BLAKE2b-256'];
const MESSAGE_FORMATS = ['OpenPGP', 'PEM'];
const MESSAGES: Record<number, string> = { 256: 'Clear Signature', 512: 'RSA-OAEP' };

/** In the order of their numbers, from 1. */
export const SBOM_FORMATS = [
  'cyclonedx-json',
  'cyclonedx-xml',
  'github-json',
  'spdx-json',
  'spdx-rdf',
  'spdx-tag-value',
  'spdx-yaml',
  'syft-json',
];

export function dataTypeName(type: number): string {
  return DATA_TYPES[type] ?? UNKNOWN;
}

/** File system, kind and architecture of a partition. */
export function partitionNames({ fsType, partitionType, arch }: PartitionInfo): [string, string, string] {
  return [FS_TYPES[fsType - 1] ?? UNKNOWN, PARTITION_TYPES[partitionType - 1] ?? UNKNOWN, arch ?? 'unknown'];
}

/** `undefined` for a number that stands for none. */
export function hashName(hashType: number): string | undefined {
  return HASHES[hashType - 1];
}

export function sbomFormatName(format: number): string {
  return SBOM_FORMATS[format - 1] ?? 'unknown';
}

/** Format and kind of a cryptographic message. */
export function messageNames(metadata: Buffer): [string, string] {
  return [MESSAGE_FORMATS[metadata.readInt32LE(0) - 1] ?? UNKNOWN, MESSAGES[metadata.readInt32LE(4)] ?? UNKNOWN];
}

/** The last column of `sif list`. */
export function objectSummary({ type, partition, metadata }: SifDescriptor): string {
  const name = dataTypeName(type);
  if (partition) return `${name} (${partitionNames(partition).join('/')})`;
  if (type === DataType.signature) return `${name} (${hashName(metadata.readInt32LE(0)) ?? UNKNOWN})`;
  if (type === DataType.cryptoMessage) return `${name} (${messageNames(metadata).join('/')})`;
  if (type === DataType.sbom) return `${name} (${sbomFormatName(metadata.readInt32LE(0))})`;
  return name;
}

/** The text in an OCI object's metadata. */
export function ociDigest(metadata: Buffer): string {
  return readText(metadata, 0, metadata.length);
}
