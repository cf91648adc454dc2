/** Tells how far a packing worker has come, by counters on memory that it shares with us. */
import type { OnProgress } from '../image/progress';

const EVERY_MS = 100;

export interface PackedBytes {
  doneBytes: number;
  totalBytes: number;
}

/**
 * Reports `amount()` while `work` goes on. Work that fails has no end.
 * @throws what `work` throws
 */
export async function whilePacking<T>(
  amount: () => PackedBytes,
  onProgress: OnProgress | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!onProgress) return await work();
  const tell = (state: 'start' | 'progress' | 'end'): void => {
    const { doneBytes, totalBytes } = amount();
    // What is to be packed is counted before it is packed; until then nothing is known. Files that others have replaced
    // were counted, too.
    const total = totalBytes > 0 ? { totalBytes: state === 'end' ? doneBytes : totalBytes } : undefined;
    onProgress({ id: 'packing', label: 'packing', doneBytes, ...total, state });
  };
  tell('start');
  const timer = setInterval(() => tell('progress'), EVERY_MS);
  try {
    const result = await work();
    tell('end');
    return result;
  } finally {
    clearInterval(timer);
  }
}

/** A counter that another thread changes. */
export function count(counters: BigInt64Array, at: number): number {
  return Number(Atomics.load(counters, at));
}
