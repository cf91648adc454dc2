// Interleaved rounds (A, B, C, A, B, C, ...): what disturbs the machine for a while disturbs all cases alike.
import { machinery } from './clock.mjs';

const warmUpRounds = 3;
let interruptedBy;
const listeners = [];

/** Ends the measurement before its next case, so that the end can clean up. */
export function interrupt(signal) {
  interruptedBy = signal;
  for (const listener of listeners) listener();
}

/** Calls it when the measurement is to end. */
export function onInterrupt(listener) {
  listeners.push(listener);
}

/**
 * @param cases each { group, name, run, before?, after? }: run resolves to { wall, cpu } in milliseconds. The first
 *   case of a group is what the others of it are compared with, round by round.
 * @returns each case's name and group with summaries of wall, cpu and of their ratios to the first of the group
 */
export async function measure(cases, rounds, warmUp = warmUpRounds) {
  const samples = cases.map(() => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [index, { run, before, after }] of cases.entries()) {
      if (interruptedBy) throw new Error(`interrupted by ${interruptedBy}`);
      await before?.(round);
      const { wall, cpu } = await run(round);
      await after?.(round);
      if (round >= 0) samples[index].push({ wall, cpu });
    }
  }
  return cases.map(({ group, name }, index) => {
    const own = samples[index];
    const base = samples[cases.findIndex((other) => other.group === group)];
    const row = { group, name };
    for (const kind of ['wall', 'cpu']) {
      row[kind] = summary(own.map((sample) => sample[kind]));
      row[`${kind}Ratio`] = summary(own.map((sample, round) => sample[kind] / base[round][kind]));
    }
    row.samples = own;
    return row;
  });
}

/** Median, smallest value and 90th percentile (nearest rank). */
export function summary(values) {
  const { p50, min, p90 } = machinery.summarize(values);
  return { median: p50, min, p90 };
}

/** Runs several commands as one sample: their times are added. */
export async function inSequence(...steps) {
  const sum = { wall: 0, cpu: 0 };
  for (const step of steps) {
    const { wall, cpu } = await step();
    sum.wall += wall;
    sum.cpu += cpu;
  }
  return sum;
}

/** Median of the differences of wall time, round by round, between two rows of one measurement. */
export function difference(row, other) {
  return summary(row.samples.map((sample, round) => sample.wall - other.samples[round].wall)).median;
}
