/**
 * The part of --timing and --trace that Node sees (docs/timing.md): what it was doing from when to when. The notes of
 * the front door and of the launcher, the table and the trace file are native (native/timing).
 */
import { RuntimeError } from './errors';
import { native } from './native';

/** Something that began at a time, in nanoseconds of CLOCK_MONOTONIC, and lasted until the next one began. */
interface Mark {
  name: string;
  detail: string;
  at: number;
}

const OPTION = /^--(timing|trace)(=|$)/;
const NS_PER_MS = 1e6;

/** What only the program itself knows, and no plan depends on. */
interface Program {
  /** Nanoseconds of CLOCK_MONOTONIC. */
  now(): number;
  /** DAVIT_FRONT (native/launcher/front_door.cc). */
  front: string | undefined;
}

let program: Program | undefined;
let marks: Mark[] = [];
let begun = false;

/** Takes notes where a word of the command line asks for it, whatever that word then turns out to mean. */
export function noteTiming(words: readonly string[], noting: Program): void {
  if (!words.some(isTimingOption)) return;
  program = noting;
  // Node's own start, and the loading of the bundle. The module behind `performance` is loaded by asking it.
  const { bootstrapComplete } = performance.nodeTiming;
  const age = performance.now() * NS_PER_MS;
  const origin = noting.now() - age;
  marks = [
    { name: 'start', detail: '', at: origin },
    { name: 'load', detail: '', at: origin + Math.max(0, bootstrapComplete) * NS_PER_MS },
  ];
}

/** Whether a word of the command line may be one of the options. */
export function isTimingOption(word: string): boolean {
  return OPTION.test(word);
}

/** What this process does from here on. */
export function doing(name: string, detail = ''): void {
  if (program !== undefined) marks.push({ name, detail, at: program.now() });
}

/**
 * The options were given: what they ask for is told when the command ends, or by the launcher.
 * @param trace the file for --trace
 * @throws RuntimeError OPTION when the file cannot be opened for writing
 */
export function beginTiming(table: boolean, trace: string | undefined): void {
  if (begun || program === undefined) return;
  // The front door hands the descriptor of its notes along.
  const clock = Number(program.front?.split(':')[2] ?? -1);
  try {
    native().beginTiming(clock, (marks[0] as Mark).at, table, trace ?? null);
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    throw new RuntimeError('OPTION', (cause as Error).message, {
      path: trace,
      cause,
      hint: 'choose another file by --trace',
    });
  }
  begun = true;
}

/** Hands over what has been noted, before the launcher takes the place of this process, or at its end. */
export function passTiming(): void {
  if (!begun) return;
  for (const [i, { name, detail, at }] of marks.entries()) {
    // The first began with the phase, the last ends with it.
    native().addTiming(name, detail, i === 0 ? 0 : at, marks[i + 1]?.at ?? 0);
  }
  marks = [];
}

/** Tells it: the command ends here. */
export function endTiming(failed: boolean): void {
  if (!begun) return;
  passTiming();
  native().reportTiming(failed);
}
