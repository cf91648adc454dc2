/** Where the time of a launch goes, from inside: what `--trace` has written (docs/timing.md), over several rounds. */
import { basename } from 'node:path';
import { median } from './statistics';
import type { PhaseResult } from './types';

/** One launch: the text of its trace, and its time until the payload ran. */
export interface TracedLaunch {
  trace: string;
  readyMs: number;
}

interface TraceEvent {
  name: string;
  cat: string;
  ph: string;
  /** Microseconds. */
  ts: number;
  dur: number;
  args: { depth?: number; step?: string; object?: string };
}

/** The parts of these phases are told apart; of the others the whole is said. */
const NODE = 'node';
const DETAILED = new Set(['mount', NODE]);
/** From here on the payload may run already. */
const EXEC = 'exec';
const AFTER_EXEC = new Set([EXEC, 'ready']);
/** What no process of davit sees: the kernel executes davit, and the payload. */
const KERNEL = 'kernel';

type Part = Pick<PhaseResult['phases'][number], 'name' | 'detail' | 'counted'> & { ms: number };

/** The parts of one launch in their order. Those that are counted add up to the time until the payload ran. */
export function partsOf({ trace, readyMs }: TracedLaunch): Part[] {
  const { traceEvents } = JSON.parse(trace) as { traceEvents: TraceEvent[] };
  const events = traceEvents.filter(({ ph }) => ph === 'X').sort((a, b) => a.ts - b.ts);
  const phases = events.filter(({ args }) => args.depth === 0);
  const parts: Part[] = phases.flatMap((phase) => {
    const inside = DETAILED.has(phase.cat)
      ? events.filter(({ cat, args }) => cat === phase.cat && args.depth === 1)
      : [];
    const details = inside.map((event) => ({ name: phase.name, detail: detailOf(event), ms: event.dur / 1000 }));
    const rest = phase.dur / 1000 - details.reduce((sum, { ms }) => sum + ms, 0);
    const own = { name: phase.name, ms: Math.max(rest, 0) };
    return [...details, own].map((part) => ({ ...part, counted: !AFTER_EXEC.has(phase.name) }));
  });
  const seen = phases.find(({ name }) => name === EXEC)?.ts ?? phases.reduce((sum, { dur }) => sum + dur, 0);
  return [...parts, { name: KERNEL, ms: Math.max(readyMs - seen / 1000, 0), counted: true }];
}

/** Medians and means over launches of one kind; a part that one of them lacks took no time there. */
export function aggregatePhases(launches: readonly TracedLaunch[]): PhaseResult['phases'] {
  const all = launches.map((launch) => {
    const times = new Map<string, Part>();
    for (const part of partsOf(launch)) {
      const key = keyOf(part);
      times.set(key, { ...part, ms: part.ms + (times.get(key)?.ms ?? 0) });
    }
    return times;
  });
  const known = new Map<string, Part>();
  for (const times of all) for (const [key, part] of times) if (!known.has(key)) known.set(key, part);
  return [...known].map(([key, { name, detail, counted }]) => {
    const values = all.map((times) => times.get(key)?.ms ?? 0);
    const mean = values.reduce((sum, ms) => sum + ms, 0) / values.length;
    return { name, ...(detail === undefined ? undefined : { detail }), counted, p50: median(values), mean };
  });
}

function keyOf({ name, detail = '' }: Part): string {
  return `${name} ${detail}`;
}

/** Paths of images are long, and the same everywhere. */
function detailOf({ name, cat, args }: TraceEvent): string {
  const { step, object } = args;
  if (step === undefined) return name;
  if (object === undefined || cat === NODE) return step;
  return `${step} ${/^(mountSquashfs|mountExt3)$/.test(step) ? basename(object) : object}`;
}
