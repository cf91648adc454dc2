import { describe, expect, it } from 'vitest';
import {
  countBins,
  distribution,
  logAxis,
  logMarks,
  median,
  pairedRatio,
  percentile,
  positionOn,
  summarize,
  valueAt,
} from '../../../src/bench/statistics';

const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

describe('summarize', () => {
  it('gives the median in the middle and nearest ranks elsewhere', () => {
    expect(summarize(hundred)).toEqual({ n: 100, min: 1, mean: 50.5, p50: 50.5, p90: 90, p99: 99, max: 100 });
    expect(summarize([3, 1, 2])).toEqual({ n: 3, min: 1, mean: 2, p50: 2, p90: 3, p99: 3, max: 3 });
    expect(summarize([7])).toEqual({ n: 1, min: 7, mean: 7, p50: 7, p90: 7, p99: 7, max: 7 });
  });

  it('leaves the values as they were, and refuses none', () => {
    const values = [3, 1, 2];
    expect([median(values), percentile(values, 1), values]).toEqual([2, 1, [3, 1, 2]]);
    expect(() => summarize([])).toThrow('no values');
  });
});

describe('pairedRatio', () => {
  it('is the median of the quotients of rounds, not the quotient of the medians', () => {
    expect(pairedRatio([2, 20, 200], [1, 10, 50])).toBe(2);
    expect(pairedRatio([2, 20, 200], [1, 10, 2])).toBe(2);
  });

  it('leaves out rounds in which one has failed', () => {
    expect(pairedRatio([4, null, 9, 10], [2, 1, null, 0])).toBe(2);
    expect(pairedRatio([null], [1])).toBeUndefined();
    expect(pairedRatio([1], [])).toBeUndefined();
  });
});

describe('a logarithmic axis', () => {
  it('has all values on it, and counts each once', () => {
    const axis = logAxis(hundred, 10);
    for (const value of hundred) expect(positionOn(axis, value)).toBeGreaterThan(0);
    for (const value of hundred) expect(positionOn(axis, value)).toBeLessThan(1);
    const counts = countBins(hundred, axis);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(counts[9]).toBeGreaterThan(counts[0] as number);
  });

  it('is one for equal values and for none', () => {
    expect(countBins([5, 5], logAxis([5, 5], 4)).reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(logAxis([], 4)).toEqual({ least: 1, most: 10, bins: 4 });
    expect(countBins([0], logAxis([0, 3], 4))[0]).toBe(1);
  });

  it('goes there and back', () => {
    const axis = logAxis([2, 300], 10);
    expect(valueAt(axis, positionOn(axis, 42))).toBeCloseTo(42);
  });

  it('has round marks', () => {
    expect(logMarks({ least: 0.9, most: 55, bins: 1 })).toEqual([1, 2, 5, 10, 20, 50]);
    expect(logMarks({ least: 0.015, most: 0.3, bins: 1 })).toEqual([0.02, 0.05, 0.1, 0.2]);
  });
});

it('a distribution ends at one', () => {
  expect(distribution([3, 1])).toEqual([
    { value: 1, share: 0.5 },
    { value: 3, share: 1 },
  ]);
});
