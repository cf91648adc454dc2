/**
 * Paths inside a root directory that is not ours to trust: links in it are resolved as if it were "/". Nobody else
 * changes the tree meanwhile: it lies in a private directory, and no process of the container is left.
 */
import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';

/** As the kernel follows in one path (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * The host path of `path` below `root`, every link but the last name resolved; the last one too unless `keepLast`.
 * Names that do not exist stay as they are; `..` ends at the root.
 * @throws RuntimeError IMAGE_BUILD for links in a circle
 */
export function resolveInRoot(root: string, path: string, { keepLast = false } = {}): string {
  const todo = path.split('/').reverse();
  let done: string[] = [];
  let links = 0;
  while (todo.length > 0) {
    const name = todo.pop() as string;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    const here = join(root, ...done, name);
    const last = todo.every((rest) => rest === '' || rest === '.');
    const stat = last && keepLast ? undefined : lstatSync(here, { throwIfNoEntry: false });
    if (!stat?.isSymbolicLink()) {
      done.push(name);
      continue;
    }
    if (++links > MAX_LINKS) throw new RuntimeError('IMAGE_BUILD', `resolve "${path}": too many links`, { path });
    const target = readlinkSync(here);
    if (target.startsWith('/')) done = [];
    todo.push(...target.split('/').reverse());
  }
  return join(root, ...done);
}

/**
 * Makes a directory and its parents, where they are missing, below `root`.
 * @param path inside the root
 * @returns its host path
 */
export function makeDirectoryInRoot(root: string, path: string, mode = 0o755): string {
  const host = resolveInRoot(root, path);
  mkdirSync(host, { recursive: true, mode });
  return host;
}
