/** The pictures of a report. */
import { distribution, logAxis, logMarks, positionOn } from '../statistics';
import { COLORS, type Drawing, escapeMarkup, fixed, label, WIDTH } from './markup';
import { digits } from './words';

export interface Series {
  label: string;
  values: readonly number[];
}

const HEAD = 34;
const LEFT = 190;
const RIGHT = 90;
const BAR = 18;
const ROW = 27;
const PLOT_HEIGHT = 260;
const AXIS_LEFT = 44;
const LEGEND_ROW = 20;
/** More points make a picture large and no finer. */
const MOST_POINTS = 400;

/** For each value the share of rounds that were not slower, on a logarithmic axis of time. */
export function distributionPlot(title: string, series: readonly Series[], unit: string): Drawing {
  const drawn = series.filter(({ values }) => values.length > 0);
  const axis = logAxis(
    drawn.flatMap(({ values }) => [...values]),
    1,
  );
  const x = (value: number): number => AXIS_LEFT + positionOn(axis, value) * (WIDTH - AXIS_LEFT);
  const y = (share: number): number => HEAD + (1 - share) * PLOT_HEIGHT;
  const parts = [label(0, 16, title, 'title')];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(line(AXIS_LEFT, y(share), WIDTH, y(share)));
    parts.push(label(AXIS_LEFT - 6, y(share) + 4, `${share * 100} %`, 'small right'));
  }
  let lastAt = Number.NEGATIVE_INFINITY;
  for (const mark of logMarks(axis)) {
    parts.push(line(x(mark), y(0), x(mark), y(1)));
    if (x(mark) - lastAt < 34) continue;
    lastAt = x(mark);
    parts.push(label(x(mark), y(0) + 16, `${mark}`, 'small middle'));
  }
  parts.push(label(WIDTH, y(0) + 32, unit, 'small right'));
  for (const [index, { values }] of drawn.entries()) {
    parts.push(`<path class="line s${index % COLORS}" d="${steps(values, x, y)}"/>`);
  }
  const below = y(0) + 44;
  const legend = drawn.map(({ label: name }, index) => legendEntry(index, name, below));
  return { body: [...parts, ...legend].join('\n'), height: below + Math.ceil(drawn.length / 4) * LEGEND_ROW };
}

/** One bar for each row, from zero. */
export function barPlot(title: string, rows: readonly { label: string; value: number }[], unit: string): Drawing {
  const most = Math.max(...rows.map(({ value }) => value), Number.MIN_VALUE);
  const parts = [label(0, 16, title, 'title')];
  for (const [index, { label: name, value }] of rows.entries()) {
    const top = HEAD + index * ROW;
    const length = Math.max(1, ((WIDTH - LEFT - RIGHT) * value) / most);
    parts.push(label(LEFT - 8, top + 14, name, 'right'));
    parts.push(rectangle(LEFT, top, length, index));
    parts.push(label(LEFT + length + 6, top + 14, `${digits(value)} ${unit}`));
  }
  return { body: parts.join('\n'), height: HEAD + rows.length * ROW };
}

export interface StackedRow {
  label: string;
  parts: readonly { name: string; value: number }[];
}

/** One bar for each row, made of its parts; a part of a name has one colour in all rows. */
export function stackedPlot(title: string, rows: readonly StackedRow[], unit: string): Drawing {
  const names = [...new Set(rows.flatMap(({ parts }) => parts.map(({ name }) => name)))];
  const sums = rows.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const most = Math.max(...sums, Number.MIN_VALUE);
  const drawn = [label(0, 16, title, 'title')];
  for (const [index, { label: name, parts }] of rows.entries()) {
    const top = HEAD + index * ROW;
    let left = LEFT;
    drawn.push(label(LEFT - 8, top + 14, name, 'right'));
    for (const part of parts) {
      const length = ((WIDTH - LEFT - RIGHT) * part.value) / most;
      drawn.push(rectangle(left, top, length, names.indexOf(part.name), `${part.name}: ${digits(part.value)} ${unit}`));
      left += length;
    }
    drawn.push(label(left + 6, top + 14, `${digits(sums[index])} ${unit}`));
  }
  const below = HEAD + rows.length * ROW + 14;
  const legend = names.map((name, index) => legendEntry(index, name, below));
  return { body: [...drawn, ...legend].join('\n'), height: below + Math.ceil(names.length / 4) * LEGEND_ROW };
}

/** The staircase of a distribution. */
function steps(values: readonly number[], x: (value: number) => number, y: (share: number) => number): string {
  const all = distribution(values);
  const every = Math.max(1, Math.ceil(all.length / MOST_POINTS));
  const points = all.filter((_, index) => index % every === 0 || index === all.length - 1);
  const [first] = points;
  if (first === undefined) return '';
  const path = [`M${fixed(x(first.value))} ${fixed(y(0))}`];
  for (const { value, share } of points) path.push(`H${fixed(x(value))}V${fixed(y(share))}`);
  return path.join('');
}

function legendEntry(index: number, name: string, top: number): string {
  const [x, y] = [(index % 4) * (WIDTH / 4), top + Math.floor(index / 4) * LEGEND_ROW];
  return `<rect x="${fixed(x)}" y="${fixed(y)}" width="12" height="12" class="f${index % COLORS}"/>${label(x + 18, y + 11, name, 'small')}`;
}

function rectangle(x: number, y: number, width: number, color: number, title = ''): string {
  const head = `<rect x="${fixed(x)}" y="${fixed(y)}" width="${fixed(width)}" height="${BAR}" class="f${color % COLORS}"`;
  return title === '' ? `${head}/>` : `${head}><title>${escapeMarkup(title)}</title></rect>`;
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" class="grid"/>`;
}
