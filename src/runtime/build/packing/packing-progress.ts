/** Tells how far a packing worker has come, by what it counts. */
import type { OnProgress } from '../../image/source/progress';

export interface PackedBytes {
  doneBytes: number;
  totalBytes: number;
}

/**
 * Reports `amount` of the counters whenever `work` has new ones. Work that fails has no end.
 * @throws what `work` throws
 */
export async function whilePacking<T>(
  amount: (counters: number[]) => PackedBytes,
  onProgress: OnProgress | undefined,
  work: (onCounters?: (counters: number[]) => void) => Promise<T>,
): Promise<T> {
  if (!onProgress) return await work();
  let counters: number[] = [];
  const tell = (state: 'start' | 'progress' | 'end'): void => {
    const { doneBytes, totalBytes } = amount(counters);
    // What is to be packed is counted before it is packed; until then nothing is known. Files that others have replaced
    // were counted, too.
    const total = totalBytes > 0 ? { totalBytes: state === 'end' ? doneBytes : totalBytes } : undefined;
    onProgress({ id: 'packing', label: 'packing', doneBytes, ...total, state });
  };
  tell('start');
  const result = await work((values) => {
    counters = values;
    tell('progress');
  });
  tell('end');
  return result;
}
