/**
 * What a signature of a SIF covers: the JSON text with digests of the header and of each object of a group (the text is
 * what gets signed). Arch, dates and places in the file are left out, so that an image can be added to.
 */
import { createHash } from 'node:crypto';
import { RuntimeError } from '../../errors';
import { isObject, type JsonObject } from '../oci/json';
import { DESCRIPTOR_BYTES } from './constants';

/** Names in the text, and Node's names for them. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['sha224', 'sha224'],
  ['sha256', 'sha256'],
  ['sha384', 'sha384'],
  ['sha512', 'sha512'],
  ['sha512_224', 'sha512-224'],
  ['sha512_256', 'sha512-256'],
]);
/** The one new signatures are made with. */
export const DIGEST_ALGORITHM = 'sha256';

export interface ObjectDigests {
  /** Object id minus the smallest object id of the group. */
  relativeId: number;
  descriptorDigest: string;
  objectDigest: string;
}

export interface ImageMetadata {
  headerDigest: string;
  objects: ObjectDigests[];
}

const VERSION = 1;
const MAX_OBJECTS = 16384;

/** The signed text: compact JSON, keys in this order. */
export function encodeMetadata({ headerDigest, objects }: ImageMetadata): string {
  const rows = objects.map(({ relativeId, descriptorDigest, objectDigest }) => ({
    relativeId,
    descriptorDigest,
    objectDigest,
  }));
  return JSON.stringify({ version: VERSION, header: { digest: headerDigest }, objects: rows });
}

/** @throws RuntimeError INTEGRITY for what is no such text */
export function decodeMetadata(text: string): ImageMetadata {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad((cause as Error).message);
  }
  if (!isObject(value) || !isObject(value.header) || !Array.isArray(value.objects)) throw bad('it lacks members');
  if (value.version !== VERSION) throw bad(`version ${String(value.version)} of it is unknown`);
  if (value.objects.length > MAX_OBJECTS) throw bad(`it names ${value.objects.length} objects`);
  return { headerDigest: digestText(value.header.digest), objects: value.objects.map(decodeObject) };
}

function decodeObject(value: unknown): ObjectDigests {
  const { relativeId, descriptorDigest, objectDigest } = isObject(value) ? value : ({} as JsonObject);
  if (typeof relativeId !== 'number' || !Number.isInteger(relativeId) || relativeId < 0)
    throw bad('an object has no id');
  return { relativeId, descriptorDigest: digestText(descriptorDigest), objectDigest: digestText(objectDigest) };
}

/** `algorithm:hex`, of the right length. */
function digestText(value: unknown): string {
  const [, name = '', hex = ''] = typeof value === 'string' ? (/^([a-z0-9_]+):([0-9a-fA-F]+)$/.exec(value) ?? []) : [];
  if (name === '') throw new RuntimeError('INTEGRITY', 'digest malformed');
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) throw new RuntimeError('INTEGRITY', 'hash algorithm unsupported');
  if (hex.length !== createHash(algorithm).digest().length * 2) throw new RuntimeError('INTEGRITY', 'digest malformed');
  return `${name}:${hex.toLowerCase()}`;
}

function bad(why: string): RuntimeError {
  return new RuntimeError('INTEGRITY', `image metadata is malformed: ${why}`);
}

/** The digest of all pieces, by the algorithm of `like` (a digest, or the name of an algorithm). */
export function digestOf(pieces: Iterable<Uint8Array>, like: string = DIGEST_ALGORITHM): string {
  const name = like.split(':', 1)[0] as string;
  const hash = createHash(ALGORITHMS.get(name) as string);
  for (const piece of pieces) hash.update(piece);
  return `${name}:${hash.digest('hex')}`;
}

/** Launch script, magic, version and id: 61 of the header's 128 bytes. */
export function signedHeaderBytes(header: Buffer): Buffer {
  return Buffer.concat([header.subarray(0, 45), header.subarray(48, 64)]);
}

/**
 * What is signed of a table entry: type, use, id in the group, link, size, creation, owner, name, metadata.
 * @param entry the entry's 585 bytes
 */
export function signedDescriptorBytes(entry: Buffer, relativeId: number): Buffer {
  const id = Buffer.alloc(4);
  id.writeUInt32LE(relativeId);
  const part = (from: number, to: number): Buffer => entry.subarray(from, to);
  return Buffer.concat([part(0, 5), id, part(13, 17), part(25, 33), part(41, 49), part(57, DESCRIPTOR_BYTES)]);
}
