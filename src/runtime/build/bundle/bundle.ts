/** The private directory that a build works in. */
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmdirSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { temporaryParent } from '../../image/temporary';
import { detachMounts } from '../rootfs/mounts-below';
import type { Interruption } from './interruption';
import type { BuildOptions } from './options';
import { removeTree } from './target';

const STICKY = 0o1777;
const PREFIX = 'build-temp-';
/** Of those that are locked: an empty one was left by a build that was killed in its first moment. */
const LOCKED_PREFIX = `${PREFIX}davit-`;
/** Another build may take the new directory for an abandoned one until it is locked. */
const TRIES = 100;

/** Locked for as long as the process lives that has made the directory; there is none with `--no-cleanup`. */
const LOCK_FILE = 'davit.lock';
export const TASK_FILE = 'task.json';
export const ERROR_FILE = 'error.json';
/** What is there before anything is built, and stays until the end. */
export const OWN_FILES: readonly string[] = [LOCK_FILE, TASK_FILE, ERROR_FILE];

/** `DIR/build-temp-davit-XXXXXX` with the roots of all stages, and what is /tmp for their sections. */
export class Bundle {
  constructor(readonly directory: string) {}

  /** Makes a new one, which is removed with the build. @throws RuntimeError IMAGE_BUILD */
  static make(options: BuildOptions, env: NodeJS.ProcessEnv, interruption: Interruption): Bundle {
    const parent = resolve(parentOf(options, env));
    let directory: string;
    try {
      removeAbandoned(parent);
      directory = realpathSync(options.noCleanup ? mkdtempSync(join(parent, PREFIX)) : makeLocked(parent));
    } catch (cause) {
      const errno = errnoOf(cause);
      const hint = '--tmpdir or DAVIT_TMPDIR names another place';
      const message = `make a temporary directory in "${parent}": ${errno ?? String(cause)}`;
      throw new RuntimeError('IMAGE_BUILD', message, { path: parent, errno, cause, hint });
    }
    const bundle = new Bundle(directory);
    if (!options.noCleanup) interruption.atEnd(() => bundle.remove());
    return bundle;
  }

  /** Root directory of a stage; it is made when it is not there. Named as other builders name it. */
  rootfs(stage: number): string {
    return this.inner(stage === 0 ? 'rootfs' : `rootfs-${stage + 1}`, 0o755);
  }

  /** Directories for /tmp and /var/tmp of the sections. */
  get tmp(): string {
    return this.inner('tmp', STICKY);
  }
  get varTmp(): string {
    return this.inner('var-tmp', STICKY);
  }

  /** A path for a small file of the build itself. */
  file(name: string): string {
    return join(this.directory, name);
  }

  /** Removes it with all that is in it. What a section has mounted there is not the build's to remove. */
  remove(): void {
    if (detachMounts(this.directory)) removeTree(this.directory);
  }

  /** What is in it; nothing when it has been removed. */
  names(): string[] {
    return existsSync(this.directory) ? readdirSync(this.directory) : [];
  }

  /** Removes all that is in it but these names. */
  clear(kept: readonly string[]): void {
    if (!detachMounts(this.directory)) return;
    for (const name of this.names()) if (!kept.includes(name)) removeTree(join(this.directory, name));
  }

  private inner(name: string, mode: number): string {
    const path = join(this.directory, name);
    if (!existsSync(path)) {
      mkdirSync(path);
      chmodSync(path, mode); // past the umask
    }
    return path;
  }
}

/**
 * A new directory, locked by this process for as long as it lives. Where the file system knows no locks it has none, and
 * nobody else can lock it either: it is left alone.
 * @throws a system error
 */
function makeLocked(parent: string): string {
  const { tryLockFile } = native();
  for (let tries = 1; ; tries++) {
    const directory = mkdtempSync(join(parent, LOCKED_PREFIX));
    const file = join(directory, LOCK_FILE);
    try {
      const lock = tryLockFile(file);
      if (lock >= 0 && existsSync(file)) return directory;
      if (lock >= 0) closeSync(lock);
      if (tries === TRIES) throw new RuntimeError('IMAGE_BUILD', `other builds remove "${directory}" again and again`);
    } catch (error) {
      if (existsSync(file) && !(error instanceof RuntimeError)) return directory;
      if (existsSync(directory)) removeTree(directory);
      else if (tries < TRIES) continue;
      throw error;
    }
  }
}

/**
 * Removes what killed builds have left of this user's. One that had begun to build is ended, and cleared up, by the
 * process that was at work in it; one that was killed before has nothing, or files of its own and a lock nobody holds.
 */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = join(parent, name);
    try {
      if (lstatSync(directory).uid !== process.geteuid?.()) continue;
      const found = readdirSync(directory);
      if (found.length === 0 && name.startsWith(LOCKED_PREFIX)) rmdirSync(directory);
      if (!found.includes(LOCK_FILE) || found.some((file) => !OWN_FILES.includes(file))) continue;
      const lock = native().tryLockFile(join(directory, LOCK_FILE));
      if (lock < 0) continue;
      removeTree(directory);
      closeSync(lock);
    } catch {
      // removed meanwhile, or not ours to look into
    }
  }
}

const VARIABLES = ['DAVIT_TMPDIR', 'APPTAINER_TMPDIR', 'SINGULARITY_TMPDIR', 'TMPDIR'];

/** A sandbox is built beside its own place, where it only has to be renamed at the end; unless a directory is named. */
function parentOf({ sandbox, target, tmpdir }: BuildOptions, env: NodeJS.ProcessEnv): string {
  const named = [tmpdir, ...VARIABLES.map((name) => env[name])].some((value) => (value ?? '').trim() !== '');
  return sandbox && !named ? dirname(resolve(target)) : temporaryParent(env, tmpdir);
}
