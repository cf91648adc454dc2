/** Many instances of one launch: each failure kept by its name, all or nothing where that is asked. */
import type { RuntimeError } from '../../errors';
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
  /** By index of the name; nothing for a name that was not tried. */
  attempts: readonly (Attempt<Started> | undefined)[];
  /** Unless all are up, what was started is given to `withdraw`. */
  atomic: boolean;
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
 * What has become of every name. A failure is in the outcome and is no rejection.
 * @throws what `withdraw` rejects with
 */
export async function settleMany<Started extends Pick<InstanceInfo, 'name'>>(
  request: ManyRequest<Started>,
): Promise<ManyOutcome<Started>> {
  const { names, attempts, atomic, withdraw } = request;
  const failed = names.flatMap((name, i) => (attempts[i]?.error ? [{ name, error: attempts[i].error }] : []));
  const up = names.flatMap((_, i) => (attempts[i]?.started ? [attempts[i].started] : []));
  const skipped = names.filter((_, i) => attempts[i] === undefined);
  if (atomic && failed.length + skipped.length > 0) {
    await withdraw(up);
    return { started: [], failed, withdrawn: up.map(({ name }) => name), skipped };
  }
  const started = attempts.flatMap((attempt) => (attempt?.started && !attempt.error ? [attempt.started] : []));
  return { started, failed, withdrawn: [], skipped };
}
