/** Which objects of a SIF are signed together, and which signatures are meant for them. */
import { RuntimeError } from '../../errors';
import { DataType } from '../../formats/sif/constants';
import type { SifDescriptor } from '../../formats/sif/descriptor';
import { isLegacySignature } from '../../formats/sif/signature';
import type { SifFile } from '../image/sif-file';

/** A signature is a text; what is longer is none. */
export const MAX_SIGNATURE_BYTES = 4 << 20;

/** The groups that have objects, in ascending order. @throws RuntimeError INTEGRITY when there is none */
export function groupIds({ objects }: SifFile): number[] {
  const ids = [...new Set(objects.map(({ group }) => group))].filter((group) => group !== 0);
  if (ids.length === 0) throw new RuntimeError('INTEGRITY', 'no groups found');
  return ids.sort((a, b) => a - b);
}

/** @throws RuntimeError OPTION when nothing is in the group */
export function groupObjects({ objects }: SifFile, group: number): SifDescriptor[] {
  if (group === 0) throw new RuntimeError('OPTION', 'invalid group ID');
  const found = objects.filter((object) => object.group === group);
  if (found.length === 0) throw new RuntimeError('OPTION', 'group not found');
  return found;
}

/** Ids in a signature count from here. */
export function smallestId(sif: SifFile, group: number): number {
  return Math.min(...groupObjects(sif, group).map(({ id }) => id));
}

/** @throws RuntimeError INTEGRITY when there is none; OPTION for what is in no group */
export function groupSignatures(sif: SifFile, group: number, legacy: boolean): SifDescriptor[] {
  if (group === 0) throw new RuntimeError('OPTION', 'invalid group ID');
  const found = sif.objects.filter(
    (object) =>
      object.type === DataType.signature &&
      object.linkToGroup &&
      object.link === group &&
      isLegacySignature(sif.read(object, MAX_SIGNATURE_BYTES)) === legacy,
  );
  if (found.length > 0) return found;
  throw new UnsignedError(`signature not found for object group ${group}`);
}

/** Signatures of one object: only old ones are linked so. @throws RuntimeError INTEGRITY when there is none */
export function objectSignatures({ objects }: SifFile, id: number): SifDescriptor[] {
  const found = objects.filter(
    ({ type, link, linkToGroup }) => type === DataType.signature && !linkToGroup && link === id,
  );
  if (found.length > 0) return found;
  throw new UnsignedError(`signature not found for object ${id}`);
}

/** There is nothing to be verified: not the same as a signature that is wrong. */
export class UnsignedError extends RuntimeError {
  constructor(message: string) {
    super('INTEGRITY', message, { hint: 'the image is not signed, or not all of it' });
  }
}
