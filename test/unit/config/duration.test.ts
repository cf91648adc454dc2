import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/runtime/config/duration';

describe('a time', () => {
  it.each([
    ['0', 0],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['250ms', 250],
    ['1m1ms', 60_001],
    ['0s', 0],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each([
    '',
    '10',
    '-1m',
    '+1m',
    'm',
    '1 m',
    '1M',
    '1h 30m',
    '1y',
    '1e3s',
    '.5h',
    '1.h',
    '999999999999d',
    '10m\n',
    'never',
  ])('%j is none', (text) => expect(parseDuration(text)).toBeUndefined());

  it.each([
    [0, '0s'],
    [1, '1s'],
    [1_000, '1s'],
    [598_000, '9m58s'],
    [3_600_000, '1h'],
    [5_400_000, '1h30m'],
    [90_061_000, '1d1h1m1s'],
  ])('%i ms are %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});
