/** What is measured behind the rounds: how many at a time, and the memory of many. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemoryResult, PhaseResult, Throughput } from './types';
import { countDescendants, ownProcesses } from './memory';
import { aggregatePhases, type TracedLaunch } from './phases';
import { failureOf } from './runner';
import {
  type Case,
  type Contestant,
  goodJobs,
  isPayload,
  type JobNumbers,
  type ThroughputJobs,
} from './runtimes/contestant';

/** So many are started for the throughput of starts, and stay until the last has been started. */
const MOST_STARTS = 100;
/** Whatever ends has ended by then. */
const SETTLE_MS = 10_000;
const SETTLE_STEP_MS = 2;
/** So many jobs in a row before the measured ones, for each that runs at a time. */
const WARM_UP_JOBS = 2;

export interface ThroughputOptions {
  concurrency: number;
  /** No job begins later than this. */
  limitMs: number;
  /** Nor more than this number. */
  most: number;
  numbers: JobNumbers;
  check: () => void;
  onFailure: (label: string, why: string) => void;
}

/** Whole lives per second, several at a time, the commands of each following one another at once; and starts alone. */
export async function measureThroughput(contestant: Contestant, options: ThroughputOptions): Promise<Throughput[]> {
  const { jobs, end } = await contestant.throughput();
  const results: Throughput[] = [];
  try {
    for (const job of jobs) {
      options.check();
      if (job.life.end.length > 0) results.push(await throughputOf(contestant, job, 'starts', options));
      options.check();
      results.push(await throughputOf(contestant, job, 'lives', options));
    }
  } finally {
    await end();
  }
  return results;
}

async function throughputOf(
  { runner }: Contestant,
  { case: one, life, env }: ThroughputJobs,
  what: Throughput['what'],
  { concurrency, limitMs, most, numbers, onFailure }: ThroughputOptions,
): Promise<Throughput> {
  const whole = { steps: [...life.begin, ...life.end], env, concurrency };
  const warmUp = WARM_UP_JOBS * concurrency;
  await runner.run({ ...whole, count: warmUp, first: numbers.take(warmUp) });
  const count = what === 'starts' ? Math.min(most, MOST_STARTS) : most;
  const first = numbers.take(count);
  const steps = what === 'starts' ? life.begin : whole.steps;
  const outcome = await runner.run({ ...whole, steps, count, first, limitMs });
  if (what === 'starts') await runner.run({ ...whole, steps: life.end, count: outcome.jobs.length, first });
  const good = goodJobs(outcome).length;
  const bad = outcome.jobs.find(({ status }) => status !== 0);
  if (bad) onFailure(`${one.label}, ${what}`, failureOf(bad));
  const { wallMs } = outcome;
  const failures = outcome.jobs.length - good;
  const perSecond = good / (wallMs / 1000);
  return { label: one.label, what, runtime: one.runtime, concurrency, jobs: good, failures, wallMs, perSecond };
}

export interface PhaseOptions {
  rounds: number;
  /** A directory for traces. */
  directory: string;
  check: () => void;
  onFailure: (label: string, why: string) => void;
}

/** Rounds that write down where their time goes; for davit alone. */
export async function measurePhases(contestant: Contestant, options: PhaseOptions): Promise<PhaseResult[]> {
  const launches = new Map<Case, TracedLaunch[]>();
  const fileOf = (one: Case): string => join(options.directory, `${contestant.cases.indexOf(one)}.json`);
  for (let round = 0; contestant.tracedTurn && round < options.rounds; round++) {
    options.check();
    for (const turn of await contestant.tracedTurn(fileOf)) {
      const found = launches.get(turn.case) ?? [];
      launches.set(turn.case, found);
      if ('failure' in turn) {
        if (round === 0) options.onFailure(`${turn.case.label}, phases`, turn.failure);
      } else found.push({ trace: readFileSync(fileOf(turn.case), 'utf8'), readyMs: turn.sample.ready });
    }
  }
  return contestant.cases.flatMap((one) => {
    const found = launches.get(one) ?? [];
    const { runtime, label } = one;
    return found.length > 0 ? [{ runtime, label, rounds: found.length, phases: aggregatePhases(found) }] : [];
  });
}

export interface MemoryOptions {
  instances: number;
  place: string;
  numbers: JobNumbers;
}

/** Starts the instances one after the other, looks, and ends them. */
export async function measureMemory(
  contestant: Contestant,
  { instances, place, numbers }: MemoryOptions,
): Promise<MemoryResult | undefined> {
  const { staying, runner } = contestant;
  if (staying === undefined) return undefined;
  await settled(runner.pid);
  const jobs = { env: staying.env, count: instances, first: numbers.take(instances) };
  const begun = await runner.run({ ...jobs, steps: staying.begin });
  const bad = begun.jobs.find(({ status }) => status !== 0);
  const processes = ownProcesses(runner.pid, (words) => isPayload({ place }, words));
  await runner.run({ ...jobs, steps: staying.end });
  if (bad) throw new Error(failureOf(bad));
  const byName = new Map<string, { name: string; count: number; kib: number }>();
  for (const { name, kib = 0 } of processes) {
    const entry = byName.get(name) ?? { name, count: 0, kib: 0 };
    byName.set(name, { name, count: entry.count + 1, kib: entry.kib + kib });
  }
  const totalKib = processes.reduce((sum, { kib = 0 }) => sum + kib, 0);
  return {
    runtime: contestant.runtime,
    label: contestant.cases[0]?.label ?? contestant.runtime,
    instances,
    totalKib,
    perInstanceKib: totalKib / instances,
    processes: [...byName.values()].sort((a, b) => b.kib - a.kib),
    unreadable: processes.filter(({ kib }) => kib === undefined).length,
  };
}

/** What was ended before may not have gone yet. */
async function settled(runner: number): Promise<void> {
  for (let waitedMs = 0; countDescendants(runner) > 0 && waitedMs < SETTLE_MS; waitedMs += SETTLE_STEP_MS) {
    await sleep(SETTLE_STEP_MS);
  }
}
