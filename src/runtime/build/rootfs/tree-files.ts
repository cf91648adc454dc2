/** The describing part of a root directory, read and written: `/.singularity.d`, `/scif` and the base files. */
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DESCRIBING_NAMES, MAX_TEXT_BYTES, type NewEntry, type TreeEntry } from '../../../formats/container/tree';
import { makeDirectoryInRoot, resolveInRoot } from './root-path';

/** More than this is no description of an image. */
const MAX_ENTRIES = 100_000;
const MAX_DEPTH = 64;
const PERMISSIONS = 0o7777;

/** Entries at and below `/.singularity.d` and `/scif`; links are not followed. */
export function listTree(root: string): TreeEntry[] {
  const entries: TreeEntry[] = [];
  const add = (path: string, depth: number): void => {
    const host = join(root, path);
    const stat = lstatSync(host, { throwIfNoEntry: false });
    if (!stat || entries.length >= MAX_ENTRIES) return;
    const mode = stat.mode & PERMISSIONS;
    if (stat.isDirectory()) {
      entries.push({ path, type: 'directory', mode });
      if (depth < MAX_DEPTH) for (const name of readdirSync(host).sort()) add(`${path}/${name}`, depth + 1);
    } else if (stat.isSymbolicLink()) entries.push({ path, type: 'symlink', mode, target: readlinkSync(host) });
    else if (stat.isFile()) {
      const content = stat.size <= MAX_TEXT_BYTES ? readFileSync(host) : undefined;
      entries.push({ path, type: 'file', mode, ...(content && { content }) });
    } else entries.push({ path, type: 'other', mode });
  };
  for (const name of DESCRIBING_NAMES) add(name, 0);
  return entries;
}

/** Puts entries into a root directory. Without `replace`, what is there stays; a directory always does. */
export function applyEntries(root: string, entries: NewEntry[]): void {
  for (const entry of entries) {
    const parent = makeDirectoryInRoot(root, dirname(entry.path));
    const host = join(parent, basename(entry.path));
    const there = lstatSync(host, { throwIfNoEntry: false });
    if (there && (!entry.replace || there.isDirectory())) continue;
    if (there) rmSync(host);
    addEntry(host, entry);
  }
}

function addEntry(host: string, { type, mode, content }: NewEntry): void {
  if (type === 'symlink') symlinkSync(content, host);
  else if (type === 'directory') mkdirSync(host);
  else writeFileSync(host, content, { flag: 'wx' });
  // mkdir(2) and open(2) take the umask away.
  if (type !== 'symlink') chmodSync(host, mode);
}

/** Text of a regular file directly in the root directory, which is removed; '' when there is none. */
export function takeFile(root: string, name: string): string {
  const host = join(root, name);
  const stat = lstatSync(host, { throwIfNoEntry: false });
  if (!stat) return '';
  const text = stat.isFile() && stat.size <= MAX_TEXT_BYTES ? readFileSync(host, 'utf8') : '';
  rmSync(host, { recursive: true, force: true });
  return text;
}

/** Writes a new file directly in the root directory, in place of what has its name. */
export function placeFile(root: string, name: string, text: string, mode: number): void {
  const host = join(root, name);
  rmSync(host, { recursive: true, force: true });
  const fd = openSync(host, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
  chmodSync(host, mode);
}

/** Whether a path inside the root leads to something. */
export function existsInRoot(root: string, path: string): boolean {
  return lstatSync(resolveInRoot(root, path), { throwIfNoEntry: false }) !== undefined;
}
