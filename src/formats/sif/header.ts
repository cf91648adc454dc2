import { RuntimeError } from '../../errors';
import { readInt64, readText, writeInt64, writeText } from '../bytes';
import {
  archFromCode,
  archToCode,
  DESCRIPTOR_BYTES,
  HEADER_BYTES,
  LAUNCH_SCRIPT_BYTES,
  MAGIC,
  MAGIC_OFFSET,
  MAX_DESCRIPTORS,
  PARTITION_ALIGNMENT_BYTES,
  VERSION,
} from './constants';

/** The global header: the first 128 bytes of a SIF file. Times are Unix seconds. */
export interface SifHeader {
  launchScript: string;
  version: string;
  /** GOARCH name; absent while there is no primary partition. */
  arch?: string;
  /** 16 bytes; all zero in deterministic images. */
  id: Buffer;
  createdS: number;
  modifiedS: number;
  descriptorsFree: number;
  descriptorsTotal: number;
  tableOffsetBytes: number;
  tableSizeBytes: number;
  dataOffsetBytes: number;
  dataSizeBytes: number;
}

const TRUNCATED = 'the file is incomplete: copy or download it again';

/** True when `bytes`, the beginning of a file, carry the SIF magic anywhere in their first 2048. */
export function looksLikeSif(bytes: Buffer): boolean {
  return bytes.subarray(0, 2048).includes(MAGIC);
}

/**
 * Decodes and checks the header.
 * @param bytes the beginning of the file
 * @param fileSizeBytes size of the file, against which the table is checked
 * @throws RuntimeError IMAGE_FORMAT
 */
export function decodeHeader(bytes: Buffer, fileSizeBytes: number): SifHeader {
  if (bytes.length < HEADER_BYTES) {
    const detail = `the header has ${HEADER_BYTES} bytes, the file ${bytes.length}`;
    throw new RuntimeError('IMAGE_FORMAT', `reading global header: unexpected EOF: ${detail}`, { hint: TRUNCATED });
  }
  if (bytes.toString('latin1', MAGIC_OFFSET, MAGIC_OFFSET + 10) !== `${MAGIC}\0`) {
    throw new RuntimeError('IMAGE_FORMAT', `invalid SIF magic: no "${MAGIC}" at offset ${MAGIC_OFFSET}`);
  }
  const version = readText(bytes, 42, 3);
  if (version !== VERSION) {
    throw new RuntimeError('IMAGE_FORMAT', `incompatible SIF version: ${JSON.stringify(version)}, not "${VERSION}"`, {
      hint: 'the image was written by a newer program, or is damaged',
    });
  }
  const header: SifHeader = {
    launchScript: readText(bytes, 0, LAUNCH_SCRIPT_BYTES),
    version,
    arch: archFromCode(readText(bytes, 45, 3)),
    id: Buffer.from(bytes.subarray(48, 64)),
    createdS: readInt64(bytes, 64),
    modifiedS: readInt64(bytes, 72),
    descriptorsFree: readInt64(bytes, 80),
    descriptorsTotal: readInt64(bytes, 88),
    tableOffsetBytes: readInt64(bytes, 96),
    tableSizeBytes: readInt64(bytes, 104),
    dataOffsetBytes: readInt64(bytes, 112),
    dataSizeBytes: readInt64(bytes, 120),
  };
  checkTablePlace(header, fileSizeBytes);
  return header;
}

/** Every count and place of the table, before a byte of it is read or a buffer for it is allocated. */
function checkTablePlace(header: SifHeader, fileSizeBytes: number): void {
  const { descriptorsTotal: total, descriptorsFree: free, tableOffsetBytes: offset, tableSizeBytes: size } = header;
  if (total < 0 || total > MAX_DESCRIPTORS) {
    throw new RuntimeError('IMAGE_FORMAT', `absurd SIF header: it claims ${total} descriptors`);
  }
  if (free < 0 || free > total) {
    throw new RuntimeError('IMAGE_FORMAT', `absurd SIF header: ${free} of ${total} descriptors are free`);
  }
  if (size !== total * DESCRIPTOR_BYTES) {
    const wanted = total * DESCRIPTOR_BYTES;
    const detail = `${total} descriptors need ${wanted} bytes, the header says ${size}`;
    throw new RuntimeError('IMAGE_FORMAT', `absurd SIF header: ${detail}`);
  }
  if (offset < HEADER_BYTES) {
    throw new RuntimeError('IMAGE_FORMAT', `absurd SIF header: the descriptor table is at offset ${offset}`);
  }
  if (offset + size > fileSizeBytes) {
    const detail = `the table ends at ${offset + size}, the file at ${fileSizeBytes}`;
    throw new RuntimeError('IMAGE_FORMAT', `reading descriptors: unexpected EOF: ${detail}`, { hint: TRUNCATED });
  }
  // New objects go behind it. In a file without any it may begin at the next page, which is not there yet.
  const dataLimitBytes = Math.ceil(fileSizeBytes / PARTITION_ALIGNMENT_BYTES) * PARTITION_ALIGNMENT_BYTES;
  const isElsewhere = header.dataOffsetBytes < HEADER_BYTES || header.dataOffsetBytes > dataLimitBytes;
  if (isElsewhere || header.dataSizeBytes < 0) {
    const detail = `the data section is at ${header.dataOffsetBytes}, size ${header.dataSizeBytes}`;
    throw new RuntimeError('IMAGE_FORMAT', `absurd SIF header: ${detail}`);
  }
}

/** Encodes a header. @throws RuntimeError INTERNAL when the launch script has more than 31 bytes. */
export function encodeHeader(header: SifHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  if (!writeText(bytes, 0, LAUNCH_SCRIPT_BYTES, header.launchScript)) {
    throw new RuntimeError('INTERNAL', `launch script of ${Buffer.byteLength(header.launchScript)} bytes in a SIF`);
  }
  writeText(bytes, MAGIC_OFFSET, 10, MAGIC);
  writeText(bytes, 42, 3, header.version);
  writeText(bytes, 45, 3, archToCode(header.arch ?? ''));
  header.id.copy(bytes, 48, 0, 16);
  writeInt64(bytes, 64, header.createdS);
  writeInt64(bytes, 72, header.modifiedS);
  writeInt64(bytes, 80, header.descriptorsFree);
  writeInt64(bytes, 88, header.descriptorsTotal);
  writeInt64(bytes, 96, header.tableOffsetBytes);
  writeInt64(bytes, 104, header.tableSizeBytes);
  writeInt64(bytes, 112, header.dataOffsetBytes);
  writeInt64(bytes, 120, header.dataSizeBytes);
  return bytes;
}
