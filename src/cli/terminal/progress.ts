/**
 * How progress is shown: bars on a terminal, one line at the end of each piece of work elsewhere, JSON for programs,
 * nothing with --quiet.
 */
import type { OnProgress, ProgressEvent } from '../../runtime/image/source/progress';
import { Bars, type Screen } from './progress-bars';
import { cleanLabel, formatBytes, type ShownWork } from './progress-format';
import { Rate } from './progress-rate';
import { isTerminal, type Terminal } from './render';

export interface ProgressOptions {
  /** Standard error, when it is a terminal that can move its cursor. */
  screen?: Screen;
  /** One JSON object a line on standard output (docs/images.md); no bars. */
  json?: boolean;
  now?: () => number;
}

interface Work extends ProgressEvent {
  startMs: number;
  endMs?: number;
  rate: Rate;
}

/** More than so many are confusing; the finished ones give way first. */
const MOST_BARS = 12;
/** Programs need not know every block. */
const JSON_EVERY_MS = 100;

export class Progress {
  private readonly works = new Map<string, Work>();
  private readonly toldMs = new Map<string, number>();
  private readonly now: () => number;
  private readonly bars?: Bars;

  constructor(
    private readonly terminal: Terminal,
    private readonly options: ProgressOptions,
  ) {
    this.now = options.now ?? Date.now;
    const { screen, json } = options;
    if (screen && !json) this.bars = new Bars(terminal, screen, (most) => this.shownWorks(Math.min(most, MOST_BARS)));
  }

  /** As the command line asked for it. */
  static for(terminal: Terminal, json = false): Progress {
    const { TERM } = process.env;
    const draws = isTerminal(2) && TERM !== undefined && TERM !== 'dumb' && terminal.shows('info');
    return new Progress(terminal, { json, ...(draws ? { screen: process.stderr } : undefined) });
  }

  readonly onProgress: OnProgress = (event) => {
    const nowMs = this.now();
    const { startMs = nowMs, rate = new Rate() } = this.works.get(event.id) ?? {};
    rate.add(nowMs, event.doneBytes);
    const work: Work = { ...event, startMs, rate, ...(event.state === 'end' ? { endMs: nowMs } : undefined) };
    this.works.set(event.id, work);
    if (this.options.json) this.printJson(event, nowMs);
    else if (this.bars) this.bars.start();
    else this.printLine(work);
    if ([...this.works.values()].every(({ state }) => state === 'end')) this.finish();
  };

  /** Runs something that writes to the terminal: the bars make room for it. */
  around(write: () => void): void {
    if (this.bars) this.bars.around(write);
    else write();
  }

  /** The bars stay as they are; what is written next comes below. */
  finish(): void {
    this.bars?.finish();
    this.works.clear();
    this.toldMs.clear();
  }

  private printJson({ id, label, doneBytes, totalBytes, state }: ProgressEvent, nowMs: number): void {
    const toldMs = this.toldMs.get(id) ?? Number.NEGATIVE_INFINITY;
    if (state === 'progress' && nowMs - toldMs < JSON_EVERY_MS) return;
    this.toldMs.set(id, nowMs);
    this.terminal.out(`${JSON.stringify({ event: 'progress', state, id, label, doneBytes, totalBytes })}\n`);
  }

  private printLine({ label, doneBytes, startMs, endMs }: Work): void {
    if (endMs === undefined) return;
    const seconds = (endMs - startMs) / 1000;
    this.terminal.info(`Done: ${cleanLabel(label)}, ${formatBytes(doneBytes)} in ${seconds.toFixed(1)} s`);
  }

  private shownWorks(most: number): ShownWork[] {
    const all = [...this.works.values()];
    const nowMs = this.now();
    let tooMany = all.length - most;
    return all
      .filter(({ state }) => !(tooMany > 0 && state === 'end' && tooMany--))
      .map(({ label, doneBytes, totalBytes, rate, endMs }) => ({
        label,
        doneBytes,
        totalBytes,
        rate: rate.at(endMs ?? nowMs),
        isFinished: endMs !== undefined,
      }));
  }
}
