/** Content digests as OCI writes them: `sha256:<hex>` (OCI image specification, descriptor.md, "Digests"). */
import { RuntimeError } from '../../errors';
import { printable } from './json';

/** Hex digits of the algorithms that are accepted; both are available wherever Node is. */
const HEX_DIGITS: Record<string, number> = { sha256: 64, sha512: 128 };

export interface Digest {
  algorithm: 'sha256' | 'sha512';
  hex: string;
}

/** The parts of a digest, or `undefined` when it is none that can be verified here. */
export function parseDigest(text: unknown): Digest | undefined {
  if (typeof text !== 'string' || text.length > 140) return undefined;
  const [algorithm = '', hex = '', ...rest] = text.split(':');
  const digits = Object.hasOwn(HEX_DIGITS, algorithm) ? HEX_DIGITS[algorithm] : undefined;
  if (rest.length > 0 || hex.length !== digits || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return { algorithm: algorithm as Digest['algorithm'], hex };
}

/** @throws RuntimeError IMAGE_FORMAT; a digest also becomes a file name, so nothing else may pass */
export function requireDigest(text: unknown, what: string): string {
  if (parseDigest(text)) return text as string;
  throw new RuntimeError(
    'IMAGE_FORMAT',
    `${what}: ${printable(JSON.stringify(text) ?? 'nothing', 160)} is no sha256 or sha512 digest`,
  );
}
