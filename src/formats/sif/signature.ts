/** Signature objects of a SIF: what their metadata says, and in which of the three forms their data is. */
import { RuntimeError } from '../../errors';
import { DSSE_PAYLOAD_TYPE, decodeEnvelope } from './dsse';

/** Hash types by their codes; Node's name for those that are supported. */
const HASHES: Record<number, string | undefined> = { 1: 'sha256', 2: 'sha384', 3: 'sha512' };
const METADATA_BYTES = 260;
const FINGERPRINT_OFFSET = 4;
const FINGERPRINT_BYTES = 20;

export interface SignatureInfo {
  /** `sha256`, `sha384` or `sha512`. */
  hash: string;
  /** Of the OpenPGP key, hex in lower case; absent for other keys. */
  fingerprint?: string;
}

/** @throws RuntimeError INTEGRITY for other hashes */
export function decodeSignatureInfo(metadata: Buffer): SignatureInfo {
  const hash = HASHES[metadata.readInt32LE(0)];
  if (hash === undefined) throw new RuntimeError('INTEGRITY', 'hash algorithm unsupported');
  const fingerprint = fingerprintOf(metadata);
  return fingerprint === undefined ? { hash } : { hash, fingerprint };
}

/** The fingerprint that an object names, whatever its hash. */
export function fingerprintOf(metadata: Buffer): string | undefined {
  const bytes = metadata.subarray(FINGERPRINT_OFFSET, FINGERPRINT_OFFSET + FINGERPRINT_BYTES);
  return bytes.every((byte) => byte === 0) ? undefined : bytes.toString('hex');
}

export function encodeSignatureInfo({ hash, fingerprint = '' }: SignatureInfo): Buffer {
  const metadata = Buffer.alloc(METADATA_BYTES);
  const code = Object.keys(HASHES).find((key) => HASHES[Number(key)] === hash);
  if (code === undefined) throw new RuntimeError('INTERNAL', `no code for the hash ${hash} in a SIF`);
  metadata.writeInt32LE(Number(code), 0);
  metadata.write(fingerprint.slice(0, FINGERPRINT_BYTES * 2), FINGERPRINT_OFFSET, 'hex');
  return metadata;
}

const MESSAGE_BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----';
const SIGNATURE_BEGIN = '\n-----BEGIN PGP SIGNATURE-----';
const SIGNATURE_END = '\n-----END PGP SIGNATURE-----';

/** The clear-signed message in the data of a signature, or `undefined`. Nothing of it is verified. */
export function clearSigned(data: Buffer): { message: string; text: string } | undefined {
  const all = data.toString('utf8').replace(/\r\n/g, '\n');
  const start = all.startsWith(MESSAGE_BEGIN) ? 0 : all.indexOf(`\n${MESSAGE_BEGIN}`) + 1;
  if (start === 0 && !all.startsWith(MESSAGE_BEGIN)) return undefined;
  const headers = all.indexOf('\n\n', start);
  const signature = headers < 0 ? -1 : all.indexOf(SIGNATURE_BEGIN, headers + 1);
  const end = signature < 0 ? -1 : all.indexOf(SIGNATURE_END, signature);
  if (end < 0) return undefined;
  // RFC 9580, 7.2: a line that begins with a dash has "- " in front.
  const text = all.slice(headers + 2, signature).replace(/^- /gm, '');
  return { message: `${all.slice(start, end + SIGNATURE_END.length)}\n`, text };
}

const LEGACY_PREFIX = 'SIFHASH:\n';

export type SignatureForm = 'dsse' | 'clear-signed' | 'unknown';

export function signatureForm(data: Buffer): SignatureForm {
  if (decodeEnvelope(data)?.payloadType === DSSE_PAYLOAD_TYPE) return 'dsse';
  return clearSigned(data) ? 'clear-signed' : 'unknown';
}

/** Signatures of before 2020 are over a digest of the data alone. */
export function isLegacySignature(data: Buffer): boolean {
  return clearSigned(data)?.text.startsWith(LEGACY_PREFIX) ?? false;
}

/** The digest in the text of a legacy signature, as `algorithm:hex`. @throws RuntimeError INTEGRITY */
export function legacyDigest(text: string, hash: string): string {
  const hex = text.replace(LEGACY_PREFIX, '').replace(/\n$/, '');
  const bytes = { sha256: 32, sha384: 48, sha512: 64 }[hash];
  if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== (bytes ?? 0) * 2) {
    throw new RuntimeError('INTEGRITY', 'digest malformed');
  }
  return `${hash}:${hex.toLowerCase()}`;
}
