/** Copies of files and directories, as `cp -r` makes them: new files, the modes of the old ones. */
import { constants, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';

/** Without set-id bits: the copy has another owner. */
const COPIED_MODE = 0o777;
const MAX_DEPTH = 256;

export interface CopyRules {
  /** Every link is followed (`cp -L`); otherwise only the source itself is (`cp -H`). */
  followLinks: boolean;
  /** Called between files: throws when the build is interrupted. */
  check: () => void;
  /** A directory that is left out: the one the build works in may lie in its own source. */
  exclude?: string;
}

/**
 * Copies `source` to `target`; into it, by its name, when that is a directory.
 * @param target host path without links; its parent exists
 * @throws RuntimeError IMAGE_BUILD
 */
export async function copyInto(
  source: string,
  target: string,
  rules: CopyRules,
  name = basename(source),
): Promise<void> {
  const destination = destinationOf(target, name);
  const umask = process.umask();
  const inodes = new Set<string>();
  const excluded = rules.exclude === undefined ? undefined : statSync(rules.exclude, { throwIfNoEntry: false });
  if (excluded) inodes.add(keyOf(excluded));
  try {
    await copyOne(source, destination, { ...rules, umask, inodes, excluded: excluded && keyOf(excluded), depth: 0 });
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    const { path = source } = error as NodeJS.ErrnoException;
    const errno = errnoOf(error);
    throw new RuntimeError('IMAGE_BUILD', `copy "${path}" to "${destination}": ${wording(error)}`, { path, errno });
  }
}

/** Where a copy goes: into a directory by its name, else to the target itself. */
export function destinationOf(target: string, name: string): string {
  const there = lstatSync(target, { throwIfNoEntry: false });
  return there?.isDirectory() && name !== '..' ? join(target, name) : target;
}

function wording(error: unknown): string {
  const [, code, text] = /^(\w+): ([^,]+)/.exec(error instanceof Error ? error.message : '') ?? [];
  return code === undefined ? String(error) : `${code} (${text})`;
}

interface CopyState extends CopyRules {
  umask: number;
  /** Directories that are being copied: a link may lead back into one. */
  inodes: Set<string>;
  excluded: string | undefined;
  /** 0: the source itself. */
  depth: number;
}

function keyOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

async function copyOne(source: string, target: string, state: CopyState): Promise<void> {
  state.check();
  const follow = state.followLinks || state.depth === 0;
  const stat = follow ? statSync(source) : lstatSync(source);
  const mode = stat.mode & COPIED_MODE & ~state.umask;
  if (stat.isDirectory()) {
    if (keyOf(stat) !== state.excluded) await copyDirectory(source, target, mode, keyOf(stat), state);
    return;
  }
  makeRoom(source, target);
  if (stat.isFile()) {
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    await chmod(target, mode);
  } else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
  else if (stat.isFIFO() || stat.isCharacterDevice() || stat.isBlockDevice()) copySpecial(source, target);
  else throw new RuntimeError('IMAGE_BUILD', `copy "${source}": a socket cannot be copied`, { path: source });
}

/** Node has no mknod(2); cp(1) has. */
function copySpecial(source: string, target: string): void {
  const { spawnSync } = require('node:child_process') as typeof import('node:child_process');
  const { status, stderr } = spawnSync('cp', ['-R', '--', source, target], { encoding: 'utf8' });
  if (status === 0) return;
  throw new RuntimeError('IMAGE_BUILD', `copy "${source}" to "${target}": ${(stderr ?? '').trim()}`, { path: source });
}

/** A file takes the place of a file; a directory is never removed for one. */
function makeRoom(source: string, target: string): void {
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (!there) return;
  if (there.isDirectory()) {
    throw new RuntimeError('IMAGE_BUILD', `copy "${source}": "${target}" is a directory`, { path: source });
  }
  rmSync(target);
}

async function copyDirectory(
  source: string,
  target: string,
  mode: number,
  key: string,
  state: CopyState,
): Promise<void> {
  if (state.inodes.has(key)) {
    throw new RuntimeError('IMAGE_BUILD', `copy "${source}": a link leads back into its own directory`, {
      path: source,
    });
  }
  if (state.depth > MAX_DEPTH) {
    throw new RuntimeError('IMAGE_BUILD', `copy "${source}": more than ${MAX_DEPTH} directories deep`, {
      path: source,
    });
  }
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) {
    const hint = 'a directory cannot take the place of a file';
    throw new RuntimeError('IMAGE_BUILD', `copy "${source}": "${target}" is no directory`, { path: source, hint });
  }
  if (!there) mkdirSync(target, { mode: 0o700 });
  state.inodes.add(key);
  const inner = { ...state, depth: state.depth + 1 };
  for (const name of readdirSync(source)) await copyOne(join(source, name), join(target, name), inner);
  state.inodes.delete(key);
  if (!there) await chmod(target, mode);
}
