import { RuntimeError } from '../../errors';
import { readInt64, readText, writeInt64, writeText } from '../bytes';
import { archFromCode, archToCode, DataType, DESCRIPTOR_BYTES, GROUP_MASK, NAME_BYTES } from './constants';

/** What a partition object holds (11 bytes of metadata). */
export interface PartitionInfo {
  fsType: number;
  partitionType: number;
  /** GOARCH name; absent when unknown. */
  arch?: string;
}

/** One used entry of the table. Times are Unix seconds. */
export interface SifDescriptor {
  type: number;
  id: number;
  /** 0: in no group. */
  group: number;
  /** The object, or with `linkToGroup` the group, that this one belongs to; 0: none. */
  link: number;
  linkToGroup: boolean;
  offsetBytes: number;
  sizeBytes: number;
  /** Size with the padding that was put in front of it. */
  paddedSizeBytes: number;
  createdS: number;
  modifiedS: number;
  name: string;
  /** Present for partitions. */
  partition?: PartitionInfo;
  /** The 384 bytes of metadata that depend on the type. */
  metadata: Buffer;
}

const METADATA_OFFSET = 201;
const METADATA_BYTES = 384;

/** Decodes the entry at `at`; `undefined` for an unused one. Plausibility is checked with the whole table. */
export function decodeDescriptor(table: Buffer, at: number): SifDescriptor | undefined {
  if (table[at + 4] === 0) return undefined;
  const type = table.readInt32LE(at);
  const group = table.readUInt32LE(at + 9);
  const link = table.readUInt32LE(at + 13);
  const linkToGroup = link >= GROUP_MASK;
  const start = at + METADATA_OFFSET;
  return {
    type,
    id: table.readUInt32LE(at + 5),
    group: group >= GROUP_MASK ? group - GROUP_MASK : group,
    link: linkToGroup ? link - GROUP_MASK : link,
    linkToGroup,
    offsetBytes: readInt64(table, at + 17),
    sizeBytes: readInt64(table, at + 25),
    paddedSizeBytes: readInt64(table, at + 33),
    createdS: readInt64(table, at + 41),
    modifiedS: readInt64(table, at + 49),
    name: readText(table, at + 73, NAME_BYTES),
    partition: type === DataType.partition ? decodePartition(table, start) : undefined,
    metadata: table.subarray(start, start + METADATA_BYTES),
  };
}

function decodePartition(table: Buffer, at: number): PartitionInfo {
  return {
    fsType: table.readInt32LE(at),
    partitionType: table.readInt32LE(at + 4),
    arch: archFromCode(readText(table, at + 8, 3)),
  };
}

/** The 11 metadata bytes of a partition. */
export function encodePartition(info: PartitionInfo): Buffer {
  const bytes = Buffer.alloc(11);
  bytes.writeInt32LE(info.fsType, 0);
  bytes.writeInt32LE(info.partitionType, 4);
  writeText(bytes, 8, 3, archToCode(info.arch ?? ''));
  return bytes;
}

/** Encodes an entry into `table` at `at`. @throws RuntimeError INTERNAL when name or metadata are too long. */
export function encodeDescriptor(descriptor: SifDescriptor, table: Buffer, at: number): void {
  table.fill(0, at, at + DESCRIPTOR_BYTES);
  table.writeInt32LE(descriptor.type, at);
  table[at + 4] = 1;
  table.writeUInt32LE(descriptor.id, at + 5);
  table.writeUInt32LE(GROUP_MASK + descriptor.group, at + 9);
  table.writeUInt32LE(descriptor.linkToGroup ? GROUP_MASK + descriptor.link : descriptor.link, at + 13);
  writeInt64(table, at + 17, descriptor.offsetBytes);
  writeInt64(table, at + 25, descriptor.sizeBytes);
  writeInt64(table, at + 33, descriptor.paddedSizeBytes);
  writeInt64(table, at + 41, descriptor.createdS);
  writeInt64(table, at + 49, descriptor.modifiedS);
  const metadata = descriptor.partition ? encodePartition(descriptor.partition) : descriptor.metadata;
  if (Buffer.byteLength(descriptor.name) > NAME_BYTES || metadata.length > METADATA_BYTES) {
    throw new RuntimeError('INTERNAL', `name or metadata of SIF object ${descriptor.id} are too long`);
  }
  table.write(descriptor.name, at + 73, 'utf8');
  metadata.copy(table, at + METADATA_OFFSET);
}
