/** Signatures of images that are pulled or built upon; in a bundle of its own (scripts/bundle.mjs). */
import { RuntimeError } from '../../errors';
import { prefixed } from '../image/prefixed';
import { HttpClient } from '../image/transfer/http';
import { KEY_SERVER_TIMEOUT_MS, KeyServerClient, keyServers } from './key-server';
import { openKeySource } from './key-source';
import { isUnsigned, verifyImage } from './verify';

export interface CheckOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Of davit, for the key server. */
  version: string;
  onWarning: (text: string) => void;
  /** Certificates for https, in addition. */
  caFile?: string;
  /** Keys are looked for in the keyrings alone. */
  local?: boolean;
}

/**
 * Verifies the OpenPGP signatures of all groups of an image.
 * @returns who has signed all of them: fingerprints in upper case
 * @throws RuntimeError INTEGRITY; see isUnsigned()
 */
export async function checkSignatures(path: string, options: CheckOptions): Promise<string[]> {
  const { env, version, onWarning, caFile, local = false } = options;
  const client = new HttpClient({
    env,
    version,
    trust: caFile === undefined || caFile === '' ? {} : { caFile },
    connectTimeoutMs: KEY_SERVER_TIMEOUT_MS,
    silenceTimeoutMs: KEY_SERVER_TIMEOUT_MS,
  });
  const server = async (): Promise<KeyServerClient> =>
    new KeyServerClient(await keyServers(undefined, env, client), client);
  try {
    const { findKeys } = await openKeySource({ env, onWarning, ...(local ? undefined : { server }) });
    return (await verifyImage(path, { findKeys })).signers;
  } finally {
    client.close();
  }
}

/**
 * Checks that an image verifies and that all of `fingerprints` have signed it, as the header key `Fingerprints` asks.
 * @throws RuntimeError INTEGRITY
 */
export async function verifyFingerprints(
  path: string,
  fingerprints: readonly string[],
  options: CheckOptions,
): Promise<void> {
  const signers = await checkSignatures(path, options).catch((error: unknown) => {
    throw prefixed(error, 'while checking fingerprint');
  });
  const wanted = fingerprints.map((text) => text.replace(/^0x/i, '').replace(/\s/g, '').toUpperCase());
  const missing = wanted.filter((one) => !signers.includes(one));
  if (missing.length === 0) return;
  throw new RuntimeError('INTEGRITY', 'while checking fingerprint: image not signed by required entities', {
    path,
    hint: `there is no signature of ${missing.join(', ')}`,
  });
}

/** Verifies an image that is built upon; what is wrong is a warning, and want of signatures not even that. */
export async function warnUnlessVerified(path: string, options: CheckOptions): Promise<void> {
  try {
    await checkSignatures(path, options);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    if (isUnsigned(error)) return;
    options.onWarning(error.message);
    options.onWarning('Bootstrap image could not be verified, but build will continue.');
  }
}
