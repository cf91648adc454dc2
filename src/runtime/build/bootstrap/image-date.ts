import { closeSync, openSync, readSync } from 'node:fs';
import type { InspectedImage } from '../../image/open';

/** Place of the date in a squashfs superblock. */
const DATE_OFFSET = 8;

/**
 * When an image was made (Unix seconds): the date of its SIF, else that of its file system. Reproducible SIF files have
 * none of their own.
 * @returns `undefined` for a directory, and where it says nothing
 */
export function imageDateS({ image, sif }: InspectedImage): number | undefined {
  if (sif && sif.header.createdS > 0) return sif.header.createdS;
  if (!image.squashfs) return undefined;
  const bytes = Buffer.alloc(4);
  const fd = openSync(image.path, 'r');
  try {
    if (readSync(fd, bytes, 0, bytes.length, image.squashfs.offsetBytes + DATE_OFFSET) < bytes.length) return undefined;
  } finally {
    closeSync(fd);
  }
  return bytes.readUInt32LE(0) || undefined;
}
