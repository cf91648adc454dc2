import { describe, expect, it } from 'vitest';
import { aggregatePhases, partsOf } from '../../../src/bench/phases';

const event = (name: string, cat: string, ts: number, dur: number, args: object) => ({
  name,
  cat,
  ph: 'X',
  ts,
  dur,
  args,
});
const trace = (mountUs: number): string =>
  JSON.stringify({
    traceEvents: [
      { name: 'process_name', ph: 'M', args: {} },
      event('door', 'door', 0, 400, { depth: 0 }),
      event('sights', 'door', 100, 90, { depth: 1, step: 'sights' }),
      event('mount', 'mount', 400, mountUs + 600, { depth: 0 }),
      event('mountSquashfs /images/lab.sif', 'mount', 400, mountUs, {
        depth: 1,
        step: 'mountSquashfs',
        object: '/images/lab.sif',
      }),
      event('bind /dev', 'mount', 400 + mountUs, 500, { depth: 1, step: 'bind', object: '/dev' }),
      event('exec', 'exec', mountUs + 1000, 300, { depth: 0 }),
      event('ready', 'ready', mountUs + 1300, 200, { depth: 0 }),
    ],
  });

describe('partsOf', () => {
  it('tells mounts apart, and adds up to the time until the payload ran', () => {
    const parts = partsOf({ trace: trace(1000), readyMs: 2.5 });
    expect(parts.map(({ name, detail, ms }) => [name, detail, Math.round(ms * 1000)])).toEqual([
      ['door', undefined, 400],
      ['mount', 'mountSquashfs lab.sif', 1000],
      ['mount', 'bind /dev', 500],
      ['mount', undefined, 100],
      ['exec', undefined, 300],
      ['ready', undefined, 200],
      ['kernel', undefined, 500],
    ]);
    const counted = parts.filter((part) => part.counted).reduce((sum, { ms }) => sum + ms, 0);
    expect(counted).toBeCloseTo(2.5);
  });
});

describe('aggregatePhases', () => {
  it('has medians and means, and zero where a launch lacks a part', () => {
    const phases = aggregatePhases([
      { trace: trace(1000), readyMs: 2.5 },
      { trace: trace(2000), readyMs: 3.5 },
      { trace: trace(6000), readyMs: 7.5 },
      { trace: JSON.stringify({ traceEvents: [event('door', 'door', 0, 400, { depth: 0 })] }), readyMs: 0.9 },
    ]);
    const mount = phases.find(({ detail }) => detail === 'mountSquashfs lab.sif');
    expect(mount).toMatchObject({ name: 'mount', p50: 1.5, mean: 2.25, counted: true });
    expect(phases.find(({ name }) => name === 'exec')).toMatchObject({ counted: false, p50: 0.3 });
    expect(phases.find(({ name }) => name === 'kernel')?.p50).toBeCloseTo(0.5);
  });
});
