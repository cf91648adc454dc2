/** The signatures of the image that is built upon: those that the header key `Fingerprints` asks for, else any. */
import { RuntimeError } from '../../../errors';
import { headerValue, type Stage } from '../../../formats/definition/definition';
import { DataType } from '../../../formats/sif/constants';
import type { InspectedImage } from '../../image/open';

export interface Verifying {
  options: { version: string };
  env: Readonly<Record<string, string | undefined>>;
  onInfo: (text: string) => void;
  onWarning: (text: string) => void;
}

/** Who must have signed the base: a list with commas. */
export function fingerprintsOf(stage: Stage): string[] {
  return headerValue(stage, 'fingerprints')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

/**
 * Checks the image before anything of it is used.
 * @param from as it is shown
 * @throws RuntimeError INTEGRITY when one of `fingerprints` has not signed all of it; without them, what is wrong is a
 *   warning
 */
export async function verifyBase(
  { image, sif }: InspectedImage,
  from: string,
  fingerprints: readonly string[],
  { options, env, onInfo, onWarning }: Verifying,
): Promise<void> {
  const check = { env, version: options.version, onWarning };
  if (fingerprints.length > 0) {
    onInfo(`Checking bootstrap image verifies with fingerprint(s): [${fingerprints.join(' ')}]`);
    if (image.kind !== 'sif') throw unsignable(from);
    const { verifyFingerprints } = await import('../../signing/check.apart');
    await verifyFingerprints(image.path, fingerprints, check);
    return;
  }
  if (image.kind !== 'sif') return;
  onInfo(`Verifying bootstrap image ${from}`);
  if (!sif?.descriptors.some(({ type }) => type === DataType.signature)) return;
  const { warnUnlessVerified } = await import('../../signing/check.apart');
  await warnUnlessVerified(image.path, check);
}

/** For bases that carry no signatures: what cannot be checked is not built upon. */
export function unsignable(from: string): RuntimeError {
  return new RuntimeError('INTEGRITY', 'while checking fingerprint: image not signed by required entities', {
    path: from,
    hint: 'only SIF files carry signatures; leave the line Fingerprints out for others',
  });
}
