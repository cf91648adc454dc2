/** The dates of an image, and the number that tells it from others. */
import { randomUUID } from 'node:crypto';
import { RuntimeError } from '../../../errors';
import type { BuildOptions } from '../bundle/options';

/** The dates in an image. */
export interface BuildTimes {
  /** Milliseconds since the epoch, for labels. */
  timeMs: number;
  /** Set for `--reproducible`: no date in the image is later (Unix seconds). */
  latestS?: number;
}

/**
 * The dates of a build. For `--reproducible` they come from SOURCE_DATE_EPOCH, else from the source, else they are the
 * epoch.
 * @param sourceS Unix seconds
 */
export function buildTimes(
  { reproducible }: Pick<BuildOptions, 'reproducible'>,
  env: Readonly<Record<string, string | undefined>>,
  sourceS: number | undefined,
): BuildTimes {
  if (!reproducible) return { timeMs: Date.now() };
  const text = env.SOURCE_DATE_EPOCH?.trim() ?? '';
  if (text !== '' && !/^\d{1,10}$/.test(text)) {
    throw new RuntimeError('OPTION', `SOURCE_DATE_EPOCH="${text}" is no number of seconds`, {
      path: 'SOURCE_DATE_EPOCH',
    });
  }
  const latestS = text === '' ? (sourceS ?? 0) : Number(text);
  return { timeMs: latestS * 1000, latestS };
}

/** The 16 bytes that identify a SIF; zeros for a reproducible one. */
export function imageId({ latestS }: BuildTimes): Buffer {
  return latestS === undefined ? Buffer.from(randomUUID().replaceAll('-', ''), 'hex') : Buffer.alloc(16);
}
