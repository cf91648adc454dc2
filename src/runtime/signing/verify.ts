/** Verifies the signatures of a SIF: first that the text was signed, then that the image is what the text says. */
import type { KeyObject } from 'node:crypto';
import { RuntimeError } from '../../errors';
import { DataType, PartitionType } from '../../formats/sif/constants';
import type { SifDescriptor } from '../../formats/sif/descriptor';
import {
  decodeMetadata,
  digestOf,
  type ImageMetadata,
  signedDescriptorBytes,
  signedHeaderBytes,
} from '../../formats/sif/integrity';
import { decodeSignatureInfo, fingerprintOf, legacyDigest, signatureForm } from '../../formats/sif/signature';
import { prefixed } from '../image/prefixed';
import { SifFile } from '../image/sif-file';
import { type FindKeys, verifyClearSigned } from './clear-sign';
import { type Key, fingerprint } from './openpgp';
import { verifyEnvelope } from './pem-key';
import {
  groupIds,
  groupObjects,
  groupSignatures,
  MAX_SIGNATURE_BYTES,
  objectSignatures,
  smallestId,
  UnsignedError,
} from './select';

/** What one signature came to. */
export interface SignatureReport {
  signature: SifDescriptor;
  /** The OpenPGP key that signed. */
  key?: Key;
  /** Objects that are as they were signed. */
  verified: readonly SifDescriptor[];
  error?: RuntimeError;
  /** The object whose data is not what was signed. */
  damaged?: SifDescriptor;
}

export interface VerifyRequest {
  /** Public keys for DSSE envelopes. */
  publicKeys?: readonly KeyObject[];
  /** Where OpenPGP keys are found. */
  findKeys?: FindKeys;
  groups?: readonly number[];
  objects?: readonly number[];
  /** The signatures of before 2020, which cover the data alone. */
  legacy?: boolean;
  /** With `legacy`: every object must have one. */
  all?: boolean;
  /** Called for each signature, before an error of it is thrown. @returns true to go on in spite of the error */
  onReport?: (report: SignatureReport) => Promise<boolean>;
}

/** Objects that are verified together. */
interface Task {
  signatures(): readonly SifDescriptor[];
  /** @throws RuntimeError INTEGRITY */
  compare(text: string, hash: string, report: SignatureReport): void;
}

/**
 * Verifies all signatures of the chosen groups and objects; of all groups when none is chosen.
 * @returns the fingerprints of the OpenPGP keys that have signed every one of them, in upper case
 * @throws RuntimeError INTEGRITY, OPTION, with `integrity: ` in front, as the reference words them; IMAGE_* for the file
 */
export async function verifyImage(path: string, request: VerifyRequest): Promise<{ signers: string[] }> {
  const sif = SifFile.open(path);
  try {
    const tasks = tasksFor(sif, request);
    checkGrouped(sif);
    const signers: Set<string>[] = [];
    for (const task of tasks) {
      const own = new Set<string>();
      for (const signature of task.signatures()) {
        const { key, error } = await verifyOne(sif, signature, task, request);
        if (key && !error) own.add(fingerprint(key));
      }
      signers.push(own);
    }
    return { signers: ofAll(signers) };
  } catch (error) {
    throw prefixed(error, 'integrity');
  } finally {
    sif.close();
  }
}

function tasksFor(sif: SifFile, request: VerifyRequest): Task[] {
  const { legacy = false, all = false } = request;
  let { groups = [], objects = [] } = request;
  if (groups.includes(0)) throw new RuntimeError('OPTION', 'invalid group ID');
  if (objects.includes(0)) throw new RuntimeError('OPTION', 'invalid object ID');
  if (legacy && all) {
    const rest = sif.objects.filter(({ type, group }) => type !== DataType.signature && group !== 0);
    objects = [...objects, ...rest.map(({ id }) => id)];
  } else if (legacy && groups.length === 0 && objects.length === 0) {
    objects = [primaryId(sif)];
  }
  if (groups.length === 0 && objects.length === 0) groups = groupIds(sif);
  const ascending = (ids: readonly number[]): number[] => [...new Set(ids)].sort((a, b) => a - b);
  return [
    ...ascending(groups).map((group) => (legacy ? legacyGroupTask(sif, group) : groupTask(sif, group))),
    ...ascending(objects).map((id) => (legacy ? legacyObjectTask(sif, id) : objectTask(sif, id))),
  ];
}

function primaryId({ objects }: SifFile): number {
  const primary = objects.find(({ partition }) => partition?.partitionType === PartitionType.primarySystem);
  if (!primary) throw new RuntimeError('INTEGRITY', 'object not found');
  return primary.id;
}

/** What is in no group is covered by no signature. */
function checkGrouped({ objects }: SifFile): void {
  if (objects.every(({ type, group }) => group !== 0 || type === DataType.signature)) return;
  throw new RuntimeError('INTEGRITY', 'non-signature object not associated with object group');
}

async function verifyOne(
  sif: SifFile,
  signature: SifDescriptor,
  task: Task,
  request: VerifyRequest,
): Promise<SignatureReport> {
  const data = sif.read(signature, MAX_SIGNATURE_BYTES);
  const opener = openerFor(data, request);
  const report: SignatureReport = { signature, verified: [] };
  try {
    const { hash } = decodeSignatureInfo(signature.metadata);
    const { text, key } = await opener(hash).catch((error: unknown) => {
      throw prefixed(error, `signature object ${signature.id} not valid`);
    });
    report.key = key;
    checkFingerprint(signature, key);
    task.compare(text, hash, report);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    report.error = error;
  }
  const goOn = await request.onReport?.(report);
  if (report.error && goOn !== true) throw report.error;
  return report;
}

