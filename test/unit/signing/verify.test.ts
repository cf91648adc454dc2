import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DESCRIPTOR_BYTES } from '../../../src/formats/sif/constants';
import { encodeSignatureInfo } from '../../../src/formats/sif/signature';
import { WritableSif } from '../../../src/runtime/image/sif-file';
import type { FindKeys } from '../../../src/runtime/signing/clear-sign';
import {
  fingerprint,
  isPrivate,
  type Key,
  openpgp,
  type PrivateKey,
  readKeys,
  unlock,
} from '../../../src/runtime/signing/openpgp';
import { loadPrivateKey } from '../../../src/runtime/signing/pem-key';
import { signImage } from '../../../src/runtime/signing/sign';
import { isUnsigned, type SignatureReport, type VerifyRequest, verifyImage } from '../../../src/runtime/signing/verify';
import { cleoPublic, cleoSecret, ecPublic, pemSigned, pgpSigned, signerKey } from '../../fixtures/signed';
import { sifBytes } from '../../fixtures/sif-bytes';
import { inDecember2026, ownPlace } from './support';

const place = ownPlace();
inDecember2026();
const TABLE = 4096;
const CLEO = '54A85DA9471CDAC3B3459729ECA6F0204F3E9F0E';

let cleo: Key;
let secret: PrivateKey;
beforeAll(async () => {
  [cleo] = (await readKeys(Buffer.from(cleoPublic), 'test')) as [Key];
  const [locked] = await readKeys(Buffer.from(cleoSecret), 'test');
  if (!locked || !isPrivate(locked)) throw new Error('no private key');
  await unlock(locked, 'pw2', true);
  secret = locked;
});

const findKeys: FindKeys = async (id) => (CLEO.endsWith(id) ? [cleo] : []);
const pgp: VerifyRequest = { findKeys };
const pem: VerifyRequest = { publicKeys: [createPublicKey(ecPublic)] };

let count = 0;
function image(bytes: Buffer = pgpSigned, change?: (bytes: Buffer) => void): string {
  const copy = Buffer.from(bytes);
  change?.(copy);
  return place.write(`${count++}.sif`, copy);
}

const at = (id: number, offset: number): number => TABLE + (id - 1) * DESCRIPTOR_BYTES + offset;

/** Why an image is refused, and what had been verified by then. */
async function refused(path: string, request: VerifyRequest = pgp): Promise<{ why: string; verified: number[] }> {
  const reports: SignatureReport[] = [];
  const onReport = async (report: SignatureReport): Promise<boolean> => {
    reports.push(report);
    return false;
  };
  const why = await verifyImage(path, { ...request, onReport }).then(
    () => 'it was accepted',
    (error: Error) => error.message,
  );
  return { why, verified: reports.flatMap(({ verified }) => verified.map(({ id }) => id)) };
}

describe('what Apptainer signed', () => {
  it('verifies with the OpenPGP key', async () => {
    const reports: SignatureReport[] = [];
    const onReport = async (report: SignatureReport): Promise<boolean> => {
      reports.push(report);
      return false;
    };
    expect(await verifyImage(image(), { ...pgp, onReport })).toEqual({ signers: [CLEO] });
    expect(reports.map(({ verified }) => verified.map(({ id }) => id))).toEqual([[1, 2, 3]]);
    expect(reports.map(({ key }) => key && fingerprint(key))).toEqual([CLEO]);
  });

  it('verifies with the PEM key, in each group', async () => {
    expect(await verifyImage(image(pemSigned), pem)).toEqual({ signers: [] });
    expect(await verifyImage(image(pemSigned), { ...pem, groups: [2] })).toEqual({ signers: [] });
    expect(await verifyImage(image(pemSigned), { ...pem, objects: [1, 2] })).toEqual({ signers: [] });
  });

  it('is refused without the key, or with another kind of key', async () => {
    const unknown: VerifyRequest = { findKeys: async () => [] };
    expect((await refused(image(), unknown)).why).toBe(
      'integrity: signature object 4 not valid: openpgp: signature made by unknown entity',
    );
    expect((await refused(image(), pem)).why).toBe('integrity: key material not provided for PGP clear-sign signature');
    expect((await refused(image(pemSigned), pgp)).why).toBe(
      'integrity: key material not provided for DSSE envelope signature',
    );
    const other = { publicKeys: [createPublicKey(signerKey)] };
    expect((await refused(image(pemSigned), other)).why).toBe(
      'integrity: signature object 3 not valid: dsse: verify envelope failed: accepted signatures do not match threshold, Found: 0, Expected 1',
    );
  });
});

