/** What is in the image cache. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FACTS_ENDING } from './entry';

/** Kinds as they are shown, in the order in which they are shown. */
export const CACHE_KINDS = ['blob', 'library', 'oci-tmp', 'shub', 'oras', 'net'] as const;
export type ListedKind = (typeof CACHE_KINDS)[number];

/** Words for kinds on the command line. */
const WORDS: Record<string, readonly ListedKind[]> = {
  all: CACHE_KINDS,
  blob: ['blob'],
  blobs: ['blob'],
  library: ['library'],
  net: ['net'],
  oci: ['oci-tmp'],
  'oci-tmp': ['oci-tmp'],
  oras: ['oras'],
  shub: ['shub'],
};

export interface CacheEntry {
  kind: ListedKind;
  name: string;
  path: string;
  sizeBytes: number;
  modifiedMs: number;
}

/** The kinds that words name; all without a word. @returns the word that names none, instead */
export function kindsNamed(words: readonly string[]): ListedKind[] | { unknown: string } {
  const unknown = words.find((word) => !Object.hasOwn(WORDS, word));
  if (unknown !== undefined) return { unknown };
  const named = new Set(words.flatMap((word) => WORDS[word] ?? []));
  return CACHE_KINDS.filter((kind) => words.length === 0 || named.has(kind));
}

/** Where a kind's files are. */
export function kindDirectory(directory: string, kind: ListedKind): string {
  return join(directory, kind);
}

/** The files of a kind, by name. A directory that is not there has none. */
export function listKind(directory: string, kind: ListedKind): CacheEntry[] {
  const root = kindDirectory(directory, kind);
  const directories = kind === 'blob' ? names(root).map((algorithm) => join(root, algorithm)) : [root];
  return directories.flatMap((place) =>
    names(place)
      .filter((name) => !name.endsWith(FACTS_ENDING) && !name.endsWith('.tmp'))
      .flatMap((name) => entryOf(kind, name, join(place, name))),
  );
}

/** Downloads that were broken off, and may be gone on with. */
export function listPartial(directory: string): { name: string; path: string }[] {
  const root = join(directory, 'partial');
  return names(root).map((name) => ({ name, path: join(root, name) }));
}

function entryOf(kind: ListedKind, name: string, path: string): CacheEntry[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return [];
  return [{ kind, name, path, sizeBytes: stat.size, modifiedMs: stat.mtimeMs }];
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return []; // not there, or not a directory
  }
}
