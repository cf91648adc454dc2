/** PEM keys: loaded by Node's crypto, and used as the reference uses them (RSA PKCS #1 v1.5, ECDSA, Ed25519). */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../errors';
import { DSSE_PAYLOAD_TYPE, decodeEnvelope, encodeEnvelope, signedEnvelopeBytes } from '../../formats/sif/dsse';
import { errnoText } from '../image/errno-text';

const PUBLIC = ['PUBLIC KEY', 'RSA PUBLIC KEY'];
const PRIVATE = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];
const ENCRYPTED = 'ENCRYPTED PRIVATE KEY';
const MAX_BYTES = 1 << 20;

/** @throws RuntimeError KEY */
export function loadPublicKey(path: string): KeyObject {
  const { pem, label } = firstPem(path);
  if (!PUBLIC.includes(label)) {
    throw new RuntimeError(
      'KEY',
      `unknown Public key PEM file type: ${label}. Are you passing the correct public key?`,
      {
        path,
      },
    );
  }
  return usable(() => createPublicKey(pem), path);
}

/**
 * @param askPassphrase called for an encrypted key alone
 * @throws RuntimeError KEY
 */
export async function loadPrivateKey(path: string, askPassphrase: () => Promise<string>): Promise<KeyObject> {
  const { pem, label } = firstPem(path);
  const encrypted = label === ENCRYPTED || /^Proc-Type:.*ENCRYPTED/m.test(pem);
  if (!encrypted && !PRIVATE.includes(label)) {
    throw new RuntimeError('KEY', `unknown private key PEM file type: ${label}`, { path });
  }
  const passphrase = encrypted ? await askPassphrase() : undefined;
  return usable(() => createPrivateKey({ key: pem, passphrase }), path);
}

/** A file's text. @throws RuntimeError KEY */
export function readKeyFile(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= MAX_BYTES) return bytes.toString('utf8');
  } catch (cause) {
    throw new RuntimeError('KEY', `open ${path}: ${errnoText(cause)}`, { path, errno: errnoOf(cause), cause });
  }
  throw new RuntimeError('KEY', `${path} is too large for a key`, { path });
}

function firstPem(path: string): { pem: string; label: string } {
  const [pem, label] = /-----BEGIN ([^-\n]+)-----[\s\S]*?-----END \1-----/.exec(readKeyFile(path)) ?? [];
  if (pem === undefined || label === undefined) throw new RuntimeError('KEY', 'PEM decoding failed', { path });
  return { pem: `${pem}\n`, label };
}

function usable(make: () => KeyObject, path: string): KeyObject {
  let key: KeyObject;
  try {
    key = make();
  } catch (cause) {
    throw new RuntimeError('KEY', `${path}: ${(cause as Error).message}`, { path, cause });
  }
  checkKind(key, path);
  return key;
}

/** @throws RuntimeError KEY for kinds of keys that the reference does not sign with either */
export function checkKind(key: KeyObject, path: string): void {
  const kind = key.asymmetricKeyType;
  if (kind === 'rsa' || kind === 'ec' || kind === 'ed25519') return;
  throw new RuntimeError('KEY', `unsupported public key type: ${kind}`, {
    path,
    hint: 'keys of the kinds RSA, ECDSA and Ed25519 can be used',
  });
}

/** Ed25519 hashes by itself. */
function hashFor(key: KeyObject, hash: string): string | null {
  return key.asymmetricKeyType === 'ed25519' ? null : hash;
}

/** The data of a signature object over `payload`. */
export function signEnvelope(payload: Buffer, key: KeyObject, hash: string): Buffer {
  const signature = sign(hashFor(key, hash), signedEnvelopeBytes(DSSE_PAYLOAD_TYPE, payload), key);
  const keyId = keyIdOf(createPublicKey(key));
  return encodeEnvelope({ payloadType: DSSE_PAYLOAD_TYPE, payload, signatures: [{ keyId, signature }] });
}

/** @returns the signed text and the keys that signed it @throws RuntimeError INTEGRITY when none of them did */
export function verifyEnvelope(
  data: Buffer,
  keys: readonly KeyObject[],
  hash: string,
): { text: string; by: KeyObject[] } {
  const envelope = decodeEnvelope(data);
  if (envelope?.payloadType !== DSSE_PAYLOAD_TYPE) throw new RuntimeError('INTEGRITY', 'invalid payload type');
  const bytes = signedEnvelopeBytes(envelope.payloadType, envelope.payload);
  const signedBy = (key: KeyObject): boolean =>
    envelope.signatures.some(({ signature }) => verify(hashFor(key, hash), bytes, key, signature));
  const by = keys.filter(signedBy);
  if (by.length > 0) return { text: envelope.payload.toString('utf8'), by };
  const why = 'accepted signatures do not match threshold, Found: 0, Expected 1';
  throw new RuntimeError('INTEGRITY', `dsse: verify envelope failed: ${why}`);
}

/** How the reference names a key in an envelope, and looks only at signatures so named: OpenSSH's fingerprint. */
function keyIdOf(key: KeyObject): string {
  const digest = createHash('sha256').update(opensshKey(key)).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}

const OPENSSH_CURVES: Record<string, string> = { 'P-256': 'nistp256', 'P-384': 'nistp384', 'P-521': 'nistp521' };

/** RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4. */
function opensshKey(key: KeyObject): Buffer {
  const { crv = '', x = '', y = '', n = '', e = '' } = key.export({ format: 'jwk' });
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
  if (key.asymmetricKeyType === 'rsa') return fields(Buffer.from('ssh-rsa'), positive(bytes(e)), positive(bytes(n)));
  if (key.asymmetricKeyType === 'ed25519') return fields(Buffer.from('ssh-ed25519'), bytes(x));
  const curve = OPENSSH_CURVES[crv];
  if (curve === undefined) throw new RuntimeError('KEY', `unsupported curve: ${crv}`);
  const point = Buffer.concat([Buffer.of(4), bytes(x), bytes(y)]);
  return fields(Buffer.from(`ecdsa-sha2-${curve}`), Buffer.from(curve), point);
}

function fields(...parts: Buffer[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}

/** A number whose first bit is set would be negative. */
function positive(bytes: Buffer): Buffer {
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
}