describe('a change is found', () => {
  it.each<[string, (bytes: Buffer) => void, string, number[]]>([
    [
      'in the data',
      (b) => b.writeUInt8((b[32769] as number) ^ 1, 32769),
      'data object integrity compromised: 3',
      [1, 2],
    ],
    ['in the launch script', (b) => b.write('X', 3), 'header integrity compromised', []],
    ['in the id of the image', (b) => b.writeUInt8((b[50] as number) ^ 1, 50), 'header integrity compromised', []],
    ['of a name', (b) => b.write('n', at(2, 73)), 'data object descriptor integrity compromised: 2', [1]],
    ['of a link', (b) => b.writeUInt32LE(3, at(2, 13)), 'data object descriptor integrity compromised: 2', [1]],
    ['of a type', (b) => b.writeInt32LE(0x4007, at(1, 0)), 'data object descriptor integrity compromised: 1', []],
    [
      'of the partition’s kind',
      (b) => b.writeInt32LE(3, at(3, 205)),
      'data object descriptor integrity compromised: 3',
      [1, 2],
    ],
    ['when an object is gone', (b) => b.fill(0, at(2, 0), at(3, 0)), 'object 2: signed object not found', []],
    [
      'when an object has another group',
      (b) => b.writeUInt32LE(0xf0000002, at(2, 9)),
      'object 2: signed object not found',
      [],
    ],
    [
      'when an object has no group',
      (b) => b.writeUInt32LE(0xf0000000, at(2, 9)),
      'non-signature object not associated with object group',
      [],
    ],
    [
      'in the signed text',
      (b) => b.write('0000', b.indexOf('"digest":"sha256:') + 17),
      'signature object 4 not valid: openpgp: invalid signature: RSA verification failure',
      [],
    ],
    [
      'of the fingerprint',
      (b) => b.fill(0, at(4, 205), at(4, 225)),
      'fingerprint in descriptor does not correspond to signing entity',
      [],
    ],
    ['of the hash', (b) => b.writeInt32LE(9, at(4, 201)), 'hash algorithm unsupported', []],
    [
      'when the signature is no signature',
      (b) => b.fill('-', b.indexOf('-----BEGIN PGP SIGNED'), b.indexOf('-----BEGIN PGP SIGNED') + 12),
      'signature format not recognized',
      [],
    ],
    [
      'when the signature is for another group',
      (b) => b.writeUInt32LE(0xf0000002, at(4, 13)),
      'signature not found for object group 1',
      [],
    ],
  ])('%s', async (_what, change, why, verified) => {
    expect(await refused(image(pgpSigned, change))).toEqual({ why: `integrity: ${why}`, verified });
  });

  it('when an object was added to the group', async () => {
    const path = image();
    const sif = WritableSif.open(path);
    sif.add({ type: 0x4007, name: '', group: 1 }, Buffer.from('more'));
    sif.commit();
    sif.close();
    expect((await refused(path)).why).toBe('integrity: object 5: object not signed');
    // The others are as they were signed.
    expect(await verifyImage(path, { ...pgp, objects: [1, 2, 3] })).toEqual({ signers: [CLEO] });
    expect((await refused(path, { ...pgp, objects: [5] })).why).toBe('integrity: object 5: object not signed');
  });

  it('whichever byte of the signed parts it is in', async () => {
    const start = 32176;
    for (const offset of [5, 40, 43, 60, start, start + 18, start + 20, at(1, 5 + 68), at(1, 300), at(3, 584), 33067]) {
      const flipped = image(pgpSigned, (b) => b.writeUInt8((b[offset] as number) ^ 0x10, offset));
      expect((await refused(flipped)).why, `byte ${offset}`).not.toBe('it was accepted');
    }
  });
});

describe('what was asked for', () => {
  it.each<[VerifyRequest, string]>([
    [{ groups: [2] }, 'group not found'],
    [{ groups: [0] }, 'invalid group ID'],
    [{ objects: [9] }, 'object not found'],
    [{ objects: [0] }, 'invalid object ID'],
    [{ objects: [4] }, 'invalid group ID'],
    [{ legacy: true }, 'signature not found for object 3'],
    [{ legacy: true, groups: [1] }, 'signature not found for object group 1'],
  ])('%j: %s', async (request, why) => {
    expect((await refused(image(), { ...pgp, ...request })).why).toBe(`integrity: ${why}`);
  });

  it('an unsigned image is told from a wrong one', async () => {
    const unsigned = await verifyImage(image(sifBytes()), pgp).catch((error: unknown) => error);
    expect(isUnsigned(unsigned)).toBe(true);
    const wrong = await verifyImage(image(), { findKeys: async () => [] }).catch((error: unknown) => error);
    expect(isUnsigned(wrong)).toBe(false);
  });
});

