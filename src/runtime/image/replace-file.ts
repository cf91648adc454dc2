import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { partialBeside } from './partial-name';

/**
 * Replaces a small file, or makes it; under its name there is the old content or the new one, never half of it.
 * @param mode whatever the mask is
 * @throws errno
 */
export function replaceFile(path: string, content: string | Uint8Array, mode: number): void {
  const temporary = partialBeside(path, `${process.pid}.${Date.now().toString(36)}`);
  try {
    const fd = openSync(temporary, 'wx', mode);
    try {
      fchmodSync(fd, mode);
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
