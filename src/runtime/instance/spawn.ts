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
  { env, stdio, cwd, onStart, parentDeathSignal }: SpawnOptions,
): Promise<Spawned> {
  const variables = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const { status, bytes } = await new Promise<{ status: number; bytes: Uint8Array }>((resolve, reject) => {
    try {
      const options = {
        env: variables,
        stdio,
        ...(cwd === undefined ? {} : { cwd }),
        ...(parentDeathSignal === undefined ? {} : { parentDeathSignal }),
      };
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
  const ended = signal === 0 ? { exitStatus: (status >> 8) & 0xff } : { exitStatus: 128 + signal, signal };
  if (bytes.length === 0) return ended;
  const report = davit.LaunchReport.decode(bytes);
  if (!report.ok) throw launchError(report);
  return { ...ended, report };
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
