/** Interleaved rounds: one turn of each runtime after the other, beginning with another one each time. */
import type { Case, Contestant } from './runtimes/contestant';
import type { CaseResult, Metric, Sample } from './types';
import { METRICS } from './types';
import { pairedRatio, summarize } from './statistics';

/** A runtime whose turns fail so often in a row takes no further part. */
const MOST_FAILURES = 3;

interface Series {
  case: Case;
  samples: (Sample | null)[];
  failures: number;
}

export interface RoundsOptions {
  rounds: number;
  warmUp: number;
  /** Called before each turn; throws to end the measurement. */
  check: () => void;
  onRound?: (done: number, all: number) => void;
  /** A case that fails, the first time that it does. */
  onFailure: (one: Case, why: string) => void;
}

/** The order of turns: each begins as often as every other, and what a runtime leaves behind meets another one each time. */
export function rotated<Item>(items: readonly Item[], round: number): Item[] {
  const from = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

export async function measureRounds(contestants: readonly Contestant[], options: RoundsOptions): Promise<CaseResult[]> {
  const { rounds, warmUp } = options;
  const series = new Map<Case, Series>();
  for (const { cases } of contestants)
    for (const one of cases) series.set(one, { case: one, samples: [], failures: 0 });
  const inARow = new Map<Contestant, number>();
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const contestant of rotated(contestants, round)) {
      options.check();
      const turns = (inARow.get(contestant) ?? 0) < MOST_FAILURES ? await contestant.turn() : [];
      const good = turns.some((turn) => 'sample' in turn);
      inARow.set(contestant, good ? 0 : (inARow.get(contestant) ?? 0) + 1);
      if (round < warmUp) continue;
      for (const one of contestant.cases) {
        const entry = series.get(one) as Series;
        const turn = turns.find((candidate) => candidate.case === one);
        entry.samples.push(turn && 'sample' in turn ? turn.sample : null);
        if (turn && 'sample' in turn) continue;
        entry.failures += 1;
        if (entry.failures === 1) options.onFailure(one, turn ? (turn as { failure: string }).failure : 'given up');
      }
    }
    options.onRound?.(Math.max(round + 1 - warmUp, 0), rounds);
  }
  return caseResults([...series.values()]);
}

/** Each case with its summaries, and compared with the first one. */
export function caseResults(series: readonly Series[]): CaseResult[] {
  const values = (samples: readonly (Sample | null)[], metric: Metric): (number | null)[] =>
    samples.map((sample) => sample?.[metric] ?? null);
  const base = values(series[0]?.samples ?? [], 'ready');
  return series.map(({ case: one, samples, failures }) => {
    const summary: CaseResult['summary'] = {};
    for (const metric of METRICS) {
      const found = values(samples, metric).filter((value): value is number => value !== null);
      if (found.length > 0) summary[metric] = summarize(found);
    }
    const ratio = pairedRatio(values(samples, 'ready'), base);
    return { ...one, samples, failures, summary, ...(ratio === undefined ? undefined : { ratio }) };
  });
}
