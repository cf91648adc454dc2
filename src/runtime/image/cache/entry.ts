/**
 * A file in the cache and what is known about it. Beside each file `X` lies `X.json`: size, times and hash as they were
 * when the file was complete. As long as size and times are the same, so is the file; when they are not, its hash is
 * asked, and a file without one counts as damaged.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { parseDigest } from '../../../formats/oci/digest';
import { isObject } from '../../../formats/oci/json';

export interface EntryFacts {
  sizeBytes: number;
  /** Nanoseconds since the epoch, as decimal text. */
  mtimeNs: string;
  ctimeNs: string;
  /** `sha256:…` or `sha512:…`; absent for what was made here. */
  digest?: string;
  /** What it was fetched as. */
  reference?: string;
}

export const FACTS_ENDING = '.json';

const READ_BYTES = 1 << 20;

/**
 * Whether the file is there and what it was. One that seems damaged stays until it is replaced: another process may have
 * given it its name a moment ago, and be about to write down what it is.
 */
export async function checkEntry(path: string, signal?: AbortSignal): Promise<boolean> {
  const stat = fileStat(path);
  if (!stat) return false;
  const facts = readFacts(path);
  if (facts && sameTimes(facts, stat)) return true;
  if (facts?.digest !== undefined && (await hasDigest(path, facts.digest, signal))) {
    writeFacts(path, { digest: facts.digest, reference: facts.reference });
    return true;
  }
  return false;
}

/**
 * As checkEntry() for a file whose digest is in its name: it need not have facts.
 * @param digest `algorithm:hex`
 */
export async function checkBlob(
  path: string,
  digest: string,
  sizeBytes: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const stat = fileStat(path);
  if (!stat) return false;
  const facts = readFacts(path);
  if (stat.size === BigInt(sizeBytes)) {
    if (facts?.digest === digest && sameTimes(facts, stat)) return true;
    if (await hasDigest(path, digest, signal)) {
      writeFacts(path, { digest, reference: facts?.reference });
      return true;
    }
  }
  return false;
}

/** A file that cannot be read is as good as damaged. */
async function hasDigest(path: string, digest: string, signal?: AbortSignal): Promise<boolean> {
  try {
    return (await hashOf(path, digest, signal)) === digest;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

/** Gives a complete file its name, and writes down what it is. */
export function publishEntry(temporary: string, path: string, facts: Pick<EntryFacts, 'digest' | 'reference'>): void {
  rmSync(`${path}${FACTS_ENDING}`, { force: true });
  renameSync(temporary, path);
  writeFacts(path, facts);
}

export function removeEntry(path: string): void {
  rmSync(path, { force: true });
  rmSync(`${path}${FACTS_ENDING}`, { force: true });
}

/** `undefined` when there are none, or none that can be read. */
export function readFacts(path: string): EntryFacts | undefined {
  try {
    const facts: unknown = JSON.parse(readFileSync(`${path}${FACTS_ENDING}`, 'utf8'));
    if (!isObject(facts) || typeof facts.sizeBytes !== 'number') return undefined;
    if (typeof facts.mtimeNs !== 'string' || typeof facts.ctimeNs !== 'string') return undefined;
    return facts as unknown as EntryFacts;
  } catch {
    return undefined;
  }
}

/** The facts are a help: a cache that cannot take them is still one. */
function writeFacts(path: string, { digest, reference }: Pick<EntryFacts, 'digest' | 'reference'>): void {
  try {
    const { size, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
    const times = { mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
    const facts: EntryFacts = { sizeBytes: Number(size), ...times, digest, reference };
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
      renameSync(temporary, `${path}${FACTS_ENDING}`);
    } catch {
      rmSync(temporary, { force: true }); // a full one
    }
  } catch {
    // a read-only cache
  }
}

function sameTimes(facts: EntryFacts, { size, mtimeNs, ctimeNs }: BigIntStats): boolean {
  return facts.sizeBytes === Number(size) && facts.mtimeNs === String(mtimeNs) && facts.ctimeNs === String(ctimeNs);
}

/** A link would lead out of the cache. */
function fileStat(path: string): BigIntStats | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isFile() ? stat : undefined;
}

/** The digest of a file, by the algorithm of another digest. */
export async function hashOf(path: string, like: string, signal?: AbortSignal): Promise<string> {
  const algorithm = parseDigest(like)?.algorithm ?? 'sha256';
  const hash = createHash(algorithm);
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return `${algorithm}:${hash.digest('hex')}`;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
