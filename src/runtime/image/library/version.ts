/** What a library can do, by the version of its interface. */
import type { LibraryApi } from './api';

export interface Abilities {
  /** Files go to a storage that the library names. */
  uploads: boolean;
  /** Each architecture has tags of its own. */
  archTags: boolean;
}

/** A library that does not say is an old one. */
export async function supports(api: LibraryApi): Promise<Abilities> {
  const { apiVersion } = (await api.get('version')) ?? {};
  const version = typeof apiVersion === 'string' ? apiVersion : '';
  return { uploads: isAtLeast(version, 1), archTags: isAtLeast(version, 2) };
}

/** Whether a version is not before 2.0.0-alpha.N; numbers before the release are the only ones that matter here. */
function isAtLeast(version: string, alpha: number): boolean {
  const [, major = '0', , , pre] = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?/.exec(version) ?? [];
  if (Number(major) !== 2) return Number(major) > 2;
  const number = /^alpha\.(\d+)$/.exec(pre ?? '')?.[1];
  return number === undefined ? pre !== 'alpha' : Number(number) >= alpha;
}
