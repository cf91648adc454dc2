/**
 * How progress is shown: bars on a terminal, one line at the end of each piece of work elsewhere, JSON for programs,
 * nothing with --quiet.
 */
import type { OnProgress, ProgressEvent } from '../runtime/image/progress';
import { isTerminal, type Terminal } from './render';

export interface ProgressOptions {
  /** Standard error is a terminal of this many columns. */
  columns?: number;
  /** One JSON object a line on standard output. */
  json?: boolean;
  now?: () => number;
}

interface Work extends ProgressEvent {
  startMs: number;
  endMs?: number;
}

const DRAW_EVERY_MS = 100;
const LABEL_WIDTH = 18;
const MOST_BAR = 30;
const LEAST_BAR = 5;
/** More bars than a screen has lines would scroll. */
const MOST_BARS = 12;

export class Progress {
  private readonly works = new Map<string, Work>();
  private linesDrawn = 0;
  private drawnMs = Number.NEGATIVE_INFINITY;
  private readonly now: () => number;

  constructor(
    private readonly terminal: Terminal,
    private readonly options: ProgressOptions,
  ) {
    this.now = options.now ?? Date.now;
  }

  /** As the command line asked for it. */
  static for(terminal: Terminal, json = false): Progress {
    const columns = isTerminal(2) && terminal.shows('info') ? process.stderr.columns || 80 : undefined;
    return new Progress(terminal, { columns, json });
  }

  readonly onProgress: OnProgress = (event) => {
    const before = this.works.get(event.id);
    const work: Work = { ...event, startMs: before?.startMs ?? this.now() };
    if (event.state === 'end') work.endMs = this.now();
    this.works.set(event.id, work);
    if (this.options.json) this.printJson(event);
    else if (this.options.columns === undefined) this.printLine(work);
    else if (event.state !== 'progress' || this.now() - this.drawnMs >= DRAW_EVERY_MS) this.draw();
    if (event.state === 'end' && [...this.works.values()].every(({ state }) => state === 'end')) this.finish();
  };

  /** Runs something that writes to the terminal: the bars make room for it. */
  around(write: () => void): void {
    this.erase();
    write();
    if (this.works.size > 0 && this.options.columns !== undefined) this.draw();
  }

  /** The bars stay as they are; what is written next comes below. */
  finish(): void {
    if (this.linesDrawn > 0) this.draw();
    this.linesDrawn = 0;
    this.works.clear();
  }

  private printJson({ id, label, doneBytes, totalBytes, state }: ProgressEvent): void {
    this.terminal.out(`${JSON.stringify({ event: 'progress', state, id, label, doneBytes, totalBytes })}\n`);
  }

  private printLine({ label, doneBytes, startMs, endMs }: Work): void {
    if (endMs === undefined) return;
    const seconds = (endMs - startMs) / 1000;
    this.terminal.info(`Done: ${label}, ${formatBytes(doneBytes)} in ${seconds.toFixed(1)} s`);
  }

  private erase(): void {
    if (this.linesDrawn === 0) return;
    this.terminal.err(`\x1b[${this.linesDrawn}A\x1b[J`);
    this.linesDrawn = 0;
  }

  private draw(): void {
    if (this.options.columns === undefined) return;
    this.drawnMs = this.now();
    const width = this.options.columns - 1;
    const lines = this.shownWorks().map((work) => formatBar(work, this.drawnMs, width).slice(0, width));
    const up = this.linesDrawn > 0 ? `\x1b[${this.linesDrawn}A` : '';
    this.terminal.err(`${up}${lines.map((line) => `\r\x1b[2K${line}\n`).join('')}\x1b[J`);
    this.linesDrawn = lines.length;
  }

  /** The finished ones give way first. */
  private shownWorks(): Work[] {
    const all = [...this.works.values()];
    let tooMany = all.length - MOST_BARS;
    return all.filter(({ state }) => !(tooMany > 0 && state === 'end' && tooMany--));
  }
}

/** `layer 3f4a…  [=====>     ]  12.0 MiB / 45.6 MiB   8.1 MiB/s   4 s`; the bar takes the room that is left. */
function formatBar({ label, doneBytes, totalBytes, startMs, endMs }: Work, nowMs: number, width: number): string {
  const rate = doneBytes / Math.max(((endMs ?? nowMs) - startMs) / 1000, 0.001);
  const name = label.slice(0, LABEL_WIDTH).padEnd(LABEL_WIDTH);
  const speed = `${formatBytes(rate)}/s`.padStart(12);
  if (totalBytes === undefined) return `${name} ${formatBytes(doneBytes).padStart(11)} ${speed}`;
  const leftS = endMs === undefined && rate > 0 ? `${Math.ceil((totalBytes - doneBytes) / rate)} s` : '';
  const amount = `${formatBytes(doneBytes)} / ${formatBytes(totalBytes)}`.padStart(21);
  const numbers = `${amount} ${speed} ${leftS.padStart(6)}`;
  const room = Math.min(width - name.length - numbers.length - 4, MOST_BAR);
  const bar = room < LEAST_BAR ? '' : ` [${filledBar(totalBytes === 0 ? 1 : doneBytes / totalBytes, room)}]`;
  return `${name}${bar} ${numbers}`.trimEnd();
}

function filledBar(part: number, room: number): string {
  const filled = Math.floor(Math.min(part, 1) * room);
  return `${'='.repeat(filled)}>`.padEnd(room).slice(0, room);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `12.0 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
