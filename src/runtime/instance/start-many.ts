/** Many instances of one launch: so many at a time, each failure kept by its name, all or nothing where that is asked. */
import { RuntimeError } from '../../errors';
import type { LaunchPlan } from '../launch/plan';
import type { InstanceInfo } from './info';

/** An instance that was not started, or whose startscript failed within the time of `waitSeconds`. */
export interface FailedStart {
  name: string;
  error: RuntimeError;
}

/** What an attempt left: an instance, a failure, or with `waitSeconds` an instance whose startscript has failed. */
export interface Attempt<Started> {
  started?: Started;
  error?: RuntimeError;
}

export interface ManyRequest<Started> {
  names: readonly string[];
  /** Launches at one time, 1 or more. */
  jobs: number;
  /** After a failure nothing more is started, and what was started is given to `withdraw`. */
  atomic: boolean;
  /** No more is started once it is aborted. With `atomic` that counts as a failure. */
  signal?: AbortSignal;
  start: (name: string) => Promise<Attempt<Started>>;
  withdraw: (started: Started[]) => Promise<void>;
}

export interface ManyOutcome<Started> {
  /** Sorted as the names were. Empty where `atomic` has withdrawn them. */
  started: Started[];
  failed: FailedStart[];
  /** Names of what was started and, with `atomic`, stopped again. */
  withdrawn: string[];
  /** Names that were not tried any more, after a failure with `atomic` or because of `signal`. */
  skipped: string[];
}

/**
 * Starts every name. A failure is in the outcome and is no rejection.
 * @throws what `withdraw` rejects with
 */
export async function startEach<Started extends Pick<InstanceInfo, 'name'>>(
  request: ManyRequest<Started>,
): Promise<ManyOutcome<Started>> {
  const { names, jobs, atomic, signal, start, withdraw } = request;
  const attempts: Attempt<Started>[] = [];
  let next = 0;
  let isOver = false;
  const work = async (): Promise<void> => {
    while (next < names.length && !isOver && !signal?.aborted) {
      const index = next++;
      const attempt = await start(names[index] as string).catch((error: unknown) => ({ error: asRuntimeError(error) }));
      attempts[index] = attempt;
      if (attempt.error !== undefined && atomic) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, names.length) }, work));

  const failed = names.flatMap((name, i) => (attempts[i]?.error ? [{ name, error: attempts[i].error }] : []));
  const up = attempts.flatMap(({ started }) => (started ? [started] : []));
  const skipped = names.filter((_, i) => attempts[i] === undefined);
  if (atomic && failed.length + skipped.length > 0) {
    await withdraw(up);
    return { started: [], failed, withdrawn: up.map(({ name }) => name), skipped };
  }
  const started = attempts.flatMap(({ started: one, error }) => (one && !error ? [one] : []));
  return { started, failed, withdrawn: [], skipped };
}

/** The name of an instance is a parameter of its plan: nothing else in it depends on the name. */
export function planFor(name: string, plan: LaunchPlan): LaunchPlan {
  return { ...plan, instance: { ...plan.instance, name } };
}

function asRuntimeError(error: unknown): RuntimeError {
  return error instanceof RuntimeError ? error : new RuntimeError('INTERNAL', String(error), { cause: error });
}
