/** The only writer to the terminal: levels, colours, tables, JSON. Everything else returns values or throws. */
import { fstatSync, writeSync } from 'node:fs';

export type Severity = 'fatal' | 'error' | 'warning' | 'info' | 'verbose' | 'debug';

/** Apptainer's numbers: a message is shown while its number is not above the terminal's level. */
const SEVERITY_LEVEL: Record<Severity, number> = { fatal: -4, error: -3, warning: -2, info: 1, verbose: 4, debug: 5 };

export const LEVEL = { silent: -3, quiet: -1, info: 1, verbose: 4, debug: 5 } as const;

const COLOR: Record<Severity, string> = {
  fatal: '\x1b[31m',
  error: '\x1b[31m',
  warning: '\x1b[33m',
  info: '\x1b[34m',
  verbose: '\x1b[0m',
  debug: '\x1b[0m',
};
const COLOR_OFF = '\x1b[0m';

/** Width of the level, colon included, before the blank that separates it from the text. */
const PREFIX_WIDTH = 8;
/** text/tabwriter as Apptainer uses it: cells as wide as their content, then this many blanks. */
const TABLE_PADDING = 4;

/** Writes all of a text to a descriptor; `false` when nobody reads it any more, an Error when it could not be written. */
export type Writer = (fd: number, text: string | Uint8Array) => unknown;

export class Terminal {
  level: number = LEVEL.info;
  color = false;
  /** Whether anything was written. */
  used = false;
  /** Whether standard output was found without a reader: who writes for ever may end. */
  unread = false;
  /** Why not all of standard output could be written, such as a full disk; what was printed is incomplete then. */
  lost: Error | undefined;

  constructor(private readonly write: Writer = writeAll) {}

  /** Text or bytes for standard output, exactly as they are. */
  out(text: string | Uint8Array): void {
    if (text.length > 0) this.emit(1, text);
  }

  /** Text for standard error without a level, such as a usage error or a log line. */
  err(text: string): void {
    if (text !== '') this.emit(2, text);
  }

  private emit(fd: number, text: string | Uint8Array): void {
    this.used = true;
    if (fd === 1 && this.lost) return;
    const done = this.write(fd, text);
    if (fd !== 1) return;
    if (done === false) this.unread = true;
    if (done instanceof Error) this.lost = done;
  }

  message(severity: Severity, text: string): void {
    if (this.shows(severity)) this.err(`${formatMessage(severity, visible(text), this.color)}\n`);
  }

  shows(severity: Severity): boolean {
    return SEVERITY_LEVEL[severity] <= this.level;
  }

  fatal(text: string, hint?: string): void {
    this.message('fatal', hint === undefined ? text : `${text}${formatHint(hint)}`);
  }
  error(text: string): void {
    this.message('error', text);
  }
  warning(text: string): void {
    this.message('warning', text);
  }
  info(text: string): void {
    this.message('info', text);
  }
  verbose(text: string): void {
    this.message('verbose', text);
  }
  debug(text: string): void {
    this.message('debug', text);
  }

  table(rows: readonly (readonly string[])[]): void {
    this.out(formatTable(rows));
  }

  /** JSON indented by tabs, as Apptainer prints it. */
  json(value: unknown): void {
    this.out(`${JSON.stringify(value, undefined, '\t')}\n`);
  }
}

/** Names of files, of images and servers stand in messages: the characters by which a terminal is told what to do go. */
export function visible(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** `INFO:    text`; colours cover the padded level alone. */
export function formatMessage(severity: Severity, text: string, color: boolean): string {
  const label = `${severity.toUpperCase()}:`.padEnd(PREFIX_WIDTH);
  return color ? `${COLOR[severity]}${label}${COLOR_OFF} ${text}` : `${label} ${text}`;
}

/** The way out, on a line of its own, as the launcher writes it. */
export function formatHint(hint: string): string {
  return `\n${' '.repeat(PREFIX_WIDTH + 1)}hint: ${hint}`;
}

/** Columns aligned with blanks; the last cell of a row is never padded. */
export function formatTable(rows: readonly (readonly string[])[], paddingBlanks = TABLE_PADDING): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (let column = 0; column < row.length - 1; column++) {
      widths[column] = Math.max(widths[column] ?? 0, lengthOf(row[column] as string));
    }
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === row.length - 1
          ? cell
          : cell + ' '.repeat((widths[column] as number) - lengthOf(cell) + paddingBlanks),
      )
      .join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}

function lengthOf(cell: string): number {
  return [...cell].length;
}

/** Major numbers of terminals (the kernel's admin-guide/devices): tty, console, UNIX 98 pts, serial and virtual lines. */
const TERMINAL_MAJORS = new Set([3, 4, 5, 136, 137, 138, 139, 140, 141, 142, 143, 166, 188, 204, 229]);

/** Whether a descriptor is a terminal. Loading node:tty for this would cost two milliseconds of every start. */
export function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    // makedev(3): bits 8 to 19 are the low part of the major number.
    return stat.isCharacterDevice() && TERMINAL_MAJORS.has((stat.rdev >> 8) & 0xfff);
  } catch {
    return false;
  }
}

const RETRY_MS = 5;

/** No reader: a pipe without one, a descriptor that is closed, a terminal that has gone. */
const UNREAD = new Set(['EPIPE', 'EBADF', 'EIO']);

/** Writes everything, also to a pipe that somebody made non-blocking. A reader that has gone is nobody's error. */
function writeAll(fd: number, text: string | Uint8Array): boolean | Error {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      else if (code !== 'EINTR') return UNREAD.has(code) ? false : (error as Error);
    }
  }
  return true;
}
