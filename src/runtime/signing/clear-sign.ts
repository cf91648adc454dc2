/** Clear-signed messages: the OpenPGP form of a signature object. */
import { RuntimeError } from '../../errors';
import { clearSigned } from '../../formats/sif/signature';
import { type Key, openpgp, openPgpWords, type PrivateKey } from './openpgp';

/** Finds keys by the id in a signature, 16 hex digits in upper case; an empty list for an id nobody knows. */
export type FindKeys = (keyId: string) => Promise<Key[]>;

/** Hash codes that are accepted (RFC 9580, 9.5): SHA-256, SHA-384, SHA-512, SHA-224. */
const ACCEPTED_HASHES = [8, 9, 10, 11];
const HASH_NAMES: Record<number, string> = { 8: 'sha256', 9: 'sha384', 10: 'sha512' };

/**
 * Signs with the primary key: the reference compares its fingerprint.
 * @returns the data of a signature object, and the hash that was used
 */
export async function clearSign(text: string, key: PrivateKey): Promise<{ data: Buffer; hash: string }> {
  const library = await openpgp();
  try {
    const armored = await library.sign({
      message: await library.createCleartextMessage({ text }),
      signingKeys: key,
      signingKeyIDs: key.getKeyID(),
      config: { preferredHashAlgorithm: library.enums.hash.sha256 },
    });
    const data = Buffer.from(armored.replace(/\r\n/g, '\n'));
    const hash = HASH_NAMES[await hashCode(armored)];
    if (clearSigned(data)?.text !== text || hash === undefined) throw new Error('what was signed is not the text');
    return { data, hash };
  } catch (cause) {
    throw new RuntimeError('KEY', openPgpWords(cause), { cause });
  }
}

/**
 * Verifies the first signature whose key is known.
 * @throws RuntimeError INTEGRITY in the reference's words
 */
export async function verifyClearSigned(data: Buffer, findKeys: FindKeys): Promise<{ text: string; key: Key }> {
  const found = clearSigned(data);
  if (!found) throw new RuntimeError('INTEGRITY', 'clearsigned message not found');
  const library = await openpgp();
  const message = await library.readCleartextMessage({ cleartextMessage: found.message }).catch((cause: unknown) => {
    throw new RuntimeError('INTEGRITY', openPgpWords(cause), { cause });
  });
  for (const keyId of message.getSigningKeyIDs()) {
    const verificationKeys = await findKeys(keyId.toHex().toUpperCase());
    const [key] = verificationKeys;
    if (!key) continue;
    const { data: text, signatures } = await library.verify({ message, verificationKeys: [key] });
    const own = signatures.find((signature) => signature.keyID.equals(keyId));
    if (!own) continue;
    await checkSignature(own, key);
    return { text, key };
  }
  throw new RuntimeError('INTEGRITY', 'openpgp: signature made by unknown entity');
}

type Verification = Awaited<ReturnType<Awaited<ReturnType<typeof openpgp>>['verify']>>['signatures'][number];

async function checkSignature(own: Verification, key: Key): Promise<void> {
  const { packets } = await own.signature;
  const hashes = packets.map(({ hashAlgorithm }) => hashAlgorithm ?? 0);
  if (!hashes.every((hash) => ACCEPTED_HASHES.includes(hash))) {
    throw new RuntimeError('INTEGRITY', 'openpgp: hash mismatch between cleartext and signature');
  }
  try {
    await own.verified;
  } catch (cause) {
    throw new RuntimeError('INTEGRITY', rejection(cause, key), { cause });
  }
  try {
    // At this moment, too: a key that has expired since, or was revoked, signs nothing any more.
    await key.getSigningKey(own.keyID);
  } catch (cause) {
    throw new RuntimeError('INTEGRITY', rejection(cause, key), { cause });
  }
}

const ALGORITHM_WORDS: Record<string, string> = {
  rsaEncryptSign: 'RSA',
  rsaSign: 'RSA',
  ecdsa: 'ECDSA',
  eddsaLegacy: 'EdDSA',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
  dsa: 'DSA',
};

function rejection(cause: unknown, key: Key): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/digest did not match|verification failed/i.test(text)) {
    const { algorithm } = key.getAlgorithmInfo();
    return `openpgp: invalid signature: ${ALGORITHM_WORDS[algorithm] ?? algorithm} verification failure`;
  }
  const reasons = `${text} ${cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : ''}`;
  if (/key is expired/i.test(reasons)) return 'openpgp: key expired';
  if (/signature is expired/i.test(reasons)) return 'openpgp: signature expired';
  if (/revoked/i.test(reasons)) return 'openpgp: signature made by revoked key';
  return openPgpWords(cause);
}

async function hashCode(armored: string): Promise<number> {
  const from = armored.indexOf('-----BEGIN PGP SIGNATURE-----');
  const { packets } = await (await openpgp()).readSignature({ armoredSignature: armored.slice(from) });
  return packets[0]?.hashAlgorithm ?? 0;
}
