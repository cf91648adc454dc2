/** How one piece of work looks on one line of a terminal. */
import { stripVTControlCharacters } from 'node:util';

export interface ShownWork {
  label: string;
  doneBytes: number;
  totalBytes?: number;
  /** Bytes per second, lately; `undefined` while that is not known. */
  rate?: number;
  isFinished: boolean;
}

const LABEL_WIDTH = 20;
const MOST_BAR = 30;
const LEAST_BAR = 6;
const GAP = '  ';

/**
 * `layer 3f4a91c0d2e1    [=====>     ]  12.0 MiB / 45.6 MiB   8.1 MiB/s  4 s`. Where the line is too narrow, first the
 * bar goes, then the rate, the time left and the label.
 * @param width columns that may be filled
 */
export function formatWork(work: ShownWork, width: number): string {
  const { label, doneBytes, totalBytes, rate, isFinished } = work;
  const name = cutMiddle(cleanLabel(label), LABEL_WIDTH).padEnd(LABEL_WIDTH);
  const known = totalBytes !== undefined && totalBytes > 0;
  const amount = (known ? `${formatBytes(doneBytes)} / ${formatBytes(totalBytes)}` : formatBytes(doneBytes)).padStart(
    21,
  );
  const speed = (rate === undefined ? '' : `${formatBytes(rate)}/s`).padStart(12);
  const left = (isFinished || !known || !rate ? '' : formatSeconds((totalBytes - doneBytes) / rate)).padStart(10);
  const percent = known ? `${Math.floor((Math.min(doneBytes, totalBytes) / totalBytes) * 100)} %`.padStart(5) : '';
  const tails = [amount + speed + left, amount + left, amount, percent || formatBytes(doneBytes)];
  const tail = tails.find((text) => LABEL_WIDTH + GAP.length + text.length <= width);
  if (tail === undefined) {
    const short = (tails.at(-1) as string).trimStart();
    const room = width - short.length - 1;
    return room > 0 ? `${cutMiddle(cleanLabel(label), room)} ${short}` : short.slice(0, Math.max(width, 0));
  }
  const room = Math.min(width - LABEL_WIDTH - tail.length - 2 * GAP.length - 2, MOST_BAR);
  const bar = known && room >= LEAST_BAR ? `${GAP}[${filledBar(doneBytes / totalBytes, room, isFinished)}]` : '';
  return `${name}${bar}${GAP}${tail}`.trimEnd();
}

function filledBar(part: number, room: number, isFinished: boolean): string {
  const filled = Math.floor(Math.min(part, 1) * room);
  return `${'='.repeat(filled)}${isFinished ? '' : '>'}`.padEnd(room).slice(0, room);
}

/** Labels hold names that come from servers: nothing in them may steer the terminal, and each takes one column. */
export function cleanLabel(label: string): string {
  return stripVTControlCharacters(label).replace(/[^\x20-\x7e]/g, '?');
}

/** The end of a file name says as much as its beginning. */
function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  if (width < 5) return text.slice(0, width);
  const back = Math.floor((width - 2) / 2);
  return `${text.slice(0, width - 2 - back)}..${text.slice(text.length - back)}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `12.0 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `4 s`, `3 m 05 s`, `2 h 07 m`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} m ${pad(whole % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 100 ? `${hours} h ${pad(minutes % 60)} m` : '> 99 h';
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
