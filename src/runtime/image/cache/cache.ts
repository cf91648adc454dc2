/**
 * The image cache: what was fetched or converted once, by its content (formats.md section 17.4).
 *
 *   blob/sha256/HEX   manifests, configurations and layers of OCI images
 *   oci-tmp/KEY       SIF images made of them
 *   oras/ library/ net/   SIF images that were fetched as they are
 *   partial/  locks/  downloads that are going on, or will be gone on with
 *
 * A file gets its name when it is complete. Any number of processes may use one cache.
 */
import { lstatSync, type Stats } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import { parseDigest } from '../../../formats/oci/digest';
import { makeDirectories } from '../../make-directories';
import { checkBlob, checkEntry, type EntryFacts, publishEntry, removeEntry } from './entry';
import { acquireLock, type TryLock } from './lock';

/** Kinds of images, by the names of their directories. */
export type CacheKind = 'oci-tmp' | 'oras' | 'library' | 'net';

export interface CacheOptions {
  directory: string;
  tryLock: TryLock;
  onWarning?: (text: string) => void;
  /** Somebody else is fetching the same; told once for each long wait. */
  onWait?: () => void;
}

const PRIVATE = 0o700;
const OTHERS_WRITE = 0o022;

/** Failures that are the cache's own: work goes on without it. */
const CACHE_TROUBLE = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'ENOENT', 'ENOTDIR', 'ESTALE']);

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

export class ImageCache {
  private warned = false;
  private writable = true;
  private readonly refused = new Set<string>();

  constructor(private readonly options: CacheOptions) {}

  get directory(): string {
    return this.options.directory;
  }

  get isWritable(): boolean {
    return this.writable;
  }

  /** An image, when it is there and undamaged. */
  async findImage(kind: CacheKind, key: string, signal?: AbortSignal): Promise<string | undefined> {
    const path = this.imagePath(kind, key);
    return this.isTrusted(kind) && (await checkEntry(path, signal)) ? path : undefined;
  }

  /** A blob, when it is there and undamaged. */
  async findBlob(digest: string, sizeBytes: number, signal?: AbortSignal): Promise<string | undefined> {
    const path = this.blobPath(digest);
    return this.isTrusted('blob') && (await checkBlob(path, digest, sizeBytes, signal)) ? path : undefined;
  }

  imagePath(kind: CacheKind, key: string): string {
    return join(this.directory, kind, fileName(key));
  }

  blobPath(digest: string): string {
    const { algorithm, hex } = parseDigest(digest) ?? { algorithm: 'sha256', hex: fileName(digest) };
    return join(this.directory, 'blob', algorithm, hex);
  }

  /** Where a download or conversion goes until it is complete; only for the holder of its lock. */
  partialPath(name: string): string {
    return join(this.directory, 'partial', fileName(name));
  }

  /** Gives a complete file its place. */
  publish(temporary: string, path: string, facts: Pick<EntryFacts, 'digest' | 'reference'>): void {
    this.makeDirectory(relative(this.directory, dirname(path)));
    publishEntry(temporary, path, facts);
  }

  remove(path: string): void {
    removeEntry(path);
  }

  /**
   * Runs an action while no other process runs one of the same name.
   * @throws what the action throws; RuntimeError CACHE when the cache cannot be written to
   */
  async exclusively<T>(name: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let release: () => void;
    try {
      this.makeDirectory('partial');
      const path = join(this.makeDirectory('locks'), `${fileName(name)}.lock`);
      release = await acquireLock(path, this.options.tryLock, { signal, onWait: this.options.onWait });
    } catch (error) {
      signal?.throwIfAborted();
      throw this.trouble(error) ?? error;
    }
    try {
      return await action();
    } finally {
      release();
    }
  }

  /**
   * Tells whether an error is the cache's own fault: it is full, read-only, or broken. Warns once; from then on nothing
   * is written to it any more.
   * @returns RuntimeError CACHE, or `undefined` for any other error
   */
  trouble(error: unknown): RuntimeError | undefined {
    const raised = error instanceof RuntimeError ? error : undefined;
    if (raised?.code === 'CACHE') this.writable = false;
    if (raised?.code === 'CACHE') return raised;
    const errno = raised ? raised.errno : errnoOf(error);
    // An error that has been worded already is the cache's when there is no room; anything else it may say of others.
    if (errno === undefined || !(raised ? NO_ROOM : CACHE_TROUBLE).has(errno)) return undefined;
    this.writable = false;
    if (!this.warned) {
      this.warned = true;
      const why = WORDS[errno] ?? errno;
      this.options.onWarning?.(`The cache "${this.directory}" cannot be written to (${why}); going on without it`);
    }
    return new RuntimeError('CACHE', `write to the cache "${this.directory}": ${errno}`, {
      path: this.directory,
      errno,
      cause: error,
      hint: 'DAVIT_CACHEDIR names another place for it',
    });
  }

  /** @returns the path of a directory in the cache */
  private makeDirectory(name: string): string {
    const path = join(this.directory, name);
    makeDirectories(path, PRIVATE);
    const top = name.split('/')[0] as string;
    if (this.isTrusted(top)) return path;
    throw new RuntimeError('CACHE', `the cache directory "${join(this.directory, top)}" is not yours alone`, { path });
  }

  /**
   * Whether a directory of the cache is the caller's alone, or root's: whoever could write to it could put files of their
   * own into our containers.
   */
  private isTrusted(name: string): boolean {
    const path = join(this.directory, name);
    const stat = statOf(path);
    if (!stat) return false;
    const owned = stat.uid === process.geteuid?.() || stat.uid === 0;
    if (stat.isDirectory() && owned && (stat.mode & OTHERS_WRITE) === 0) return true;
    if (!this.refused.has(name)) {
      this.refused.add(name);
      this.options.onWarning?.(`The cache directory "${path}" is not yours alone; going on without it`);
    }
    return false;
  }
}

const WORDS: Record<string, string> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the quota is used up',
  EROFS: 'a read-only file system',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
};

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined; // not there, or not to be seen
  }
}

/** Keys are digests or hashes; nothing in them may lead elsewhere. */
function fileName(key: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.:+-]*$/.test(key)) return key;
  throw new RuntimeError('INTERNAL', `"${key}" is no key of the cache`);
}
