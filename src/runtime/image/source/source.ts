/** An image that is not a file here, found and identified, but not fetched yet. */
import type { Recipe } from '../../../formats/container/recipe';
import type { ImageConfig } from '../../../formats/oci/config';
import type { RegistrySettings } from '../../config/directives';
import type { ImageCache } from '../cache/cache';
import type { TemporaryDirectory } from '../temporary';
import type { HttpClient } from '../transfer/http';
import type { PartPolicy } from '../transfer/parts';
import type { OnProgress } from './progress';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the user says about fetching; every field as the flag of that name. */
export interface FetchOptions {
  /** GOARCH name; the host's unless given. */
  arch?: string;
  archVariant?: string;
  noHttps?: boolean;
  authFile?: string;
  dockerUsername?: string;
  dockerPassword?: string;
  dockerHost?: string;
  library?: string;
  disableCache?: boolean;
  tmpDir?: string;
  /** For conversions: `zstd:3` … */
  compression?: string;
  /** The same image always becomes the same bytes. */
  reproducible?: boolean;
  /** A build fetches it and says of itself what it does: the image it begins with, or all of the new one. */
  partOfBuild?: 'base' | 'image';
}

/** What a definition file adds to an image while it is converted. */
export interface Additions {
  recipe: Recipe;
  /** Of the definition, for labels: keys in lower case. */
  header: Record<string, string>;
  /** Called when everything is fetched. */
  onFetched: () => void;
}

/** What every source needs. */
export interface FetchContext {
  env: Environment;
  options: FetchOptions;
  settings: RegistrySettings;
  /** Version of davit. */
  version: string;
  client: HttpClient;
  /** How large downloads are divided. */
  parts: PartPolicy;
  cache?: ImageCache;
  temporary: TemporaryDirectory;
  convert: ConvertImage;
  signal?: AbortSignal;
  onInfo: (text: string) => void;
  onWarning: (text: string) => void;
  onVerbose: (text: string) => void;
  onProgress: OnProgress;
}

/** An OCI image that shall become a SIF. */
export interface ConvertRequest {
  /** Lowest first. */
  layers: { path: string; mediaType: string; digest: string; diffId: string }[];
  config: ImageConfig;
  /** Of the manifest. */
  digest: string;
  /** As in a definition file: `docker`, and what stands behind `docker://`. */
  header: { bootstrap: string; from: string };
  additions?: Additions;
  /** Dates come from SOURCE_DATE_EPOCH in `env`, else from the image. */
  reproducible?: boolean;
  env: Environment;
  /** GOARCH name. */
  arch: string;
  compression?: string;
  /** What the layers may cost. */
  limits: { maxEntries: number; maxBytes: number };
  version: string;
  /** The new file. */
  path: string;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** Makes a SIF. @returns what was left out, in words */
export type ConvertImage = (request: ConvertRequest) => Promise<string[]>;

export interface ImageSource {
  /** Where it is kept, and under which key: the same key means the same bytes. */
  kind: 'oci-tmp' | 'oras' | 'library' | 'net';
  key: string;
  /** As the user named it. */
  reference: string;
  /** Said when it is not in the cache; may be empty. */
  announcement: string;
  /**
   * Makes the image file. What is in it already may be the beginning that an earlier call left.
   * @param additions for sources that are converted; others pay no regard to them
   * @returns the digest of the file, when it is known
   * @throws RuntimeError
   */
  produce(path: string, additions?: Additions): Promise<{ digest?: string }>;
}