describe('what davit signed', () => {
  it('verifies, with both kinds of keys, and is otherwise as it was', async () => {
    const path = image(sifBytes());
    await signImage(path, { openPgp: secret }, {});
    expect(await verifyImage(path, pgp)).toEqual({ signers: [CLEO] });
    const before = sifBytes();
    const after = readFileSync(path);
    expect(after.subarray(32176, before.length).equals(before.subarray(32176))).toBe(true);
    expect(after.subarray(at(3, 201), at(3, 225))).toEqual(
      encodeSignatureInfo({ hash: 'sha256', fingerprint: CLEO.toLowerCase() }).subarray(0, 24),
    );
    const key = await loadPrivateKey(place.write('key', signerKey), () => Promise.reject(new Error('asked')));
    await signImage(path, { pem: key }, {});
    const both = { ...pgp, publicKeys: [createPublicKey(signerKey)] };
    expect(await verifyImage(path, both)).toEqual({ signers: [CLEO] });
  });

  it('one object at a time', async () => {
    const path = image(sifBytes());
    await signImage(path, { openPgp: secret }, { objects: [2] });
    expect(await verifyImage(path, { ...pgp, objects: [2] })).toEqual({ signers: [CLEO] });
    expect((await refused(path)).why).toBe('integrity: object 1: object not signed');
  });

  it('and what cannot be signed stays as it is', async () => {
    const path = image(sifBytes());
    await expect(signImage(path, { openPgp: secret }, { groups: [2] })).rejects.toThrowError(
      'integrity: group not found',
    );
    await expect(signImage(path, { openPgp: secret }, { objects: [9] })).rejects.toThrowError('object not found');
    expect(readFileSync(path).equals(sifBytes())).toBe(true);
  });

  it('a DSSE signature that names a fingerprint does not count as its', async () => {
    const path = image(sifBytes());
    const key = await loadPrivateKey(place.write('key', signerKey), () => Promise.reject(new Error('asked')));
    await signImage(path, { pem: key }, {});
    const bytes = readFileSync(path);
    bytes.write(CLEO, at(3, 205), 'hex');
    writeFileSync(path, bytes);
    const both = { ...pgp, publicKeys: [createPublicKey(signerKey)] };
    expect(await verifyImage(path, both)).toEqual({ signers: [] });
  });
});

describe('signatures of before 2020', () => {
  async function legacy(data: Buffer, link: { link: number; linkToGroup: boolean }): Promise<string> {
    const library = await openpgp();
    const path = image(sifBytes());
    const { createHash } = await import('node:crypto');
    const text = `SIFHASH:\n${createHash('sha384').update(data).digest('hex')}`;
    const message = await library.createCleartextMessage({ text });
    const signature = await library.sign({ message, signingKeys: secret, signingKeyIDs: secret.getKeyID() });
    const metadata = encodeSignatureInfo({ hash: 'sha384', fingerprint: CLEO.toLowerCase() });
    const sif = WritableSif.open(path);
    sif.add({ type: 0x4005, name: '', group: 0, metadata, ...link }, Buffer.from(signature));
    sif.commit();
    sif.close();
    return path;
  }
  const bytes = sifBytes();
  const size = (id: number): number => bytes.readInt32LE(at(id, 25));
  const offset = (id: number): number => bytes.readInt32LE(at(id, 17));
  const data = (id: number): Buffer => bytes.subarray(offset(id), offset(id) + size(id));

  it('of the primary partition verify when they are asked for', async () => {
    const path = await legacy(data(2), { link: 2, linkToGroup: false });
    expect(await verifyImage(path, { ...pgp, legacy: true })).toEqual({ signers: [CLEO] });
    expect((await refused(path)).why).toBe('integrity: signature not found for object group 1');
    expect((await refused(path, { ...pgp, legacy: true, all: true })).why).toBe(
      'integrity: signature not found for object 1',
    );
  });

  it('of a group cover its data', async () => {
    const path = await legacy(Buffer.concat([data(1), data(2)]), { link: 1, linkToGroup: true });
    expect(await verifyImage(path, { ...pgp, legacy: true, groups: [1] })).toEqual({ signers: [CLEO] });
  });

  it('of other data are refused', async () => {
    const path = await legacy(data(1), { link: 2, linkToGroup: false });
    expect((await refused(path, { ...pgp, legacy: true })).why).toBe('integrity: data object integrity compromised: 2');
  });
});
