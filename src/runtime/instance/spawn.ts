/** Starting the launcher from a living process, and reading what it reports. */
import { RuntimeError } from '../../errors';
import { launcherPath, type NativeAddon } from '../../native';
import { davit } from '../../schema/generated/launch';
import type { CompiledPlan } from '../launch/plan';

/** The descriptor that the addon gives the launcher for its report (native/binding/spawn.h, kReportFd). */
export const REPORT_FD = 4;

/** What goes into Output of a plan for spawnPlan(): nothing is printed. */
export const SILENT_OUTPUT = { messageLevel: -3, color: false, reportFd: REPORT_FD } as const;

export interface SpawnOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Descriptors for 0, 1 and 2; -1 is /dev/null. */
  stdio: [number, number, number];
  cwd?: string;
  /** Gets the launcher's PID when it runs. It is not reaped before spawnPlan() resolves. */
  onStart?: (pid: number) => void;
  /** Number of the signal that the launcher gets when this process ends before it. */
  parentDeathSignal?: number;
  /** The report may be larger than a pipe. */
  largeReport?: boolean;
}

export interface Spawned {
  /** Exit code, or 128 + signal. */
  exitStatus: number;
  /** The signal that ended it. */
  signal?: number;
  /** Absent when the launcher became the program and had nothing to report. */
  report?: davit.LaunchReport;
}

/**
 * Runs the launcher on a plan until it ends.
 * @throws RuntimeError LAUNCH_STEP or INSTANCE_EXISTS when the launch failed, NATIVE when the launcher cannot be started
 */
export async function spawnPlan(
  plan: CompiledPlan,
  addon: Pick<NativeAddon, 'spawnLauncher'>,
  options: SpawnOptions,
): Promise<Spawned> {
  const { bytes, ...ended } = await runLauncher(plan, addon, options);
  if (bytes.length === 0) return ended;
  const report = davit.LaunchReport.decode(bytes);
  if (!report.ok) throw launchError(report);
  return { ...ended, report };
}

export interface BatchOptions extends Pick<SpawnOptions, 'env' | 'stdio'> {
  /** Once it is aborted, what has begun comes to its end and nothing more is begun. */
  signal?: AbortSignal;
}

/** From when its name was about to be claimed to when it was up, or had failed. */
export interface StartTimes {
  beginNs: number;
  endNs: number;
}

export interface SpawnedBatch {
  /** The signal that ended the launcher, which then has not told of everything that it did. */
  signal?: number;
  /** By index of the name: its report, or its failure; nothing for a name that was not begun. */
  outcomes: (davit.LaunchReport | RuntimeError | undefined)[];
  /** By index of the name, in nanoseconds of CLOCK_MONOTONIC. */
  times: (StartTimes | undefined)[];
}

/**
 * Runs the launcher on a plan with `batch` until it ends.
 * @throws RuntimeError NATIVE when the launcher cannot be started, or said nothing that can be read
 */
export async function spawnBatch(
  plan: CompiledPlan,
  addon: Pick<NativeAddon, 'spawnLauncher'>,
  { env, stdio, signal }: BatchOptions,
): Promise<SpawnedBatch> {
  let pid: number | undefined;
  const onAbort = (): void => {
    if (pid !== undefined) process.kill(pid, 'SIGTERM');
  };
  signal?.addEventListener('abort', onAbort);
  const { SIGTERM } = (require('node:os') as typeof import('node:os')).constants.signals;
  const onStart = (started: number): void => {
    pid = started;
    if (signal?.aborted) onAbort();
  };
  const options = { env, stdio, onStart, parentDeathSignal: SIGTERM, largeReport: true };
  const ended = await runLauncher(plan, addon, options).finally(() => signal?.removeEventListener('abort', onAbort));
  const outcomes: SpawnedBatch['outcomes'] = [];
  const times: SpawnedBatch['times'] = [];
  try {
    for (const { index, report, beginNs, endNs } of davit.BatchReport.decode(ended.bytes).entries) {
      if (report) outcomes[index] = report.ok ? report : launchError(report);
      times[index] = { beginNs, endNs };
    }
  } catch (cause) {
    throw new RuntimeError('NATIVE', 'the launcher ended in the middle of its report', { cause });
  }
  if (ended.exitStatus !== 0 && ended.signal === undefined)
    throw new RuntimeError('NATIVE', `the launcher ended with status ${ended.exitStatus}`, { path: launcherPath() });
  return { outcomes, times, ...(ended.signal === undefined ? {} : { signal: ended.signal }) };
}

async function runLauncher(
  plan: CompiledPlan,
  addon: Pick<NativeAddon, 'spawnLauncher'>,
  { env, stdio, onStart, ...more }: SpawnOptions,
): Promise<Omit<Spawned, 'report'> & { bytes: Uint8Array }> {
  const variables = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const { status, bytes } = await new Promise<{ status: number; bytes: Uint8Array }>((resolve, reject) => {
    try {
      const options = { env: variables, stdio, ...more };
      const pid = addon.spawnLauncher(launcherPath(), plan.bytes(), options, (exit, report) =>
        resolve({ status: exit, bytes: report }),
      );
      onStart?.(pid);
    } catch (cause) {
      reject(new RuntimeError('NATIVE', (cause as Error).message, { path: launcherPath(), cause }));
    }
  });
  // wait(2): the low seven bits are the signal, the next byte is the exit code.
  const signal = status & 0x7f;
  return { bytes, ...(signal === 0 ? { exitStatus: (status >> 8) & 0xff } : { exitStatus: 128 + signal, signal }) };
}

/** errno(3): what the launcher reports for a name that is taken. */
const EEXIST = 17;

/** The launcher's failure as an error; its codes are those of the command line's messages. */
function launchError(report: davit.LaunchReport): RuntimeError {
  const exists = report.step === 0 && report.errnoValue === EEXIST;
  return new RuntimeError(exists ? 'INSTANCE_EXISTS' : 'LAUNCH_STEP', report.message, {
    ...(report.step > 0 ? { step: report.step } : {}),
    ...(report.hint === '' ? {} : { hint: report.hint }),
    ...(report.errnoValue === 0 ? {} : { errno: errnoName(report.errnoValue) }),
    ...(report.outputTail === '' ? {} : { cause: new Error(report.outputTail) }),
  });
}

function errnoName(value: number): string | undefined {
  // Loaded here: only a failed launch needs it.
  const { errno } = (require('node:os') as typeof import('node:os')).constants;
  return Object.entries(errno).find(([, number]) => number === value)?.[0];
}
