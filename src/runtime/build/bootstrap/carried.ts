import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../../errors';
import { DataType } from '../../../formats/sif/constants';
import type { SifDescriptor } from '../../../formats/sif/descriptor';

const MAX_JSON_BYTES = 16 << 20;

/**
 * JSON objects of a SIF that say something about its contents and are not made anew.
 * @throws RuntimeError IMAGE_BUILD
 */
export function carriedObjects(path: string, descriptors: readonly SifDescriptor[]): Record<string, string> {
  const carried: Record<string, string> = {};
  const fd = openSync(path, 'r');
  try {
    for (const { type, name, offsetBytes, sizeBytes } of descriptors) {
      if (type !== DataType.genericJson || name !== 'oci-config.json' || sizeBytes > MAX_JSON_BYTES) continue;
      const bytes = Buffer.alloc(sizeBytes);
      carried[name] = bytes.toString('utf8', 0, readSync(fd, bytes, 0, sizeBytes, offsetBytes));
    }
  } catch (cause) {
    throw new RuntimeError('IMAGE_BUILD', `read "${path}": ${errnoOf(cause) ?? String(cause)}`, { path, cause });
  } finally {
    closeSync(fd);
  }
  return carried;
}
