import { describe, expect, it } from 'vitest';
import { measureRounds, rotated } from '../../../src/bench/rounds';
import { isPayload, payload, sampleOf, type Contestant, type Turn } from '../../../src/bench/runtimes/contestant';
import { cases } from './fixture';

const step = (begin: number, end: number, ready?: number) => ({ begin, end, cpu: 1, ...(ready ? { ready } : {}) });

describe('sampleOf', () => {
  it('is from the first command to the payload, over several commands', () => {
    const steps = [step(100, 110), step(110.5, 120, 115.1234567), step(121, 130), step(131, 140)];
    expect(sampleOf({ steps }, 2)).toEqual({ ready: 15.123, returned: 20, stopped: 19, cpu: 2 });
  });

  it('has no return and no CPU time of a command that stays, and no stop where nothing stops', () => {
    expect(sampleOf({ steps: [step(100, 115, 115)] }, 1, false)).toEqual({
      ready: 15,
      returned: null,
      stopped: null,
      cpu: null,
    });
  });
});

it('a payload is told by its arguments, under any name', () => {
  const place = { place: '/mnt' };
  expect(payload(place, 'crun', true)).toEqual(['/mnt/davit-ready', '/mnt/crun-@S@', 'hold']);
  expect(isPayload(place, ['/.singularity.d/startscript', '/mnt/davit-0', 'hold'])).toBe(true);
  expect(isPayload(place, ['bwrap', '--ro-bind', '/x', '/', '/mnt/davit-ready', '/mnt/bwrap-0', 'hold'])).toBe(false);
  expect(isPayload(place, ['davit-keeper'])).toBe(false);
});

it('every runtime begins as often as every other', () => {
  expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
  expect(rotated([], 1)).toEqual([]);
});

describe('measureRounds', () => {
  const contestant = (name: string, turn: (round: number) => number | string, log: string[]): Contestant => {
    const one = { runtime: name, variant: '', label: name };
    let round = 0;
    return {
      runtime: name,
      cases: [one],
      turn: async (): Promise<Turn[]> => {
        log.push(name);
        const value = turn(round++);
        if (typeof value === 'string') return [{ case: one, failure: value }];
        return [{ case: one, sample: { ready: value, returned: null, stopped: null, cpu: null } }];
      },
    } as unknown as Contestant;
  };
  const options = { rounds: 4, warmUp: 1, check: () => undefined, onFailure: () => undefined };

  it('goes in turns, leaves the first rounds out, and compares round by round', async () => {
    const log: string[] = [];
    const [a, b] = await measureRounds(
      [contestant('a', (round) => round + 1, log), contestant('b', (round) => 3 * (round + 1), log)],
      options,
    );
    expect(log.join('')).toBe('abbaabbaab');
    expect(a).toMatchObject({ failures: 0, ratio: 1, summary: { ready: { n: 4, min: 2, max: 5 } } });
    expect(b).toMatchObject({ ratio: 3, summary: { ready: { n: 4, min: 6, max: 15 } } });
  });

  it('counts failures, names the first, and gives up after three in a row', async () => {
    const log: string[] = [];
    const failures: string[] = [];
    const [, b] = await measureRounds(
      [contestant('a', () => 1, log), contestant('b', (round) => (round < 2 ? 5 : `broken ${round}`), log)],
      { ...options, rounds: 6, onFailure: (one, why) => failures.push(`${one.label}: ${why}`) },
    );
    expect(b).toMatchObject({ failures: 5, samples: [{ ready: 5 }, null, null, null, null, null] });
    expect(failures).toEqual(['b: broken 2']);
    expect(log.filter((name) => name === 'b')).toHaveLength(5);
  });
});

it('a case without a good round has no summary', () => {
  const [first, second] = cases(['davit', 'crun']);
  expect(second).toMatchObject({ failures: 1, ratio: 2, summary: { ready: { n: 2 } } });
  expect(first?.ratio).toBe(1);
});
