/** Changes to the table of a SIF that exists. Bytes that nobody asked to change stay as they are, known or not. */
import { RuntimeError } from '../../errors';
import { writeInt64 } from '../bytes';
import { DESCRIPTOR_BYTES, NAME_BYTES, PARTITION_ALIGNMENT_BYTES, PartitionType } from './constants';
import { encodeDescriptor, type SifDescriptor } from './descriptor';
import type { SifHeader } from './header';
import { describeObject, type NewObject } from './write';

/** The year 1, which deterministic images have for all their dates (Unix seconds). */
export const NO_TIME_S = -62135596800;

/** Places in the header (header.ts has them all). */
const ARCH_OFFSET = 45;
const MODIFIED_OFFSET = 72;
const FREE_OFFSET = 80;
const DATA_SIZE_OFFSET = 120;
/** Places in a descriptor. */
const USED_OFFSET = 4;
const ID_OFFSET = 5;
const DESCRIPTOR_MODIFIED_OFFSET = 49;
const PARTITION_TYPE_OFFSET = 201 + 4;
const PARTITION_ARCH_OFFSET = 201 + 8;
const ARCH_BYTES = 3;
const NO_ARCH = Buffer.from('00\0');

/** An object to be added. */
export interface AddedObject extends NewObject {
  /** Where it may begin: a multiple of this; 0 or 1 for anywhere. Partitions: 4096 unless given. */
  alignmentBytes?: number;
}

/** Header and table of an image, to be changed in memory and then written. The data is the caller's affair. */
export class SifEdit {
  private readonly descriptors: SifDescriptor[];
  /** By id: ids are given by slot, but a reader believes what the table says. */
  private readonly slots = new Map<number, number>();

  /**
   * @param headerBytes 128 bytes, @param table all of the table; both are changed
   * @param header what they say, @param descriptors the same, checked (decodeHeader(), decodeTable())
   */
  constructor(
    readonly headerBytes: Buffer,
    readonly table: Buffer,
    private readonly header: SifHeader,
    descriptors: readonly SifDescriptor[],
  ) {
    this.descriptors = [...descriptors];
    for (let slot = 0; slot < header.descriptorsTotal; slot++) {
      if (!this.isFree(slot)) this.slots.set(table.readUInt32LE(slot * DESCRIPTOR_BYTES + ID_OFFSET), slot);
    }
  }

  /** The used entries as they are now, in the order of the table. */
  get objects(): readonly SifDescriptor[] {
    return this.descriptors;
  }

  /** The end of the last object, or of the table where that comes last: what lies behind it belongs to none. */
  get endBytes(): number {
    return this.descriptors.reduce(
      (end, { offsetBytes, sizeBytes }) => Math.max(end, offsetBytes + sizeBytes),
      Math.max(this.header.dataOffsetBytes, this.header.tableOffsetBytes + this.header.tableSizeBytes),
    );
  }

  /** The date that a change made at `nowS` has: none in an image without dates, so that it stays reproducible. */
  changeTime(nowS: number): number {
    return this.header.createdS === NO_TIME_S && this.header.id.every((byte) => byte === 0) ? NO_TIME_S : nowS;
  }

  /** The object with an id. @throws RuntimeError OPTION when there is none */
  find(id: number): SifDescriptor {
    if (id === 0) throw new RuntimeError('OPTION', 'invalid object ID');
    const found = this.descriptors.find((descriptor) => descriptor.id === id);
    if (!found) throw new RuntimeError('OPTION', 'object not found');
    return found;
  }

  /** An object's entry in the table, byte for byte. @throws RuntimeError OPTION when there is none */
  entry(id: number): Buffer {
    const at = this.slotOf(this.find(id)) * DESCRIPTOR_BYTES;
    return this.table.subarray(at, at + DESCRIPTOR_BYTES);
  }

  /** Where an object would begin. */
  nextOffset(object: Pick<AddedObject, 'partition' | 'alignmentBytes'>): number {
    const alignment = object.alignmentBytes ?? (object.partition ? PARTITION_ALIGNMENT_BYTES : 1);
    return alignment > 1 ? Math.ceil(this.endBytes / alignment) * alignment : this.endBytes;
  }

  /** @throws RuntimeError OPTION when the object cannot be added, whatever its data */
  check({ name, partition }: AddedObject): void {
    this.freeSlot();
    if (Buffer.byteLength(name) > NAME_BYTES) throw new RuntimeError('OPTION', 'name value too large');
    if (partition?.partitionType === PartitionType.primarySystem && this.descriptors.some(isPrimary)) {
      throw new RuntimeError('OPTION', 'image already contains a primary partition');
    }
  }

