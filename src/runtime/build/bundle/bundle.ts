/** The private directory that a build works in. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import { temporaryParent } from '../../image/temporary';
import { detachMounts } from '../rootfs/mounts-below';
import { makeLocked, PREFIX, removeAbandoned } from './abandoned';
import type { Interruption } from './interruption';
import type { BuildOptions } from './options';
import { removeTree } from './target';

const STICKY = 0o1777;

/** `DIR/build-temp-davit-XXXXXX` with the roots of all stages, and what is /tmp for their sections. */
export class Bundle {
  /**
   * @param directory path of one that is there
   * @param abandoned directories of killed builds, locked by this process, that are to be cleared up
   */
  constructor(
    readonly directory: string,
    readonly abandoned: readonly string[] = [],
  ) {}

  /** Makes a new one, which is removed with the build. @throws RuntimeError IMAGE_BUILD */
  static make(options: BuildOptions, env: NodeJS.ProcessEnv, interruption: Interruption): Bundle {
    const parent = resolve(parentOf(options, env));
    let directory: string;
    let abandoned: string[];
    try {
      abandoned = removeAbandoned(parent);
      directory = realpathSync(options.noCleanup ? mkdtempSync(join(parent, PREFIX)) : makeLocked(parent));
    } catch (cause) {
      const errno = errnoOf(cause);
      const hint = '--tmpdir or DAVIT_TMPDIR names another place';
      const message = `make a temporary directory in "${parent}": ${errno ?? String(cause)}`;
      throw new RuntimeError('IMAGE_BUILD', message, { path: parent, errno, cause, hint });
    }
    const bundle = new Bundle(directory, abandoned);
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

const VARIABLES = ['DAVIT_TMPDIR', 'APPTAINER_TMPDIR', 'SINGULARITY_TMPDIR', 'TMPDIR'];

/** A sandbox is built beside its own place, where it only has to be renamed at the end; unless a directory is named. */
function parentOf({ sandbox, target, tmpdir }: BuildOptions, env: NodeJS.ProcessEnv): string {
  const named = [tmpdir, ...VARIABLES.map((name) => env[name])].some((value) => (value ?? '').trim() !== '');
  return sandbox && !named ? dirname(resolve(target)) : temporaryParent(env, tmpdir);
}
