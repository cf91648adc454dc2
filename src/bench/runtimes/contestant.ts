/** What every runtime that is measured has in common: a runner of its own, cases, and steps that begin and end them. */
import { RuntimeError } from '../../errors';
import type { BatchOutcome, JobOutcome, Runner, Step } from '../runner';
import { failureOf } from '../runner';
import type { Operation, Sample } from '../types';

/** One kind of measurement of a runtime: a row of the tables. */
export interface Case {
  runtime: string;
  variant: string;
  label: string;
}

/** What came of one round of a case. */
export type Turn = { case: Case; sample: Sample } | { case: Case; failure: string };

/** Commands of one life: from nothing until the payload runs, and back. Some have nothing to end. */
export interface Life {
  begin: readonly Step[];
  end: readonly Step[];
}

/** Jobs that may run several at a time. */
export interface ThroughputJobs {
  case: Case;
  life: Life;
  env: Record<string, string | undefined>;
}

export interface Contestant {
  readonly runtime: string;
  readonly version: string;
  /** As it is called, for the report. */
  readonly command: string;
  readonly runner: Runner;
  readonly cases: readonly Case[];
  /** Makes ready what is not measured. @throws Error whose message says why it cannot be measured */
  prepare(): Promise<void>;
  /** One round: each of its cases once. */
  turn(): Promise<Turn[]>;
  /** One round that writes down where its time goes, to a file for each case; `undefined` when it cannot. */
  tracedTurn?(fileOf: (one: Case) => string): Promise<Turn[]>;
  /** Jobs for the measurement of throughput, with what they need around them. */
  throughput(): Promise<{ jobs: ThroughputJobs[]; end: () => Promise<void> }>;
  /** A life that stays, for the measurement of memory; `undefined` when none does. */
  readonly staying?: Life & { env: Record<string, string | undefined> };
  /** Ends what prepare() has begun. */
  finish(): Promise<void>;
  /** Removes what no process holds, after its runner was closed early. Never throws. */
  sweep(): void;
}

/** Numbers of jobs are never used twice: they stand in names. */
export class JobNumbers {
  private next = 0;

  take(count = 1): number {
    const first = this.next;
    this.next += count;
    return first;
  }
}

/** What all runtimes are told of a measurement. */
export interface Setting {
  operation: Operation;
  numbers: JobNumbers;
  /** `bench-PID-`; the number of a job is added. */
  namePrefix: string;
  /** The directory with the payload and its FIFOs, here, and where it is bound to. */
  shared: string;
  place: string;
  /** For the most jobs at a time. */
  slots: number;
  env: Record<string, string | undefined>;
}

/** The payload's words in a container; the FIFO is that of the slot. */
export function payload(setting: Pick<Setting, 'place'>, runtime: string, hold: boolean): string[] {
  return [`${setting.place}/davit-ready`, ...payloadArguments(setting, runtime, hold)];
}

export function payloadArguments({ place }: Pick<Setting, 'place'>, runtime: string, hold: boolean): string[] {
  return [`${place}/${runtime}-@S@`, ...(hold ? ['hold'] : [])];
}

/** Whether a command line is that of a payload, whatever the runtime has called the program. */
export function isPayload({ place }: Pick<Setting, 'place'>, words: readonly string[]): boolean {
  return words.length >= 2 && words.length <= 3 && (words[1] as string).startsWith(`${place}/`);
}

/** Runs one job. @throws RuntimeError LAUNCH_STEP with the words of the command that failed */
export async function runJob(
  runner: Runner,
  steps: readonly Step[],
  env: Record<string, string | undefined>,
  number: number,
): Promise<JobOutcome> {
  const { jobs } = await runner.run({ steps, env, first: number });
  const job = jobs[0] as JobOutcome;
  if (job.status !== 0) throw new RuntimeError('LAUNCH_STEP', failureOf(job));
  return job;
}

/**
 * The sample of a job whose first `beginning` steps were those that begin.
 * @param returns whether they return while the payload runs
 */
export function sampleOf({ steps }: Pick<JobOutcome, 'steps'>, beginning: number, returns = true): Sample {
  const begin = steps.slice(0, beginning);
  const ready = begin.find((step) => step.ready !== undefined)?.ready ?? Number.NaN;
  return {
    ready: rounded(ready - (begin[0]?.begin ?? Number.NaN)),
    returned: returns ? spanOf({ steps: begin }) : null,
    stopped: steps.length > beginning ? spanOf({ steps: steps.slice(beginning) }) : null,
    cpu: returns ? rounded(begin.reduce((sum, { cpu }) => sum + cpu, 0)) : null,
  };
}

/** From the beginning of the first step to the end of the last. */
export function spanOf({ steps }: Pick<JobOutcome, 'steps'>): number {
  return rounded((steps.at(-1)?.end ?? Number.NaN) - (steps[0]?.begin ?? Number.NaN));
}

/** Microseconds are what the clocks are good for. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** How many of the jobs of a batch went well. */
export function goodJobs({ jobs }: BatchOutcome): JobOutcome[] {
  return jobs.filter(({ status }) => status === 0);
}
