import { RuntimeError } from '../../errors';
import {
  DEFAULT_DATA_OFFSET,
  DEFAULT_DESCRIPTORS,
  DEFAULT_TABLE_OFFSET,
  DESCRIPTOR_BYTES,
  LAUNCH_SCRIPT,
  PARTITION_ALIGNMENT_BYTES,
  PartitionType,
  VERSION,
} from './constants';
import { encodeDescriptor, type PartitionInfo, type SifDescriptor } from './descriptor';
import { encodeHeader } from './header';

/** An object to be placed. */
export interface NewObject {
  type: number;
  name: string;
  /** 0: in no group; images use group 1. */
  group: number;
  link?: number;
  linkToGroup?: boolean;
  /** Partitions alone: they are aligned to 4096 bytes, everything else is not aligned. */
  partition?: PartitionInfo;
  metadata?: Buffer;
}

/** The entry of an object that has found its place. */
export function describeObject(
  { type, name, group, link = 0, linkToGroup = false, partition, metadata = Buffer.alloc(0) }: NewObject,
  id: number,
  timeS: number,
  place: Pick<SifDescriptor, 'offsetBytes' | 'sizeBytes' | 'paddedSizeBytes'>,
): SifDescriptor {
  return { ...place, type, id, group, link, linkToGroup, createdS: timeS, modifiedS: timeS, name, partition, metadata };
}

/**
 * The places in a new SIF. Objects are appended one after the other; where the next one begins is known before its
 * size is, so that a file system can be written straight to its final place.
 */
export class SifLayout {
  readonly dataOffsetBytes = DEFAULT_DATA_OFFSET;
  private readonly descriptors: SifDescriptor[] = [];
  private endBytes: number = DEFAULT_DATA_OFFSET;

  constructor(
    private readonly id: Buffer,
    private readonly createdS: number,
    private readonly launchScript: string = LAUNCH_SCRIPT,
  ) {}

  /** Where an object of this kind would begin. */
  nextOffset(object: Pick<NewObject, 'partition'>): number {
    if (!object.partition) return this.endBytes;
    return Math.ceil(this.endBytes / PARTITION_ALIGNMENT_BYTES) * PARTITION_ALIGNMENT_BYTES;
  }

  /** Places an object of a known size at `nextOffset`. @throws RuntimeError IMAGE_BUILD when the table is full */
  append(object: NewObject, sizeBytes: number): SifDescriptor {
    if (this.descriptors.length === DEFAULT_DESCRIPTORS) {
      throw new RuntimeError('IMAGE_BUILD', `a SIF has room for ${DEFAULT_DESCRIPTORS} objects`);
    }
    const offsetBytes = this.nextOffset(object);
    const place = { offsetBytes, sizeBytes, paddedSizeBytes: offsetBytes + sizeBytes - this.endBytes };
    const descriptor = describeObject(object, this.descriptors.length + 1, this.createdS, place);
    this.descriptors.push(descriptor);
    this.endBytes = offsetBytes + sizeBytes;
    return descriptor;
  }

  /** Size of the finished file. */
  get sizeBytes(): number {
    return this.endBytes;
  }

  /** Header and table, to be written once everything else is: until then the file is no SIF. */
  encode(): { header: Buffer; table: Buffer; tableOffsetBytes: number } {
    const table = Buffer.alloc(DEFAULT_DESCRIPTORS * DESCRIPTOR_BYTES);
    for (const descriptor of this.descriptors)
      encodeDescriptor(descriptor, table, (descriptor.id - 1) * DESCRIPTOR_BYTES);
    const primary = this.descriptors.find((d) => d.partition?.partitionType === PartitionType.primarySystem);
    const header = encodeHeader({
      launchScript: this.launchScript,
      version: VERSION,
      arch: primary?.partition?.arch,
      id: this.id,
      createdS: this.createdS,
      modifiedS: this.createdS,
      descriptorsFree: DEFAULT_DESCRIPTORS - this.descriptors.length,
      descriptorsTotal: DEFAULT_DESCRIPTORS,
      tableOffsetBytes: DEFAULT_TABLE_OFFSET,
      tableSizeBytes: table.length,
      dataOffsetBytes: this.dataOffsetBytes,
      dataSizeBytes: this.endBytes - this.dataOffsetBytes,
    });
    return { header, table, tableOffsetBytes: DEFAULT_TABLE_OFFSET };
  }
}