  /**
   * Takes the first free entry for an object whose data lies at `nextOffset`.
   * @throws RuntimeError OPTION when it cannot be added; nothing has changed then
   */
  add(object: AddedObject, sizeBytes: number, nowS: number): SifDescriptor {
    this.check(object);
    const slot = this.freeSlot();
    const timeS = this.changeTime(nowS);
    const offsetBytes = this.nextOffset(object);
    const place = { offsetBytes, sizeBytes, paddedSizeBytes: offsetBytes + sizeBytes - this.endBytes };
    const descriptor = describeObject(object, slot + 1, timeS, place);
    encodeDescriptor(descriptor, this.table, slot * DESCRIPTOR_BYTES);
    this.slots.set(descriptor.id, slot);
    this.descriptors.push(descriptor);
    this.descriptors.sort((a, b) => this.slotOf(a) - this.slotOf(b));
    writeInt64(this.headerBytes, DATA_SIZE_OFFSET, this.endBytes - this.header.dataOffsetBytes);
    if (isPrimary(descriptor)) this.copyArch(descriptor);
    this.changeHeader(timeS);
    return descriptor;
  }

  /** Frees the entry of an object. Its data stays where it is. @throws RuntimeError OPTION when there is none */
  remove(id: number, nowS: number): SifDescriptor {
    const descriptor = this.find(id);
    const at = this.slotOf(descriptor) * DESCRIPTOR_BYTES;
    this.table.fill(0, at, at + DESCRIPTOR_BYTES);
    this.slots.delete(id);
    if (isPrimary(descriptor)) NO_ARCH.copy(this.headerBytes, ARCH_OFFSET);
    this.descriptors.splice(this.descriptors.indexOf(descriptor), 1);
    this.changeHeader(this.changeTime(nowS));
    return descriptor;
  }

  /**
   * Makes a system partition the one containers run from; the one that was becomes an ordinary system partition.
   * @throws RuntimeError OPTION when the object is no system partition
   */
  setPrimary(id: number, nowS: number): void {
    const found = this.find(id);
    const { partition } = found;
    if (!partition) throw new RuntimeError('OPTION', 'data object not a partition');
    if (partition.partitionType === PartitionType.primarySystem) return;
    if (partition.partitionType !== PartitionType.system) {
      throw new RuntimeError('OPTION', 'data object not a system partition');
    }
    const timeS = this.changeTime(nowS);
    for (const old of this.descriptors.filter(isPrimary)) this.changePartition(old, PartitionType.system, timeS);
    this.changePartition(found, PartitionType.primarySystem, timeS);
    this.copyArch(found);
    this.changeHeader(timeS);
  }

  private changePartition(descriptor: SifDescriptor, partitionType: number, timeS: number): void {
    const at = this.slotOf(descriptor) * DESCRIPTOR_BYTES;
    this.table.writeInt32LE(partitionType, at + PARTITION_TYPE_OFFSET);
    writeInt64(this.table, at + DESCRIPTOR_MODIFIED_OFFSET, timeS);
    descriptor.modifiedS = timeS;
    if (descriptor.partition) descriptor.partition.partitionType = partitionType;
  }

  /** Bytes as they are: the code may be one that we do not know. */
  private copyArch(descriptor: SifDescriptor): void {
    const at = this.slotOf(descriptor) * DESCRIPTOR_BYTES + PARTITION_ARCH_OFFSET;
    this.table.copy(this.headerBytes, ARCH_OFFSET, at, at + ARCH_BYTES);
  }

  /** The first slot that is free and whose number no object elsewhere has for its id. */
  private freeSlot(): number {
    for (let slot = 0; slot < this.header.descriptorsTotal; slot++) {
      if (this.isFree(slot) && !this.slots.has(slot + 1)) return slot;
    }
    throw new RuntimeError('OPTION', 'insufficient descriptor capacity to add data object(s) to image');
  }

  private isFree(slot: number): boolean {
    return this.table[slot * DESCRIPTOR_BYTES + USED_OFFSET] === 0;
  }

  private slotOf({ id }: SifDescriptor): number {
    const slot = this.slots.get(id);
    if (slot === undefined) throw new RuntimeError('INTERNAL', `SIF object ${id} has no place in the table`);
    return slot;
  }

  private changeHeader(timeS: number): void {
    writeInt64(this.headerBytes, MODIFIED_OFFSET, timeS);
    writeInt64(this.headerBytes, FREE_OFFSET, this.header.descriptorsTotal - this.descriptors.length);
  }
}

function isPrimary({ partition }: SifDescriptor): boolean {
  return partition?.partitionType === PartitionType.primarySystem;
}
