/** What --timing and --trace tell (docs/timing.md), read and checked. */
import { expect } from 'vitest';

/** Times are written in microseconds with three decimals. */
const ROUNDING_US = 0.002;

export interface TraceEvent {
  name: string;
  cat: string;
  ph: 'X' | 'M';
  ts: number;
  dur: number;
  pid: number;
  tid: number;
  args: { depth: number; step?: string; object?: string; failed?: boolean; name?: string };
}
export interface Trace {
  traceEvents: TraceEvent[];
  displayTimeUnit: string;
  otherData: { format: number; plan: string; failed: boolean; totalUs: number; startMonotonicNs: number; lost: number };
}

/** The phases of a trace, after everything that must hold for any trace has been checked. */
export function phasesOf({ traceEvents, displayTimeUnit, otherData }: Trace): string[] {
  expect(displayTimeUnit).toBe('ms');
  expect(otherData).toMatchObject({ format: 1, lost: 0 });
  const events = traceEvents.filter(({ ph }) => ph === 'X');
  expect(new Set(traceEvents.map(({ pid }) => pid)).size).toBe(1);
  const named = traceEvents.filter(({ name }) => name === 'thread_name').map(({ tid }) => tid);
  expect([...new Set(events.map(({ tid }) => tid))].sort()).toEqual(named.sort());
  const phases = events.filter(({ args }) => args.depth === 0);
  let at = 0;
  for (const { name, cat, ts, dur } of phases) {
    expect(name).toBe(cat);
    expect(Math.abs(ts - at), JSON.stringify(phases)).toBeLessThan(ROUNDING_US);
    at = ts + dur;
  }
  expect(Math.abs(otherData.totalUs - at)).toBeLessThan(ROUNDING_US);
  for (const { name, cat, ts, dur, args } of events.filter((event) => event.args.depth > 0)) {
    expect(name).toBe(args.object === undefined ? args.step : `${args.step} ${args.object}`);
    const holds = (phase: TraceEvent): boolean =>
      phase.cat === cat && phase.ts - ROUNDING_US <= ts && ts + dur <= phase.ts + phase.dur + ROUNDING_US;
    expect(phases.some(holds), name).toBe(true);
  }
  expect(events.map(({ ts }) => ts)).toEqual(events.map(({ ts }) => ts).sort((a, b) => a - b));
  return phases.map(({ name }) => name);
}

/** The rows of the table that --timing prints: name, beginning and duration in milliseconds. */
export function tableOf(stderr: string): { name: string; start: number; took: number }[] {
  const lines = stderr.slice(stderr.indexOf('phase  ')).trimEnd().split('\n');
  expect(lines[0]).toMatch(/^phase +start ms +took ms$/);
  return lines.slice(1).map((line) => {
    const [, name, start, took] = /^(.*?) +(\d+\.\d{3}) +(\d+\.\d{3})(?: {2}.*)?$/.exec(line) ?? [];
    return { name: name as string, start: Number(start), took: Number(took) };
  });
}
