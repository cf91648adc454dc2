/** Searching libraries, and deleting what is in them. */
import { RuntimeError } from '../../../errors';
import { isObject, type JsonObject, optionalString, printable } from '../../../formats/oci/json';
import { hostArch } from '../arch';
import type { FetchContext } from '../source/source';
import { LibraryApi } from './api';
import { libraryEndpoint } from './endpoint';
import { parseLibraryReference } from './reference';

const LEAST_LETTERS = 3;

export interface FoundImage {
  /** `library://entity/collection/name:tag,tag`; without tags the hash stands for them. */
  uri: string;
  fingerprints: string[];
}

/** @throws RuntimeError OPTION for a short query; NETWORK, REGISTRY, CONFIG */
export async function searchLibrary(
  query: string,
  { signed }: { signed: boolean },
  context: FetchContext,
): Promise<FoundImage[]> {
  if ([...query].length < LEAST_LETTERS) {
    throw new RuntimeError('OPTION', `bad query '${query}'. You must search for at least 3 characters`, {
      path: query,
    });
  }
  const api = new LibraryApi(await libraryEndpoint(undefined, context), context);
  const words = new URLSearchParams({
    arch: context.options.arch ?? hostArch(),
    ...(signed ? { signed: 'true' } : {}),
  });
  words.append('value', query);
  const found = await api.get(`v1/search?${words}`);
  // A library that has nothing of the kind answers with an empty list.
  if (found === undefined) throw new RuntimeError('REGISTRY', 'not found', { hint: 'the library has no search' });
  const { image } = found;
  return (Array.isArray(image) ? image : []).filter(isObject).map(decodeFound);
}

function decodeFound(image: JsonObject): FoundImage {
  const { entityName, collectionName, containerName, tags, hash, fingerprints } = image;
  const place = [entityName, collectionName, containerName].map((part) => optionalString(part) ?? '').join('/');
  const shown = strings(tags);
  const tag = shown.length > 0 ? shown.join(',') : (optionalString(hash) ?? '');
  return {
    uri: printable(`library://${place}:${tag}`),
    fingerprints: strings(fingerprints).map((text) => printable(text)),
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/**
 * Deletes an image of one architecture.
 * @param reference `ENTITY/COLLECTION/NAME:TAG`, with a host where it names one
 * @throws RuntimeError NETWORK, REGISTRY, CONFIG
 */
export async function deleteFromLibrary(reference: string, context: FetchContext): Promise<void> {
  const { host, path, tags } = parseLibraryReference(reference);
  const api = new LibraryApi(await libraryEndpoint(host, context), context);
  const arch = encodeURIComponent(context.options.arch ?? hostArch());
  const place = `${path}:${tags[0] ?? 'latest'}`;
  if (!(await api.delete(`v1/images/${place}?arch=${arch}`))) {
    throw new RuntimeError('REGISTRY', `couldn't delete requested image: not found`, { path: place });
  }
}
