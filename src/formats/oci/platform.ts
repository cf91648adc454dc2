/** Which image of an index is the one for a machine. */
import { RuntimeError } from '../../errors';
import type { ImageIndex, IndexEntry } from './manifest';

export interface WantedPlatform {
  /** GOARCH name. */
  arch: string;
  /** Such as `v7`; also given without the letter. */
  variant?: string;
}

/** What a processor runs, its own first. Without a variant an entry stands for the family's usual one. */
const ARM_VARIANTS = ['v8', 'v7', 'v6', 'v5'];
const USUAL_ARM = 'v7';
const USUAL_ARM64 = 'v8';

/**
 * The entry for a platform; always Linux.
 * @throws RuntimeError IMAGE_ARCH when there is none
 */
export function selectPlatform({ entries }: ImageIndex, wanted: WantedPlatform): IndexEntry {
  const fitting = entries.filter(({ platform }) => platform?.os === 'linux' && platform.architecture === wanted.arch);
  for (const variant of acceptedVariants(wanted)) {
    const entry = fitting.find(({ platform }) => normalVariant(platform?.variant) === variant);
    if (entry) return entry;
  }
  // An index of one image that does not say for which platform it is: some builders write that.
  const [only] = entries;
  if (entries.length === 1 && only && only.platform === undefined) return only;
  throw noneFor(entries, wanted);
}

/** Variants in the order of preference; `undefined` stands for an entry that names none. */
function acceptedVariants({ arch, variant }: WantedPlatform): (string | undefined)[] {
  const given = normalVariant(variant);
  if (arch === 'arm') {
    const best = given ?? USUAL_ARM;
    const from = ARM_VARIANTS.indexOf(best);
    return [...(from < 0 ? [best] : ARM_VARIANTS.slice(from)), undefined];
  }
  if (arch === 'arm64' && (given ?? USUAL_ARM64) === USUAL_ARM64) return [USUAL_ARM64, undefined];
  return given === undefined ? [undefined, 'v1'] : [given, undefined];
}

function normalVariant(variant: string | undefined): string | undefined {
  if (variant === undefined || variant === '') return undefined;
  return /^\d/.test(variant) ? `v${variant}` : variant.toLowerCase();
}

function noneFor(entries: IndexEntry[], { arch, variant = '' }: WantedPlatform): RuntimeError {
  const there = entries
    .filter(({ platform }) => platform?.os === 'linux')
    .map(({ platform }) => [platform?.architecture, platform?.variant].filter(Boolean).join('/'));
  const message = `no image found in image index for architecture "${arch}", variant "${variant}", OS "linux"`;
  return new RuntimeError('IMAGE_ARCH', message, {
    hint: there.length > 0 ? `there are images for ${[...new Set(there)].sort().join(', ')}` : 'it has none for Linux',
  });
}
