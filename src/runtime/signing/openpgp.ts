/** The door to the OpenPGP library, which takes 60 ms to load: only commands about keys and signatures come here. */
import type { Key, PrivateKey, PublicKey, SecretKeyPacket } from 'openpgp';
import { RuntimeError } from '../../errors';

export type { Key, PrivateKey, PublicKey } from 'openpgp';
export type OpenPgp = typeof import('openpgp');

let loaded: Promise<OpenPgp> | undefined;

export function openpgp(): Promise<OpenPgp> {
  loaded ??= import('openpgp');
  return loaded;
}

/** Upper case, as it is shown. */
export function fingerprint(key: Key): string {
  return key.getFingerprint().toUpperCase();
}

/** RSA: of the modulus; other keys: of their curve. */
export function bitLength(key: Key): number {
  const { bits, curve } = key.getAlgorithmInfo();
  return bits ?? CURVE_BITS[curve ?? ''] ?? 256;
}

const CURVE_BITS: Record<string, number> = {
  nistP384: 384,
  nistP521: 521,
  brainpoolP384r1: 384,
  brainpoolP512r1: 512,
  ed448: 456,
};

export interface UserName {
  name: string;
  comment: string;
  email: string;
  /** As it stands in the key. */
  text: string;
}

/** The identities, the primary one first when the key names one. */
export async function identities(key: Key): Promise<UserName[]> {
  const users = key.users.flatMap(({ userID }) => (userID ? [parseUserName(userID.userID)] : []));
  try {
    const { index } = await key.getPrimaryUser();
    const primary = users[index]?.text;
    return [...users.filter(({ text }) => text === primary), ...users.filter(({ text }) => text !== primary)];
  } catch {
    return users; // expired or revoked: it still has its names
  }
}

/** `name (comment) <address>`, each of which may be absent. For terminals: what would steer one goes. */
export function parseUserName(userId: string): UserName {
  const text = userId.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
  const [, name = '', comment = '', email = ''] = /^([^(<]*)(?:\(([^)]*)\))?\s*(?:<([^>]*)>)?/.exec(text) ?? [];
  return { name: name.trim(), comment, email, text };
}

/** Keys out of a file's bytes, armored or not. @throws RuntimeError KEY */
export async function readKeys(bytes: Buffer, what: string): Promise<Key[]> {
  if (bytes.length === 0) return [];
  const library = await openpgp();
  try {
    const text = bytes.subarray(0, 64).toString('latin1');
    if (text.trimStart().startsWith('-----BEGIN PGP')) {
      return await library.readKeys({ armoredKeys: bytes.toString('latin1') });
    }
    return await library.readKeys({ binaryKeys: bytes });
  } catch (cause) {
    throw new RuntimeError('KEY', `unable to read ${what}: ${openPgpWords(cause)}`, { path: what, cause });
  }
}

/** What the library says, in the manner of the reference. */
export function openPgpWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return `openpgp: ${text.replace(/^Error [a-z]+ing [a-z ]+: /, '').replace(/\.$/, '')}`;
}

export function isPrivate(key: Key): key is PrivateKey {
  return key.isPrivate();
}

/** True while the part that signs cannot be used without a passphrase. */
export function isLocked(key: PrivateKey): boolean {
  return !key.keyPacket.isDecrypted();
}

/**
 * Opens a key for use. The reference protects the primary key alone; what is open already stays so.
 * @param all subkeys, too
 * @throws RuntimeError KEY when the passphrase is wrong
 */
export async function unlock(key: PrivateKey, passphrase: string, all = false): Promise<void> {
  const packets = [key, ...(all ? key.subkeys : [])].map(({ keyPacket }) => keyPacket as SecretKeyPacket);
  try {
    for (const packet of packets) if (!packet.isDecrypted()) await packet.decrypt(passphrase);
  } catch (cause) {
    throw new RuntimeError('KEY', 'openpgp: invalid data: private key checksum failure', {
      cause,
      hint: 'the passphrase is wrong',
    });
  }
}

/** A key all of whose secrets are protected. It must be open. */
export async function lock(key: PrivateKey, passphrase: string): Promise<PrivateKey> {
  return await (await openpgp()).encryptKey({ privateKey: key, passphrase });
}

/** The public half. */
export function publicOf(key: Key): PublicKey {
  return key.toPublic();
}