type Opener = (hash: string) => Promise<{ text: string; key?: Key }>;

/** How the signed text is got at; an error here is not about the signature, but about what was asked for. */
function openerFor(data: Buffer, { publicKeys, findKeys }: VerifyRequest): Opener {
  const form = signatureForm(data);
  if (form === 'unknown') throw new RuntimeError('INTEGRITY', 'signature format not recognized');
  if (form === 'dsse') {
    if (publicKeys) return async (hash) => ({ text: verifyEnvelope(data, publicKeys, hash).text });
    throw new RuntimeError('INTEGRITY', 'key material not provided for DSSE envelope signature', {
      hint: 'it was signed with a PEM key: give the public one by --key, or its certificate by --certificate',
    });
  }
  if (findKeys) return async () => await verifyClearSigned(data, findKeys);
  throw new RuntimeError('INTEGRITY', 'key material not provided for PGP clear-sign signature', {
    hint: 'it was signed with an OpenPGP key: verify without --key and --certificate',
  });
}

/** The descriptor is not signed: it must not name somebody else. */
function checkFingerprint({ metadata }: SifDescriptor, key: Key | undefined): void {
  if (!key || fingerprint(key).toLowerCase() === fingerprintOf(metadata)) return;
  throw new RuntimeError('INTEGRITY', 'fingerprint in descriptor does not correspond to signing entity');
}

function groupTask(sif: SifFile, group: number): Task {
  const objects = groupObjects(sif, group);
  return {
    signatures: () => groupSignatures(sif, group, false),
    compare: (text, _hash, report) => {
      const metadata = decodeSigned(text, report);
      checkSameObjects(metadata, objects, smallestId(sif, group));
      compareObjects(sif, metadata, objects, smallestId(sif, group), report);
    },
  };
}

/** The signatures of an object's group, of which only what they say about this object counts. */
function objectTask(sif: SifFile, id: number): Task {
  const object = sif.find(id);
  return {
    signatures: () => groupSignatures(sif, object.group, false),
    compare: (text, _hash, report) =>
      compareObjects(sif, decodeSigned(text, report), [object], smallestId(sif, object.group), report),
  };
}

function decodeSigned(text: string, { signature }: SignatureReport): ImageMetadata {
  try {
    return decodeMetadata(text);
  } catch (error) {
    throw prefixed(error, `signature object ${signature.id} not valid`);
  }
}

function checkSameObjects({ objects }: ImageMetadata, present: readonly SifDescriptor[], firstId: number): void {
  const signed = objects.map(({ relativeId }) => firstId + relativeId);
  const extra = present.find(({ id }) => !signed.includes(id));
  if (extra) throw new RuntimeError('INTEGRITY', `object ${extra.id}: object not signed`);
  const missing = signed.find((id) => !present.some((object) => object.id === id));
  if (missing !== undefined) throw new RuntimeError('INTEGRITY', `object ${missing}: signed object not found`);
}

function compareObjects(
  sif: SifFile,
  metadata: ImageMetadata,
  objects: readonly SifDescriptor[],
  firstId: number,
  report: SignatureReport,
): void {
  const { headerDigest } = metadata;
  if (digestOf([signedHeaderBytes(sif.headerBytes)], headerDigest) !== headerDigest) {
    throw new RuntimeError('INTEGRITY', 'header integrity compromised');
  }
  for (const object of objects) {
    const { id } = object;
    const signed = metadata.objects.find(({ relativeId }) => firstId + relativeId === id);
    if (!signed) throw new RuntimeError('INTEGRITY', `object ${id}: object not signed`);
    const entry = signedDescriptorBytes(sif.entry(id), signed.relativeId);
    if (digestOf([entry], signed.descriptorDigest) !== signed.descriptorDigest) {
      throw new RuntimeError('INTEGRITY', `data object descriptor integrity compromised: ${id}`);
    }
    if (digestOf(sif.pieces(object), signed.objectDigest) !== signed.objectDigest) {
      report.damaged = object;
      throw new RuntimeError('INTEGRITY', `data object integrity compromised: ${id}`);
    }
    report.verified = [...report.verified, object];
  }
}

/** Over the data of all objects of a group, one behind the other. */
function legacyGroupTask(sif: SifFile, group: number): Task {
  const objects = groupObjects(sif, group);
  return {
    signatures: () => groupSignatures(sif, group, true),
    compare: (text, hash, report) => compareLegacy(sif, objects, legacyDigest(text, hash), report, ''),
  };
}

function legacyObjectTask(sif: SifFile, id: number): Task {
  const object = sif.find(id);
  return {
    signatures: () => objectSignatures(sif, id),
    compare: (text, hash, report) => compareLegacy(sif, [object], legacyDigest(text, hash), report, `: ${id}`),
  };
}

function compareLegacy(
  sif: SifFile,
  objects: readonly SifDescriptor[],
  digest: string,
  report: SignatureReport,
  which: string,
): void {
  function* pieces(): Generator<Buffer> {
    for (const object of objects) yield* sif.pieces(object);
  }
  if (digestOf(pieces(), digest) !== digest) {
    if (which !== '') report.damaged = objects[0];
    throw new RuntimeError('INTEGRITY', `data object integrity compromised${which}`);
  }
  report.verified = objects;
}

/** What is in each of the sets. */
function ofAll([first = new Set<string>(), ...rest]: readonly Set<string>[]): string[] {
  return [...first].filter((value) => rest.every((others) => others.has(value))).sort();
}

/** Whether verification failed for want of a signature: not the same as a signature that is wrong. */
export function isUnsigned(error: unknown): boolean {
  return error instanceof UnsignedError || (error instanceof Error && error.cause instanceof UnsignedError);
}
