/** Signs a SIF: one signature object for each group, linked to it. The image is whole at every moment. */
import type { KeyObject } from 'node:crypto';
import { RuntimeError } from '../../errors';
import { DataType } from '../../formats/sif/constants';
import type { SifDescriptor } from '../../formats/sif/descriptor';
import {
  DIGEST_ALGORITHM,
  digestOf,
  encodeMetadata,
  signedDescriptorBytes,
  signedHeaderBytes,
} from '../../formats/sif/integrity';
import { encodeSignatureInfo } from '../../formats/sif/signature';
import { prefixed } from '../image/prefixed';
import { type SifFile, WritableSif } from '../image/sif-file';
import { clearSign } from './clear-sign';
import { fingerprint, type PrivateKey } from './openpgp';
import { signEnvelope } from './pem-key';
import { groupIds, groupObjects, smallestId } from './select';

/** One of the two keys. */
export interface SigningKey {
  pem?: KeyObject;
  openPgp?: PrivateKey;
}

export interface SignRequest {
  groups?: readonly number[];
  objects?: readonly number[];
}

/**
 * Signs the chosen groups and objects; all groups when none is chosen.
 * @param key called when the image has been opened
 * @throws RuntimeError KEY, OPTION, IMAGE_*
 */
export async function signImage(path: string, key: SigningKey, request: SignRequest): Promise<void> {
  const sif = WritableSif.open(path);
  try {
    const parts = partsFor(sif, request);
    for (const { group, objects } of parts) {
      const { data, metadata } = await signPart(sif, group, objects, key);
      sif.add({ type: DataType.signature, name: '', group: 0, link: group, linkToGroup: true, metadata }, data);
    }
    sif.commit();
  } catch (error) {
    throw prefixed(error, 'integrity');
  } finally {
    sif.close();
  }
}

interface Part {
  group: number;
  objects: readonly SifDescriptor[];
}

function partsFor(sif: SifFile, { groups = [], objects = [] }: SignRequest): Part[] {
  const whole = (group: number): Part => ({ group, objects: groupObjects(sif, group) });
  if (groups.length === 0 && objects.length === 0) return groupIds(sif).map(whole);
  const found = objects.map((id) => sif.find(id));
  if (found.some(({ group }) => group === 0)) throw new RuntimeError('OPTION', 'invalid group ID');
  const ofObjects = [...new Set(found.map(({ group }) => group))].sort((a, b) => a - b);
  return [
    ...groups.map(whole),
    ...ofObjects.map((group) => ({ group, objects: found.filter((object) => object.group === group) })),
  ];
}

async function signPart(
  sif: SifFile,
  group: number,
  objects: readonly SifDescriptor[],
  { pem, openPgp }: SigningKey,
): Promise<{ data: Buffer; metadata: Buffer }> {
  const text = metadataText(sif, smallestId(sif, group), objects);
  if (pem) {
    const data = signEnvelope(Buffer.from(text), pem, DIGEST_ALGORITHM);
    return { data, metadata: encodeSignatureInfo({ hash: DIGEST_ALGORITHM }) };
  }
  if (!openPgp) throw new RuntimeError('KEY', 'key material not provided');
  const { data, hash } = await clearSign(text, openPgp);
  return { data, metadata: encodeSignatureInfo({ hash, fingerprint: fingerprint(openPgp) }) };
}

function metadataText(sif: SifFile, firstId: number, objects: readonly SifDescriptor[]): string {
  return encodeMetadata({
    headerDigest: digestOf([signedHeaderBytes(sif.headerBytes)]),
    objects: objects.map((object) => {
      const relativeId = object.id - firstId;
      return {
        relativeId,
        descriptorDigest: digestOf([signedDescriptorBytes(sif.entry(object.id), relativeId)]),
        objectDigest: digestOf(sif.pieces(object)),
      };
    }),
  });
}
