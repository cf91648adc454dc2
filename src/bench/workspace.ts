/** Everything a measurement makes: a temporary directory, and a state directory beside the user's own instances. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { errnoOf, RuntimeError } from '../errors';
import { native, packageRoot } from '../native';
import { runnerPath } from './runner';

const PREFIX = 'davit-bench-';
/** A directory without a lock may be one whose owner has not come to it yet. */
const UNLOCKED_MS = 60_000;
/** What davit-ready answers without arguments. */
const READY_USAGE = 2;

export class Workspace {
  /** Bound into containers: the payload and its FIFOs. */
  readonly shared: string;

  private constructor(
    readonly directory: string,
    /** DAVIT_STATE_DIR of all davit commands that are measured, on the file system of the user's own. */
    readonly stateDir: string,
  ) {
    this.shared = join(directory, 'shared');
  }

  /**
   * @param parent where temporary files lie
   * @param stateParent the user's state directory
   * @throws RuntimeError STATE or NATIVE
   */
  static make(parent: string, stateParent: string): Workspace {
    const addon = native();
    ensure(stateParent);
    removeStale(parent, stateParent);
    const directory = makeTemporary(parent);
    const workspace = new Workspace(directory, join(stateParent, basename(directory)));
    try {
      if (addon.tryLockFile(join(directory, 'lock')) < 0) throw new RuntimeError('STATE', `lock "${directory}"`);
      ensure(workspace.stateDir);
      workspace.placeReady();
      return workspace;
    } catch (error) {
      workspace.remove();
      throw error;
    }
  }

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** Makes a directory in it. */
  makeDirectory(name: string): string {
    const path = this.path(name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** The runner where every peer sees it, also one in a root directory of its own. */
  runnerCopy(): string {
    const path = this.path('runner');
    if (!existsSync(path)) {
      copyFileSync(runnerPath(), path);
      chmodSync(path, 0o755);
    }
    return path;
  }

  remove(): void {
    removeAll(this.directory);
    removeAll(this.stateDir);
  }

  private placeReady(): void {
    mkdirSync(this.shared, { mode: 0o755 });
    const source = join(packageRoot(), 'build/Release/davit-ready');
    const program = join(this.shared, 'davit-ready');
    try {
      copyFileSync(source, program);
      chmodSync(program, 0o755);
    } catch (cause) {
      const errno = errnoOf(cause);
      throw new RuntimeError('NATIVE', `copy "${source}": ${errno ?? String(cause)}`, {
        path: source,
        errno,
        cause,
        hint: 'run "npm run build" in the davit directory; the payload is built for x86_64 and aarch64',
      });
    }
    const { status, error } = spawnSync(program, { stdio: 'ignore' });
    if (status === READY_USAGE) return;
    throw new RuntimeError('STATE', `execute "${program}": ${errnoOf(error) ?? `status ${status}`}`, {
      path: program,
      hint: 'programs must be allowed there; --tmpdir or DAVIT_TMPDIR names another place',
    });
  }
}

function ensure(path: string): void {
  const problem = native().ensureStateDir(path);
  if (problem) throw new RuntimeError('STATE', problem.message, { path, errno: problem.errno });
}

function makeTemporary(parent: string): string {
  try {
    return mkdtempSync(join(parent, PREFIX));
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('STATE', `make a temporary directory in "${parent}": ${errno ?? String(cause)}`, {
      path: parent,
      errno,
      cause,
      hint: '--tmpdir or DAVIT_TMPDIR names another place',
    });
  }
}

/** What a measurement has left that was killed by SIGKILL: nobody holds its lock any more. */
function removeStale(parent: string, stateParent: string): void {
  let names: string[];
  try {
    names = readdirSync(parent).filter((name) => name.startsWith(PREFIX));
  } catch {
    return; // makeTemporary says why
  }
  for (const name of names) {
    const directory = join(parent, name);
    const stat = lstatSync(directory, { throwIfNoEntry: false });
    if (!stat?.isDirectory() || stat.uid !== process.getuid?.() || Date.now() - stat.mtimeMs < UNLOCKED_MS) continue;
    const lock = lstatSync(join(directory, 'lock'), { throwIfNoEntry: false });
    if (!lock?.isFile() || !isUnlocked(join(directory, 'lock'))) continue;
    removeAll(directory);
    removeAll(join(stateParent, name));
  }
}

/** The lock that was got stays until this process ends. */
function isUnlocked(path: string): boolean {
  try {
    return native().tryLockFile(path) >= 0;
  } catch {
    return false;
  }
}

/** Unpacked images of a plain user have directories that their owner may not write to. */
function removeAll(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    try {
      execFileSync('chmod', ['-R', 'u+rwX', path], { stdio: 'ignore' });
    } catch {
      // some of it; the next line says what is left
    }
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  }
}
