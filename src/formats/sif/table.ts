import { RuntimeError } from '../../errors';
import { DataType, DESCRIPTOR_BYTES, FsType, HEADER_BYTES, PartitionType } from './constants';
import { decodeDescriptor, type SifDescriptor } from './descriptor';
import type { SifHeader } from './header';

/** A partition from which a container can run. */
export interface PrimaryPartition extends SifDescriptor {
  partition: NonNullable<SifDescriptor['partition']>;
}

/**
 * Decodes the table and checks what its entries say about themselves and each other.
 * @param table `header.tableSizeBytes` bytes
 * @returns the used entries in the order of the table
 * @throws RuntimeError IMAGE_FORMAT
 */
export function decodeTable(table: Buffer, header: SifHeader, fileSizeBytes: number): SifDescriptor[] {
  const used: SifDescriptor[] = [];
  const ids = new Set<number>();
  for (let slot = 0; slot < header.descriptorsTotal; slot++) {
    const descriptor = decodeDescriptor(table, slot * DESCRIPTOR_BYTES);
    if (!descriptor) continue;
    checkPlace(descriptor, fileSizeBytes);
    if (ids.has(descriptor.id)) throw new RuntimeError('IMAGE_FORMAT', `two SIF objects have the id ${descriptor.id}`);
    ids.add(descriptor.id);
    used.push(descriptor);
  }
  checkOverlaps(used, header);
  return used;
}

function checkPlace(descriptor: SifDescriptor, fileSizeBytes: number): void {
  const { id, offsetBytes: offset, sizeBytes: size } = descriptor;
  if (offset < 0 || size < 0) {
    throw new RuntimeError('IMAGE_FORMAT', `absurd SIF object ${id}: offset ${offset}, size ${size}`);
  }
  if (offset + size > fileSizeBytes) {
    const message = `SIF object ${id} ends at ${offset + size}, beyond the end of the file at ${fileSizeBytes}`;
    throw new RuntimeError('IMAGE_FORMAT', message, { hint: 'the file is incomplete: copy or download it again' });
  }
}

function checkOverlaps(used: SifDescriptor[], header: SifHeader): void {
  const places = used
    .filter((descriptor) => descriptor.sizeBytes > 0)
    .map(({ id, offsetBytes, sizeBytes }) => ({ what: `object ${id}`, offsetBytes, sizeBytes }));
  places.push({ what: 'the header', offsetBytes: 0, sizeBytes: HEADER_BYTES });
  places.push({ what: 'the table', offsetBytes: header.tableOffsetBytes, sizeBytes: header.tableSizeBytes });
  places.sort((a, b) => a.offsetBytes - b.offsetBytes);
  for (let i = 1; i < places.length; i++) {
    const before = places[i - 1] as (typeof places)[number];
    const after = places[i] as (typeof places)[number];
    if (before.offsetBytes + before.sizeBytes > after.offsetBytes) {
      throw new RuntimeError('IMAGE_FORMAT', `SIF ${before.what} and ${after.what} overlap`);
    }
  }
}

const FS_NAMES: Record<number, string> = {
  [FsType.ext3]: 'ext3',
  [FsType.archive]: 'immutable archive',
  [FsType.raw]: 'raw data',
};

/**
 * The partition a container runs from.
 * @throws RuntimeError IMAGE_FORMAT when there is none, or more than one; IMAGE_UNSUPPORTED when it is encrypted, not
 *   squashfs, or when the file holds an OCI image instead
 */
export function selectPrimary(descriptors: SifDescriptor[]): PrimaryPartition {
  const primaries = descriptors.filter((d) => d.partition?.partitionType === PartitionType.primarySystem);
  const [primary] = primaries;
  if (!primary?.partition) throw noPrimary(descriptors);
  if (primaries.length > 1) {
    const ids = primaries.map(({ id }) => id).join(' and ');
    throw new RuntimeError('IMAGE_FORMAT', `the SIF has ${primaries.length} primary partitions: objects ${ids}`);
  }
  const { fsType } = primary.partition;
  if (fsType === FsType.encryptedSquashfs || fsType === FsType.gocryptfsSquashfs) {
    const way = fsType === FsType.encryptedSquashfs ? 'dm-crypt' : 'gocryptfs';
    throw new RuntimeError('IMAGE_UNSUPPORTED', `the root file system is encrypted (${way})`, {
      hint: 'encrypted images are not supported yet: decrypt it by building an unencrypted image from it',
    });
  }
  if (fsType !== FsType.squashfs) {
    const name = FS_NAMES[fsType] ?? `unknown type ${fsType}`;
    throw new RuntimeError('IMAGE_UNSUPPORTED', `unsupported file system in the primary partition: ${name}`, {
      hint: 'only squashfs can be used as a root file system',
    });
  }
  return primary as PrimaryPartition;
}

function noPrimary(descriptors: SifDescriptor[]): RuntimeError {
  if (descriptors.some(({ type }) => type === DataType.ociRootIndex)) {
    return new RuntimeError('IMAGE_UNSUPPORTED', 'no primary partition: the SIF holds an OCI image (OCI-SIF)', {
      hint: 'OCI-SIF images are not supported yet: build a classic SIF from the same source',
    });
  }
  return new RuntimeError('IMAGE_FORMAT', 'the SIF has no primary partition', {
    hint: 'it holds no root file system to run from',
  });
}
