/** The launch addon (native/binding): loaded by launch and instance alone, and only when first needed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from './errors';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat, as a decimal string (64 bits). */
  startTime: string;
}

export interface NativeAddon {
  /**
   * Replaces this process by the launcher, which executes `plan` (an encoded LaunchPlan). Does not return.
   * @throws Error with `code` (errno name) when the launcher cannot be executed.
   */
  execLauncher(launcher: string, plan: Uint8Array): never;
  /**
   * Starts the launcher as a child by clone3(CLONE_VM|CLONE_VFORK). The child's report (encoded LaunchReport) comes
   * through `onReport` when its end of the pipe is closed; `exitStatus` is as waitpid encodes it.
   * `stdio`: descriptors for 0, 1, 2; -1 means /dev/null. `env`: NAME=VALUE strings. `parentDeathSignal`: number of the
   * signal that it gets when this process ends before it. `largeReport`: the report may be larger than a pipe (a
   * BatchReport).
   */
  spawnLauncher(
    launcher: string,
    plan: Uint8Array,
    options: {
      env: string[];
      stdio: [number, number, number];
      cwd?: string;
      parentDeathSignal?: number;
      largeReport?: boolean;
    },
    onExit: (exitStatus: number, report: Uint8Array) => void,
  ): number;
  /** True while a keeper or a starter holds the lock of the instance directory. @throws on I/O errors. */
  instanceLocked(stateDir: string, name: string): boolean;
  /** Removes what a dead instance left behind; false when it turned out to be alive. */
  removeDeadInstance(stateDir: string, name: string): boolean;
  /** Start time of a live process, or `null` when there is none or it is a zombie. */
  processStartTime(pid: number): string | null;
  /**
   * Sends a signal through a pidfd after the identity was checked on the opened pidfd: it cannot reach a recycled PID.
   * @returns false when that process is gone.
   */
  signalProcess(process: ProcessIdentity, signal: number): boolean;
  /** Waits (blocking; command line only) until all the processes have ended or timeoutMs is over; the indexes left. */
  waitProcesses(processes: ProcessIdentity[], timeoutMs: number): number[];
  /** Like waitProcesses, without blocking the event loop. */
  waitProcessesAsync(processes: ProcessIdentity[], timeoutMs: number): Promise<number[]>;
  /**
   * SIGINT and SIGTERM end this process by themselves, also while a system call hangs on a dead file system. For the
   * command line alone, and before it looks at anything that a user has named.
   */
  defaultSignals(): void;
  /** Creates (0700) and checks the state directory: owner, mode, no link. Returns an error text, or null. */
  ensureStateDir(path: string): { errno: string; message: string } | null;
  /**
   * A descriptor that holds an exclusive lock (flock) on the file, which is made when missing; -1 while somebody else
   * holds it. The lock ends when the descriptor is closed, at the latest with the process. @throws on I/O errors.
   */
  tryLockFile(path: string): number;
  /** Locks an open file (flock) exclusively, until it is closed; false while somebody else does. @throws on I/O errors. */
  tryLock(fd: number): boolean;
  /**
   * What a plan depends on, as text that the launcher can compare (native/state/sight.h).
   * @param kind one of SightKind (src/schema/plan-cache.proto)
   * @returns null for what cannot be compared, or has just been changed
   */
  look(kind: number, object: string): Uint8Array | null;
  /** Keeps an encoded CachedPlan for the next launch of the same command line; false when that is impossible. */
  storePlan(stateDir: string, entry: Uint8Array): boolean;
  /**
   * What an instance uses (native/usage/usage.h): an InstanceUsage without its name and PID.
   * @returns `null` when process 1 has ended; a number, its uid, when `foreignUid` is given and it is another's
   */
  instanceUsage(subject: UsageSubject): object | number | null;
  /**
   * Notes the times of this process, and of the launcher after it, in the memory `clock` of the front door; without that
   * in memory of its own. Times are nanoseconds of CLOCK_MONOTONIC.
   * @throws Error with `code` (errno name) when the trace file cannot be opened
   */
  beginTiming(clock: number, startNs: number, table: boolean, trace: string | null): void;
  /** A span of this process; 0 stands for the beginning of Node's phase, and for its end. */
  addTiming(name: string, detail: string, startNs: number, endNs: number): void;
  /** Notes one of several instances that are started together, from its beginning to its end, where times are noted. */
  addStartTiming(name: string, startNs: number, endNs: number, failed: boolean): void;
  /** Prints the table and writes the trace, as they were asked for. */
  reportTiming(failed: boolean): void;
}

export interface UsageSubject {
  /** Directory of the machine's processes. */
  proc: string;
  /** Of process 1. */
  pid: number;
  /** In clock ticks since boot, decimal. */
  startTime: string;
  keeperPid: number;
  /** The instance belongs to another user: what it has mounted is not looked at, and its processes must be that user's. */
  foreignUid?: number;
}

let addon: NativeAddon | undefined;

/** Directory of the built package: the one that holds `build/` and `dist/`. */
export function packageRoot(): string {
  // The bundle lies in dist/, unbundled sources in src/: one level below the root in both cases.
  return join(__dirname, '..');
}

/** The addon. @throws RuntimeError NATIVE when it is missing or does not load, with the way to build it. */
export function native(): NativeAddon {
  if (addon) return addon;
  const path = join(packageRoot(), 'build', 'Release', 'davit.node');
  try {
    // What require() does for an addon, without its search for a package.json: eight system calls and 0.3 ms.
    const loaded = { exports: {} };
    process.dlopen(loaded, path);
    addon = loaded.exports as NativeAddon;
    return addon;
  } catch (cause) {
    const missing = !existsSync(path);
    throw new RuntimeError('NATIVE', missing ? `the native part is not built: no "${path}"` : `load "${path}"`, {
      path,
      cause,
      hint: missing ? 'run "npm ci && npm run build" in the davit directory' : 'rebuild with "npm run build"',
    });
  }
}

/** Path of the static launcher. */
export function launcherPath(): string {
  return join(packageRoot(), 'build', 'Release', 'davit-launcher');
}
