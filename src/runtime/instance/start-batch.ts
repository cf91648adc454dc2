/** What a start has led to, and the starts of many instances by one launcher. */
import { RuntimeError } from '../../errors';
import type { NativeAddon } from '../../native';
import type { davit } from '../../schema/generated/launch';
import { compiled, type LaunchPlan } from '../launch/plan';
import { instanceInfo } from './info';
import type { StartedInstance } from './runtime-options';
import { type StartTimes, spawnBatch } from './spawn';
import type { Attempt } from './start-many';
import type { Found, InstanceStore } from './store';

/** How long a start may take that has lost its launcher, and how often is looked. */
const SETTLE_MS = 10_000;
const SETTLE_STEP_MS = 5;

export interface BatchRequest {
  plan: LaunchPlan;
  names: readonly string[];
  /** Launches at one time, 1 or more. */
  jobs: number;
  /** After a failure nothing more is started. */
  atomic: boolean;
  signal?: AbortSignal;
  /** Told of every start that the launcher has told of. */
  onTimes?: (name: string, times: StartTimes, failed: boolean) => void;
  env: Readonly<Record<string, string | undefined>>;
  /** Descriptor for the standard input of all; -1 is /dev/null. */
  stdin: number;
  store: InstanceStore;
  addon: NativeAddon;
}

/**
 * Starts an instance of `plan` for each name.
 * @returns by index of the name; nothing for a name that was not tried
 * @throws RuntimeError NATIVE when there is no launcher
 */
export async function startBatch(request: BatchRequest): Promise<(Attempt<StartedInstance> | undefined)[]> {
  const { plan, names, jobs, atomic, signal: abort, onTimes, env, stdin, store, addon } = request;
  if (abort?.aborted) return names.map(() => undefined);
  const begin = Date.now();
  const batch = compiled({ ...plan, batch: { names: [...names], jobs, atomic } }, []);
  const options = { env, stdio: [stdin, -1, -1] as [number, number, number], ...(abort ? { signal: abort } : {}) };
  const { outcomes, times, signal } = await spawnBatch(batch, addon, options);
  const attempts: (Attempt<StartedInstance> | undefined)[] = [];
  const patience = Date.now() + SETTLE_MS; // for all of them together
  let untold = signal;
  for (const [index, name] of names.entries()) {
    const outcome = outcomes[index];
    if (onTimes && times[index]) onTimes(name, times[index], outcome instanceof RuntimeError);
    if (outcome instanceof RuntimeError) attempts.push({ error: outcome });
    else if (outcome) attempts.push(startAttempt(store, name, outcome, plan.instance?.waitSeconds ?? 0));
    else if (signal === undefined) attempts.push(undefined);
    else {
      // Somebody has killed the launcher: an instance may be up that it had no time to tell of.
      const found = await settled(store, name, patience);
      if (found?.state === 'alive' && found.record.startedAtMs >= begin) {
        attempts.push({ started: { ...instanceInfo(found.record), earlyErrors: '' } });
      } else {
        const message = `the launcher was killed by signal ${untold}`;
        attempts.push(untold === undefined ? undefined : { error: new RuntimeError('NATIVE', message) });
        untold = undefined;
      }
    }
  }
  return attempts;
}

/** An instance whose keeper has lost its launcher: it comes up, or it gives up, in a moment. */
async function settled(store: InstanceStore, name: string, untilMs: number): Promise<Found | undefined> {
  const { setTimeout: pause } = await import('node:timers/promises');
  let found = store.find(name);
  for (; found?.state === 'starting' && Date.now() < untilMs; found = store.find(name)) await pause(SETTLE_STEP_MS);
  return found;
}

/**
 * The instance that a launcher has reported. With `waitSeconds` the failure of its startscript is an error beside the
 * instance, which stays up; an instance that has gone is an error alone.
 */
export function startAttempt(
  store: InstanceStore,
  name: string,
  report: davit.LaunchReport,
  waitSeconds: number,
): Attempt<StartedInstance> {
  const found = store.find(name);
  if (found?.state !== 'alive') {
    const error = new RuntimeError('INSTANCE_MISSING', `instance ${name} ended right after its start`, { path: name });
    return { error };
  }
  const started = { ...instanceInfo(found.record), earlyErrors: report.outputTail };
  if (!report.earlyExit || waitSeconds === 0) return { started };
  const text = `the startscript has failed with exit status ${report.exitStatus}; the instance stays up`;
  const details = { path: name, hint: `see its log: davit instance logs --err ${name}` };
  return { started, error: new RuntimeError('LAUNCH_STEP', text, { ...details, cause: new Error(report.outputTail) }) };
}
