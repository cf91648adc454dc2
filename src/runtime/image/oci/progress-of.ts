import type { OnProgress } from '../source/progress';

/** The events of one transfer. */
export interface TransferProgress {
  bytes: (doneBytes: number, totalBytes?: number) => void;
  end: () => void;
}

export function progressOf(
  onProgress: OnProgress,
  id: string,
  label: string,
  announcedBytes?: number,
): TransferProgress {
  let doneBytes = 0;
  let totalBytes = announcedBytes;
  onProgress({ id, label, doneBytes, totalBytes, state: 'start' });
  return {
    bytes: (done, total = announcedBytes) => {
      doneBytes = done;
      totalBytes = total;
      onProgress({ id, label, doneBytes, totalBytes, state: 'progress' });
    },
    end: () => onProgress({ id, label, doneBytes, totalBytes, state: 'end' }),
  };
}

/** `sha256:3f4a…` → `3f4a91c0d2e1`, as other programs abbreviate digests. */
export function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1, digest.indexOf(':') + 13);
}
