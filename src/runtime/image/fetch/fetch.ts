/** Images by URI: found, fetched through the cache, and put where they are wanted. */
import { chmodSync, constants, copyFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from '../../../errors';
import type { RegistrySettings } from '../../config/directives';
import { ImageCache } from '../cache/cache';
import type { TryLock } from '../cache/lock';
import type { LibraryPush, PushedImage } from '../library/push';
import type { FoundImage } from '../library/search';
import { prefixed } from '../prefixed';
import type { OnProgress } from '../source/progress';
import type { Additions, ConvertImage, FetchContext, FetchOptions, ImageSource } from '../source/source';
import { TemporaryDirectory, temporaryParent } from '../temporary';
import { HttpClient } from '../transfer/http';
import { PartPolicy } from '../transfer/parts';
import { imageScheme, unsupportedUri, withoutLogin } from '../uri';
import { wordedError } from '../worded-error';

export interface FetchRequest {
  env: Readonly<Record<string, string | undefined>>;
  options: FetchOptions;
  settings: RegistrySettings;
  /** Version of davit. */
  version: string;
  /** Where the cache is; asked only when it is used. */
  cacheDirectory: () => string;
  tryLock: TryLock;
  /** How layers become a SIF. */
  convert: ConvertImage;
  signal?: AbortSignal;
  onInfo?: (text: string) => void;
  onWarning?: (text: string) => void;
  onVerbose?: (text: string) => void;
  onProgress?: OnProgress;
}

/** A SIF is a program. */
const IMAGE_MODE = 0o755;
const nothing = (): void => undefined;

/** Fetches images; close() it when the images are not needed any more. */
export class Fetcher {
  private readonly context: FetchContext;

  constructor(request: FetchRequest) {
    const { env, options, settings, version, convert, signal } = request;
    const { onInfo = nothing, onWarning = nothing, onVerbose = nothing, onProgress = nothing } = request;
    const caFile = settings.registryCaFile === '' ? undefined : settings.registryCaFile;
    this.context = {
      env,
      options,
      settings,
      version,
      convert,
      signal,
      onInfo,
      onWarning,
      onVerbose,
      onProgress,
      parts: new PartPolicy(settings.downloadPartSize, settings.downloadConcurrency),
      client: new HttpClient({ env, version, trust: { caFile }, onRetry: onVerbose }),
      cache: options.disableCache ? undefined : openCache(request, onInfo, onWarning),
      temporary: new TemporaryDirectory(temporaryParent(env, options.tmpDir)),
    };
  }

  /**
   * Finds an image and what identifies it; nothing of its content is fetched yet.
   * @param reference a URI with a scheme that imageScheme() knows
   * @throws RuntimeError NETWORK, REGISTRY, IMAGE_*
   */
  async locate(reference: string): Promise<ImageSource> {
    if (imageScheme(reference) === 'shub') throw unsupportedUri('shub', reference);
    try {
      return await findSource(reference, this.context);
    } catch (error) {
      // A library names the image itself.
      if (imageScheme(reference) === 'library') throw error;
      throw prefixed(error, `failed to get checksum for ${withoutLogin(reference)}`);
    }
  }

  /**
   * The image as a file: in the cache, or where there is none in a temporary directory that close() removes.
   * @throws RuntimeError
   */
  async toFile(source: ImageSource): Promise<{ path: string; isTemporary: boolean }> {
    const { cache, temporary } = this.context;
    const cached = cache && (await this.throughCache(source, cache));
    if (cached !== undefined) return { path: cached, isTemporary: false };
    const path = temporary.newPath();
    try {
      await this.produce(source, path);
    } catch (error) {
      throw wordedError(error, `write the image into "${dirname(path)}"`, 'DAVIT_TMPDIR names another place');
    }
    return { path, isTemporary: true };
  }

  /**
   * Puts the image where the user wants it; the file must not exist yet.
   * @param additions make it another image than the one in the cache
   * @throws RuntimeError
   */
  async toTarget(source: ImageSource, target: string, additions?: Additions): Promise<void> {
    const { cache } = this.context;
    const cached = cache && !additions && (await this.throughCache(source, cache));
    try {
      // On file systems that can share blocks this copies nothing.
      if (cached) copyFileSync(cached, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      else await this.produce(source, target, additions);
      chmodSync(target, IMAGE_MODE & ~process.umask());
    } catch (error) {
      throw wordedError(error, `write the image into "${dirname(target)}"`);
    }
  }

  /**
   * Uploads a SIF file to a registry.
   * @param reference without `oras://`
   * @returns the digest of its manifest
   * @throws RuntimeError NETWORK, REGISTRY, IMAGE_OPEN
   */
  async push(path: string, reference: string): Promise<string> {
    return (await import('../oci/push')).pushSif(path, reference, this.context);
  }

  /** Ends connections, and removes what was temporary but for one file, which close() removes. */
  keepOnly(path: string): void {
    this.context.temporary.keepOnly(path);
    this.context.client.close();
  }

  /** Uploads a SIF file to a library. @throws RuntimeError NETWORK, REGISTRY, CONFIG, IMAGE_OPEN */
  async pushToLibrary(push: LibraryPush): Promise<PushedImage | undefined> {
    return (await import('../library/push')).pushToLibrary(push, this.context);
  }

  /** Images of the library that --library names, else of the active endpoint's. @throws RuntimeError */
  async search(query: string, wanted: { signed: boolean }): Promise<FoundImage[]> {
    return (await import('../library/search')).searchLibrary(query, wanted, this.context);
  }

  /** Deletes an image of a library. @param reference without `library://` @throws RuntimeError */
  async delete(reference: string): Promise<void> {
    await (await import('../library/search')).deleteFromLibrary(reference, this.context);
  }

  /** Ends connections and removes what was temporary. */
  close(): void {
    this.context.temporary.remove();
    this.context.client.close();
  }

  /** The file in the cache; `undefined` when the cache turns out not to work. */
  private async throughCache(source: ImageSource, cache: ImageCache): Promise<string | undefined> {
    const { signal, onInfo } = this.context;
    const { kind, key, reference } = source;
    const find = async (): Promise<string | undefined> => {
      const path = await cache.findImage(kind, key, signal);
      if (path !== undefined) onInfo('Using cached SIF image');
      return path;
    };
    const found = await find();
    if (found !== undefined || !cache.isWritable) return found;
    try {
      return await cache.exclusively(
        `${kind}-${key}`,
        async () => {
          const meanwhile = await find();
          if (meanwhile !== undefined) return meanwhile;
          const partial = cache.partialPath(`${kind}-${key}`);
          const { digest } = await this.produce(source, partial);
          chmodSync(partial, IMAGE_MODE & ~process.umask());
          cache.publish(partial, cache.imagePath(kind, key), { digest, reference });
          return cache.imagePath(kind, key);
        },
        signal,
      );
    } catch (error) {
      if (cache.trouble(error)) return undefined;
      throw error;
    }
  }

  private async produce(source: ImageSource, path: string, additions?: Additions): Promise<{ digest?: string }> {
    if (source.announcement !== '') this.context.onInfo(source.announcement);
    return await source.produce(path, additions);
  }
}

function openCache(
  { cacheDirectory, tryLock }: FetchRequest,
  onInfo: (text: string) => void,
  onWarning: (text: string) => void,
): ImageCache | undefined {
  try {
    const onWait = (): void => onInfo('Waiting for another process that is fetching the same image');
    return new ImageCache({ directory: cacheDirectory(), tryLock, onWarning, onWait });
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    onWarning(`Cache disabled - ${error.message}`);
    return undefined;
  }
}

/** Modules are imported for the scheme that is asked for alone. */
async function findSource(reference: string, context: FetchContext): Promise<ImageSource> {
  const scheme = imageScheme(reference);
  const rest = reference.slice((scheme?.length ?? 0) + 1).replace(/^\/\//, '');
  switch (scheme) {
    case 'oras':
      return (await import('../oci/oras')).orasSource(rest, context);
    case 'http':
    case 'https':
      return (await import('./web')).webSource(reference, context);
    case 'library':
      return (await import('../library/library-source')).librarySource(rest, context);
    case 'docker':
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'docker-daemon':
      return (await import('../oci/oci-source')).ociSource(scheme, rest, context);
    default:
      throw unsupportedUri(scheme ?? '', reference);
  }
}
