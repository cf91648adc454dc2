/**
 * The images that the tests use, made by bin/davit itself out of small directories: once, in build/fixtures where that can
 * be written, else in a directory of the user's. An image is made again when its recipe here or davit's own build changes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findProgram } from './capabilities';
import { layOutStatic, staticSources } from '../../fixtures/static/layout';
import { layOutBusybox } from './busybox';

const projectRoot = resolve(__dirname, '../../..');

/** Lays out the root directory of an image in an empty directory. */
const recipes = {
  /** Debian's static busybox with all its commands, an account, and scripts that show what they get. */
  busybox: layOutBusybox,
  /** One static program and nothing else: no shell, no libraries. */
  static: layOutStatic,
} satisfies Record<string, (rootfs: string) => void>;

export type FixtureName = keyof typeof recipes;

/** Path of that image; it is made when it is not there yet. Never changed by tests. */
export function fixtureImage(name: FixtureName): string {
  const path = join(fixturesDirectory(), `${name}-${recipeKey()}.sif`);
  if (existsSync(path)) return path;
  const work = `${path}.${process.pid}`;
  const rootfs = `${work}.rootfs`;
  try {
    mkdirSync(rootfs, { recursive: true });
    recipes[name](rootfs);
    execFileSync(join(projectRoot, 'bin/davit'), ['-q', 'build', '--force', work, rootfs], { stdio: 'pipe' });
    // Another run may have been faster: then its image is replaced by an equal one.
    renameSync(work, path);
  } finally {
    rmSync(rootfs, { recursive: true, force: true });
    rmSync(work, { force: true });
  }
  return path;
}

/** build/fixtures where it holds or can hold images; else a directory of this user's that lasts. */
export function fixturesDirectory(): string {
  const shared = join(projectRoot, 'build/fixtures');
  try {
    mkdirSync(shared, { recursive: true });
    accessSync(shared, constants.W_OK);
    return shared;
  } catch {
    const own = `/var/tmp/davit-fixtures-${process.getuid?.()}`;
    mkdirSync(own, { recursive: true, mode: 0o755 });
    if (statSync(own).uid !== process.getuid?.()) throw new Error(`"${own}" belongs to someone else`);
    return own;
  }
}

/** Changes with the recipes and with the busybox of this machine. */
function recipeKey(): string {
  const hash = createHash('sha256');
  const own = ['busybox.ts', 'images.ts'].map((name) => join(__dirname, name));
  for (const file of [...own, ...staticSources]) hash.update(readFileSync(file));
  const busybox = findProgram('busybox');
  if (busybox !== undefined) hash.update(String(statSync(busybox).size));
  return hash.digest('hex').slice(0, 12);
}
