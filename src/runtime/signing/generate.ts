/** New OpenPGP keys: RSA, as the reference makes them, with a subkey for encryption. */
import { RuntimeError } from '../../errors';
import { openpgp, openPgpWords, type PrivateKey } from './openpgp';

export interface KeyRequest {
  name: string;
  comment: string;
  email: string;
  /** Empty: the key is not protected. */
  passphrase: string;
  bits: number;
}

const LEAST_BITS = 2048;
const MOST_BITS = 16384;

/** @throws RuntimeError OPTION for what cannot be in a key; KEY */
export async function generateKey({ name, comment, email, passphrase, bits }: KeyRequest): Promise<PrivateKey> {
  if (bits < LEAST_BITS || bits > MOST_BITS) {
    throw new RuntimeError('OPTION', `a key of ${bits} bits cannot be made`, {
      path: '--bit-length',
      hint: `lengths from ${LEAST_BITS} to ${MOST_BITS} bits are possible`,
    });
  }
  for (const part of [name, comment, email]) {
    if (/[()<>\0\r\n]/.test(part)) throw new RuntimeError('OPTION', 'user id field contained invalid characters');
  }
  // As one text: OpenPGP.js would refuse addresses that the reference takes, such as a bare user name.
  const words = [name, comment && `(${comment})`, email && `<${email}>`].filter((word) => word !== '');
  const library = await openpgp();
  try {
    const { privateKey } = await library.generateKey({
      type: 'rsa',
      rsaBits: bits,
      userIDs: { name: words.join(' ') },
      passphrase: passphrase === '' ? undefined : passphrase,
      format: 'object',
    });
    return privateKey;
  } catch (cause) {
    throw new RuntimeError('KEY', openPgpWords(cause), { cause });
  }
}
