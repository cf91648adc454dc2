/** The object that the flags of `sif add` describe. */
import { RuntimeError } from '../../../errors';
import { archFromCode, DataType, GROUP_MASK } from '../../../formats/sif/constants';
import type { PartitionInfo } from '../../../formats/sif/descriptor';
import type { AddedObject } from '../../../formats/sif/edit';
import { hashName, SBOM_FORMATS } from '../../../formats/sif/names';
import type { Options } from '../../command-line/parse';

/** Numbers of `--datatype` count from the first of DataType. */
const FIRST_TYPE = DataType.definitionFile - 1;
const LAST_TYPE = DataType.ociBlob - FIRST_TYPE;
const FINGERPRINT_BYTES = 20;
/** The hash's number, the fingerprint, and room for longer names of signers. */
const SIGNATURE_BYTES = 4 + 256;

/**
 * @param digest the SHA-256 of the data in hex; asked for where the object is named by it
 * @throws RuntimeError USAGE
 */
export function objectFromFlags(options: Options, digest: () => string): AddedObject {
  const number = options.number('datatype') ?? 0;
  if (number < 1 || number > LAST_TYPE) throw usage('-datatype flag is required with a valid range');
  const type = FIRST_TYPE + number;
  const partition = type === DataType.partition ? partitionFromFlags(options) : undefined;
  const object: AddedObject = {
    type,
    name: options.text('filename') ?? '',
    // The upper bits say that it is a group, whoever gives them.
    group: unsigned(options, 'groupid') & ~GROUP_MASK,
    link: unsigned(options, 'link'),
    partition,
    metadata: metadataFromFlags(type, options, digest),
  };
  const alignmentBytes = options.number('alignment');
  return alignmentBytes ? { ...object, alignmentBytes } : object;
}

function partitionFromFlags(options: Options): PartitionInfo {
  const fsType = options.number('partfs') ?? 0;
  const partitionType = options.number('parttype') ?? 0;
  const code = options.number('partarch') ?? 0;
  if (fsType === 0 || partitionType === 0 || code === 0) {
    throw usage('with partition datatype, --partfs, --parttype and --partarch must be passed');
  }
  const arch = archFromCode(String(code).padStart(2, '0'));
  if (arch === undefined) throw usage('unknown architecture: unknown');
  return { fsType: int32(fsType, 'partfs'), partitionType: int32(partitionType, 'parttype'), arch };
}

function metadataFromFlags(type: number, options: Options, digest: () => string): Buffer | undefined {
  switch (type) {
    case DataType.signature:
      return signatureMetadata(options);
    case DataType.sbom:
      return sbomMetadata(options.text('sbomformat'));
    case DataType.ociRootIndex:
    case DataType.ociBlob:
      return Buffer.from(`sha256:${digest()}`);
    default:
      return undefined;
  }
}

function signatureMetadata(options: Options): Buffer {
  const hash = options.number('signhash') ?? 0;
  const entity = options.text('signentity') ?? '';
  const strange = /[^0-9A-Fa-f]/u.exec(entity);
  if (strange) {
    const code = (strange[0].codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0');
    const detail = `encoding/hex: invalid byte: U+${code} '${strange[0]}'`;
    throw usage(`failed to decode signing entity fingerprint: ${detail}`);
  }
  if (entity.length % 2 === 1) {
    throw usage('failed to decode signing entity fingerprint: encoding/hex: odd length hex string');
  }
  if (hashName(hash) === undefined) throw usage(`invalid hash type: ${hash}`);
  const fingerprint = Buffer.from(entity, 'hex');
  if (fingerprint.length !== FINGERPRINT_BYTES) {
    const detail = `got ${fingerprint.length}, want ${FINGERPRINT_BYTES}`;
    throw usage(`invalid signing entity fingerprint length: ${detail}`);
  }
  const metadata = Buffer.alloc(SIGNATURE_BYTES);
  metadata.writeInt32LE(hash, 0);
  fingerprint.copy(metadata, 4);
  return metadata;
}

function sbomMetadata(format: string | undefined): Buffer {
  if (format === undefined) throw usage('with SBOM datatype, --sbomformat must be passed');
  const number = SBOM_FORMATS.indexOf(format) + 1;
  if (number === 0) throw usage(`invalid SBOM format: ${format}`);
  const metadata = Buffer.alloc(4);
  metadata.writeInt32LE(number, 0);
  return metadata;
}

function unsigned(options: Options, name: string): number {
  const value = options.number(name) ?? 0;
  if (value < 0 || value > 0xffffffff) throw outOfRange(value, name);
  return value;
}

function int32(value: number, name: string): number {
  if (value < -0x80000000 || value > 0x7fffffff) throw outOfRange(value, name);
  return value;
}

function outOfRange(value: number, name: string): RuntimeError {
  return usage(`invalid argument "${value}" for "--${name}" flag: value out of range`);
}

function usage(message: string): RuntimeError {
  return new RuntimeError('USAGE', message);
}
