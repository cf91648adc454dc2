/**
 * Bars on a terminal, drawn over each other. No library: cli-progress and log-update lose count of the rows when a terminal
 * breaks lines anew, and the latter would make what every command loads a sixth larger.
 */
import { formatWork, type ShownWork } from './progress-format';
import type { Terminal } from './render';

/** What standard error says about itself when it is a terminal. */
export interface Screen {
  /** 0 where the terminal does not know its own size. */
  readonly columns?: number;
  readonly rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const DRAW_EVERY_MS = 100;
/** A window is dragged: its last size counts. */
const RESIZE_PAUSE_MS = 150;
const USUAL_COLUMNS = 80;
const USUAL_ROWS = 24;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The cursor stays visible: nothing has to be put right whoever ends this process. */
export class Bars {
  private timer?: NodeJS.Timeout;
  private resizedMs = Number.NEGATIVE_INFINITY;
  private drawn: string[] = [];

  /** @param works what is to be shown now, in its order; of more than `most` the last ones are */
  constructor(
    private readonly terminal: Terminal,
    private readonly screen: Screen,
    private readonly works: (most: number) => ShownWork[],
    private readonly env: Readonly<Record<string, string | undefined>> = process.env,
  ) {}

  /** Draws, and goes on drawing until finish(). */
  start(): void {
    if (this.timer) return;
    this.timer = setInterval(() => this.draw(), DRAW_EVERY_MS).unref();
    this.screen.on('resize', this.onResize);
    process.on('SIGCONT', this.onContinue);
    for (const signal of SIGNALS) process.prependListener(signal, this.onEnd);
    this.draw();
  }

  /** The bars stay as they are; what is written next comes below. */
  finish(): void {
    if (!this.timer) return;
    this.stop();
    this.draw();
    this.drawn = [];
  }

  /** Runs something that writes to the terminal: its text appears above the bars. */
  around(write: () => void): void {
    if (!this.timer) {
      write();
      return;
    }
    this.erase();
    write();
    this.draw();
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.screen.off('resize', this.onResize);
    process.off('SIGCONT', this.onContinue);
    for (const signal of SIGNALS) process.off(signal, this.onEnd);
  }

  private draw(): void {
    if (this.timer && Date.now() - this.resizedMs < RESIZE_PAUSE_MS) return;
    const width = (this.screen.columns || USUAL_COLUMNS) - 1;
    // The line below the bars is the cursor's, another one is left to what stood there before.
    const most = Math.max((this.screen.rows || USUAL_ROWS) - 2, 1);
    const works = this.works(most).slice(-most);
    const lines = works.map((work) => formatWork(work, width));
    if (this.timer && lines.length === this.drawn.length && lines.every((line, at) => line === this.drawn[at])) return;
    const text = lines.map((line) => `${line}\x1b[K\n`).join('');
    this.terminal.err(`${up(this.drawn.length)}${text}\x1b[J`);
    this.drawn = lines;
  }

  private erase(rows = this.drawn.length): void {
    if (rows > 0) this.terminal.err(`${up(rows)}\x1b[J`);
    this.drawn = [];
  }

  /**
   * Most terminals break lines anew when they become narrower: then the bars have more rows than were written. Those that
   * only cut them off are few, and known by name.
   */
  private readonly onResize = (): void => {
    const { env } = this;
    const columns = this.screen.columns || USUAL_COLUMNS;
    const breaksLines = env.TERM !== 'linux' && !env.XTERM_VERSION && !env.STY;
    const rows = this.drawn.map(({ length }) => (breaksLines ? Math.max(Math.ceil(length / columns), 1) : 1));
    this.erase(rows.reduce((left, right) => left + right, 0));
    this.resizedMs = Date.now();
  };

  /** The shell has written meanwhile: the bars begin anew below. */
  private readonly onContinue = (): void => {
    this.drawn = [];
    this.draw();
  };

  /** Nothing is left of the bars, nor of the "^C" that the terminal shows below them. */
  private readonly onEnd = (signal: NodeJS.Signals): void => {
    this.stop();
    this.terminal.err(`${up(this.drawn.length)}\x1b[J`);
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
}

/** To the beginning of the line so many rows above. */
function up(rows: number): string {
  return rows > 0 ? `\r\x1b[${rows}A` : '\r';
}
