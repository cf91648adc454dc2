/** The place of a new image: checked first, filled last, and clean whatever happens between. */
import { accessSync, constants, lstatSync, readdirSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import { partialBeside } from '../../image/partial-name';
import { Interruption } from './interruption';
import type { BuildOptions } from './options';

/**
 * What an image directory has: all names of one of these lists. Nothing else is removed recursively for `--force`; a
 * home directory may well have a `bin`.
 */
const SANDBOX_MARKS = [['.singularity.d'], ['usr', 'etc']];
const CLEAN_UP_TRIES = 20;

/**
 * Checks that an image can be made under a name.
 * @param source what it is made from, when that is a path: it must not be lost
 * @throws RuntimeError IMAGE_BUILD
 */
export function checkTarget(target: string, force: boolean, source?: string): void {
  const path = resolve(target);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat && !force) {
    const message = `build target '${target}' already exists. Use --force if you want to overwrite it`;
    throw new RuntimeError('IMAGE_BUILD', `While checking build target: ${message}`, { path });
  }
  if (stat?.isDirectory()) checkReplaceable(target, path);
  if (stat && source !== undefined) checkApart(target, path, resolve(source));
  const parent = dirname(path);
  if (!statSync(parent, { throwIfNoEntry: false })?.isDirectory()) {
    throw new RuntimeError('IMAGE_BUILD', `While checking build target: no directory "${parent}"`, { path: parent });
  }
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const errno = errnoOf(cause);
    const message = `While checking build target: the directory "${parent}" is not writable: ${errno ?? String(cause)}`;
    throw new RuntimeError('IMAGE_BUILD', message, { path: parent, errno, cause });
  }
}

/** Checks that there is something for `--update` to update. @throws RuntimeError OPTION, IMAGE_BUILD */
export function checkUpdate({ target, update, sandbox }: BuildOptions): void {
  if (!update) return;
  if (!sandbox) {
    throw new RuntimeError('OPTION', 'only sandbox update is supported: --sandbox flag is missing', {
      path: '--update',
      hint: 'a SIF is not changed: build it anew, or build a sandbox and pack that',
    });
  }
  const path = resolve(target);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory()) return;
  const why = there
    ? `only sandbox update is supported: ${path} is not a directory`
    : `could not update sandbox ${path}: doesn't exist`;
  throw new RuntimeError('IMAGE_BUILD', `While checking build target: ${why}`, { path });
}

function checkReplaceable(target: string, path: string): void {
  const names = readdirSync(path);
  if (names.length === 0 || SANDBOX_MARKS.some((marks) => marks.every((name) => names.includes(name)))) {
    if (dirname(path) !== path) return;
  }
  const message = `While checking build target: the directory '${target}' does not look like an image`;
  throw new RuntimeError('IMAGE_BUILD', message, { path, hint: 'remove it yourself, or choose another name' });
}

function checkApart(target: string, path: string, source: string): void {
  const inside = source === path || source.startsWith(`${path}/`);
  if (inside && statSync(path).isDirectory()) {
    const message = `While checking build target: '${target}' holds what it would be made from`;
    throw new RuntimeError('IMAGE_BUILD', message, { path, hint: 'choose another name' });
  }
}

/**
 * Makes an image under a temporary name beside its own and then gives it that name. When `make` fails, or the program
 * is interrupted, nothing is left.
 * @param interruption of the build this is the end of; one of its own when absent
 */
export async function replaceTarget<T>(
  target: string,
  make: (temporary: string) => Promise<T>,
  interruption?: Interruption,
): Promise<T> {
  if (!interruption) {
    const own = new Interruption();
    return own.guard(() => replaceTarget(target, make, own));
  }
  const path = resolve(target);
  const before = lstatSync(path, { throwIfNoEntry: false });
  const temporary = partialBeside(path, `${process.pid}.${Date.now().toString(36)}`);
  const forget = interruption.atEnd(() => removeTree(temporary));
  try {
    const result = await make(temporary);
    swap(temporary, path, before);
    return result;
  } catch (error) {
    removeTree(temporary);
    throw error;
  } finally {
    forget();
  }
}

/**
 * Removes a file or a directory with all that is in it, as far as it can.
 * A worker may still be writing below it; its own files vanish beneath it then.
 */
export function removeTree(path: string): void {
  for (let tries = CLEAN_UP_TRIES; tries > 0; tries--) {
    try {
      rmSync(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if (errnoOf(error) !== 'ENOTEMPTY') return;
    }
  }
}

/**
 * rename(2) replaces a file by a file; a directory in the way is moved aside first, and removed: only where one
 * was in the beginning, when its caller was asked.
 */
function swap(temporary: string, path: string, before: Stats | undefined): void {
  const old = lstatSync(path, { throwIfNoEntry: false });
  const made = lstatSync(temporary);
  if (!old || (!old.isDirectory() && !made.isDirectory())) {
    renameSync(temporary, path);
    return;
  }
  if (old.isDirectory()) {
    if (!before?.isDirectory()) {
      const message = `"${path}" was made by somebody else meanwhile`;
      throw new RuntimeError('IMAGE_BUILD', message, { path, errno: 'EEXIST' });
    }
    checkReplaceable(path, path);
  }
  const aside = `${temporary}.old`;
  renameSync(path, aside);
  try {
    renameSync(temporary, path);
  } catch (error) {
    renameSync(aside, path);
    throw error;
  }
  removeTree(aside);
}
