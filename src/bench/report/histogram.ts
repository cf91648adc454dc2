/** Histograms for a terminal: one line for each series, all on one logarithmic axis. */
import { countBins, type LogAxis, logAxis, logMarks, positionOn } from '../statistics';

export interface NamedValues {
  label: string;
  values: readonly number[];
}

const BLOCKS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SIGNS = [' ', '.', ':', '-', '=', '+', '*', '%', '#'];
const GAP = 2;
const LEAST_BINS = 20;
const MOST_BINS = 100;

/**
 * @param width columns that may be filled
 * @param ascii no characters beyond ASCII
 */
export function histogram(series: readonly NamedValues[], unit: string, width: number, ascii: boolean): string {
  const drawn = series.filter(({ values }) => values.length > 0);
  if (drawn.length === 0) return '';
  const labelWidth = Math.max(...drawn.map(({ label }) => label.length));
  const bins = Math.min(Math.max(width - labelWidth - GAP, LEAST_BINS), MOST_BINS);
  const axis = logAxis(
    drawn.flatMap(({ values }) => [...values]),
    bins,
  );
  const lines = drawn.map(({ label, values }) => {
    const bars = sparkline(countBins(values, axis), ascii ? SIGNS : BLOCKS);
    return `${label.padEnd(labelWidth + GAP)}${bars}`.trimEnd();
  });
  return [...lines, `${' '.repeat(labelWidth + GAP)}${axisLine(axis, unit)}`, ''].join('\n');
}

/** Heights are shares of the fullest bin; a bin that is not empty is never shown as empty. */
export function sparkline(counts: readonly number[], signs: readonly string[]): string {
  const most = Math.max(...counts, 1);
  const highest = signs.length - 1;
  return counts.map((count) => signs[count === 0 ? 0 : Math.max(1, Math.round((count / most) * highest))]).join('');
}

/** Marks where they fit, each beginning at its place: `1   2     5  10 ms`. */
function axisLine(axis: LogAxis, unit: string): string {
  let line = '';
  for (const mark of logMarks(axis)) {
    const at = Math.floor(positionOn(axis, mark) * axis.bins);
    if (at < line.length + (line === '' ? 0 : 1)) continue;
    line = `${line.padEnd(at)}${mark}`;
  }
  return `${line} ${unit}`;
}
