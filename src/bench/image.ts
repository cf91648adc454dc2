/** The image that is measured: where it lies, what it is, and its unpacked root directory for runtimes that need one. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../errors';
import { packageRoot } from '../native';
import { imageScheme } from '../runtime/image/uri';
import { fileSystemOf } from './machine';
import type { Workspace } from './workspace';

/** Where the payload's directory is bound to: most images have the first, and it is empty there. */
const PLACES = ['/mnt', '/media', '/srv', '/opt'];
const SIF_MAGIC = { text: 'SIF_MAGIC', at: 32 };
const SQUASHFS_MAGIC = { text: 'hsqs', at: 0 };

export type ImageKind = 'SIF' | 'squashfs' | 'directory';

export class BenchImage {
  private unpacked?: string;

  private constructor(
    readonly path: string,
    readonly kind: ImageKind,
    readonly sizeBytes: number,
    /** A directory of the container to which the payload's directory is bound. */
    readonly place: string,
    private readonly workspace: Workspace,
  ) {}

  /**
   * @param reference a path, or a URI as pull takes it: that is fetched into the workspace first
   * @throws RuntimeError IMAGE_OPEN or IMAGE_FORMAT
   */
  static open(reference: string, workspace: Workspace, env: NodeJS.ProcessEnv): BenchImage {
    const path = imageScheme(reference) === undefined ? reference : pulled(reference, workspace, env);
    try {
      const real = realpathSync(path);
      const stat = statSync(real);
      if (stat.isDirectory()) {
        const place = PLACES.find((name) => isDirectory(join(real, name))) ?? '/mnt';
        return new BenchImage(real, 'directory', 0, place, workspace);
      }
      return new BenchImage(real, kindOf(real), stat.size, '/mnt', workspace);
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      const errno = errnoOf(cause);
      throw new RuntimeError('IMAGE_OPEN', `open image "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
    }
  }

  /** Whether rootfs() has nothing to do. */
  get isUnpacked(): boolean {
    return this.kind === 'directory' || this.unpacked !== undefined;
  }

  get fileSystem(): string {
    return fileSystemOf(this.path);
  }

  /**
   * The root directory; a SIF is unpacked into the workspace when this is first asked for.
   * @throws Error with the words of the build, or where the image is a directory without a place to bind to
   */
  rootfs(env: NodeJS.ProcessEnv): string {
    if (this.kind === 'directory') {
      if (isDirectory(join(this.path, this.place))) return this.path;
      throw new Error(`the image directory has none of ${PLACES.join(', ')} to bind the payload to`);
    }
    if (this.unpacked !== undefined) return this.unpacked;
    const target = this.workspace.path('rootfs');
    runDavit(['build', '--sandbox', target, this.path], env);
    mkdirSync(join(target, this.place), { recursive: true });
    this.unpacked = target;
    return target;
  }
}

/** Path of the front door. */
export function davitProgram(): string {
  return join(packageRoot(), 'bin/davit');
}

function pulled(reference: string, workspace: Workspace, env: NodeJS.ProcessEnv): string {
  const path = workspace.path('pulled.sif');
  try {
    runDavit(['pull', path, reference], env);
  } catch (error) {
    throw new RuntimeError('IMAGE_OPEN', (error as Error).message, { path: reference });
  }
  return path;
}

function runDavit(words: string[], env: NodeJS.ProcessEnv): void {
  try {
    execFileSync(davitProgram(), ['--silent', ...words], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? '').trim();
    throw new Error(said.replace(/^FATAL:\s*/, '') || (error as Error).message);
  }
}

function kindOf(path: string): ImageKind {
  const head = Buffer.alloc(64);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  const has = ({ text, at }: { text: string; at: number }): boolean =>
    head.toString('latin1', at, at + text.length) === text;
  if (has(SIF_MAGIC)) return 'SIF';
  if (has(SQUASHFS_MAGIC)) return 'squashfs';
  throw new RuntimeError('IMAGE_FORMAT', `"${path}" is neither a SIF file, a squashfs file nor a directory`, { path });
}

function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
