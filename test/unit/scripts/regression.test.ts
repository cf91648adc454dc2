/** The arithmetic of `npm run bench -- regression`. */
import { describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { compare, ratiosOf } from '../../../bench/support/ratios.mjs';

const row = (group: string, name: string, median: number, min: number) => ({
  group,
  name,
  wallRatio: { median },
  wall: { min },
});

it('ratios are those to the first of each user', () => {
  const rows = [
    row('root', 'bwrap', 1, 4),
    row('root', 'exec', 0.5, 1),
    row('hpc', 'bwrap', 1, 2),
    row('hpc', 'exec', 3, 5),
  ];
  expect(ratiosOf(rows)).toEqual({
    root: { exec: { median: 0.5, least: 0.25 } },
    hpc: { exec: { median: 3, least: 2.5 } },
  });
});

describe('compare', () => {
  const before = { root: { exec: { median: 1, least: 1 } } };
  const verdict = (median: number, least: number): string =>
    compare({ root: { exec: { median, least } } }, before, 1.4)[0].verdict;

  it('calls worse what has both ratios above the tolerance', () => {
    expect(verdict(1.5, 1.5)).toBe('worse');
    expect(verdict(1.4, 1.4)).toBe('as before');
    expect(verdict(9, 1.3)).toBe('as before');
    expect(verdict(1.3, 9)).toBe('as before');
    expect(verdict(0.1, 0.1)).toBe('as before');
  });

  it('calls new what was not stored', () => {
    expect(compare({ hpc: { exec: { median: 9, least: 9 } } }, before, 1.4)[0]).toMatchObject({
      verdict: 'new',
      who: 'hpc',
    });
  });
});
