/** What is said of a series of measurements. All values have one unit, mostly milliseconds. */

export interface Summary {
  n: number;
  min: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Of at least one value. The middle is the median; the other percentiles are nearest rank. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('no values to summarize');
  const sorted = ascending(values);
  return {
    n: sorted.length,
    min: sorted[0] as number,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: medianOfSorted(sorted),
    p90: percentileOfSorted(sorted, 90),
    p99: percentileOfSorted(sorted, 99),
    max: sorted.at(-1) as number,
  };
}

export function median(values: readonly number[]): number {
  return medianOfSorted(ascending(values));
}

/** The least value that at least `percent` of the values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  return percentileOfSorted(ascending(values), percent);
}

/**
 * The median of the quotients of values that were measured one after the other, round by round: what disturbs the
 * machine for a while disturbs both. Rounds in which one of them is missing do not count; `undefined` when none is left.
 */
export function pairedRatio(
  values: readonly (number | null | undefined)[],
  base: readonly (number | null | undefined)[],
): number | undefined {
  const ratios: number[] = [];
  for (const [round, value] of values.entries()) {
    const other = base[round];
    if (typeof value === 'number' && typeof other === 'number' && other > 0) ratios.push(value / other);
  }
  return ratios.length > 0 ? median(ratios) : undefined;
}

/** Bins of equal width on a logarithmic axis, for values of very different size. All values are above zero. */
export interface LogAxis {
  least: number;
  most: number;
  bins: number;
}

/** An axis on which all these values lie, a little wider than they are. */
export function logAxis(values: readonly number[], bins: number): LogAxis {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return { least: 1, most: 10, bins };
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const value of positive) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  // A series of equal values gets an axis all the same.
  return { least: least * 0.9, most: Math.max(most * 1.1, least * 1.3), bins };
}

/** Where a value lies on the axis: 0 at its beginning, 1 at its end. */
export function positionOn({ least, most }: LogAxis, value: number): number {
  return Math.log(value / least) / Math.log(most / least);
}

/** The value at a position; the inverse of positionOn. */
export function valueAt({ least, most }: LogAxis, position: number): number {
  return least * (most / least) ** position;
}

/** How many of the values lie in each bin. */
export function countBins(values: readonly number[], axis: LogAxis): number[] {
  const counts = new Array<number>(axis.bins).fill(0);
  for (const value of values) {
    const at = Math.floor(positionOn(axis, Math.max(value, axis.least)) * axis.bins);
    const bin = Math.min(Math.max(at, 0), axis.bins - 1);
    counts[bin] = (counts[bin] as number) + 1;
  }
  return counts;
}

/** Steps of the empirical distribution: for each value in order, the share of values that do not exceed it. */
export function distribution(values: readonly number[]): { value: number; share: number }[] {
  const sorted = ascending(values);
  return sorted.map((value, index) => ({ value, share: (index + 1) / sorted.length }));
}

/** 1, 2 and 5 times powers of ten that lie on the axis: where its marks are. */
export function logMarks({ least, most }: LogAxis): number[] {
  const marks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const step of [1, 2, 5]) {
      const mark = Number((step * 10 ** power).toPrecision(1));
      if (mark >= least && mark <= most) marks.push(mark);
    }
  }
  return marks;
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function medianOfSorted(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function percentileOfSorted(sorted: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil((sorted.length * percent) / 100));
  return sorted[rank - 1] as number;
}
