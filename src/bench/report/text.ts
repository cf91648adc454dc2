/** The report on a terminal: facts, tables, a histogram. */
import type { BenchResult, CaseResult, PhaseResult } from '../types';
import { histogram } from './histogram';
import { digits, facts, remarks, shownCases, valuesOf } from './words';

/** Lays rows out in columns; the terminal's own. */
export type FormatTable = (rows: readonly (readonly string[])[], paddingBlanks?: number) => string;

export interface TextOptions {
  width: number;
  ascii: boolean;
  formatTable: FormatTable;
}

const PADDING = 2;

export function textReport(result: BenchResult, { width, ascii, formatTable }: TextOptions): string {
  const cases = shownCases(result);
  const table = (rows: string[][]): string => formatTable(aligned(rows), PADDING);
  const drawn = cases.map((one) => ({ label: one.label, values: valuesOf(one, 'ready') }));
  const parts = [
    formatTable(facts(result), PADDING),
    `From the command to the first instruction of the payload, ms\n\n${table(readyRows(cases))}`,
    histogram(drawn, 'ms', width, ascii),
    `Medians, ms\n\n${table(medianRows(cases))}`,
    ...(result.throughput.length > 0 ? [`${throughputTitle(result)}\n\n${table(throughputRows(result))}`] : []),
    ...(result.memory.length > 0 ? [`${memoryTitle(result)}\n\n${table(memoryRows(result))}`] : []),
    ...(result.phases.length > 0 ? [`Phases from inside, medians, ms\n\n${table(phaseRows(result))}`] : []),
    ...(remarks(result).length > 0
      ? [
          remarks(result)
            .map((line) => `note: ${line}\n`)
            .join(''),
        ]
      : []),
  ];
  return parts.join('\n');
}

export function readyRows(cases: readonly CaseResult[]): string[][] {
  const rows = cases.map(({ label, summary, ratio }) => {
    const { n = 0, min, mean, p50, p90, p99, max } = summary.ready ?? {};
    return [label, String(n), ...[min, mean, p50, p90, p99, max].map(digits), digits(ratio)];
  });
  return [['', 'n', 'min', 'mean', 'p50', 'p90', 'p99', 'max', 'ratio'], ...rows];
}

export function medianRows(cases: readonly CaseResult[]): string[][] {
  const rows = cases.map(({ label, summary }) => [
    label,
    ...(['ready', 'returned', 'stopped', 'cpu'] as const).map((metric) => digits(summary[metric]?.p50)),
  ]);
  return [['', 'ready', 'returned', 'stopped', 'CPU'], ...rows];
}

export function throughputTitle({ throughput }: BenchResult): string {
  return `Throughput, ${throughput[0]?.concurrency} at a time`;
}

export function throughputRows({ throughput }: BenchResult): string[][] {
  const rows = throughput.map(({ label, what, jobs, wallMs, perSecond, failures }) => [
    label,
    what,
    digits(perSecond),
    String(jobs),
    digits(wallMs / 1000),
    String(failures),
  ]);
  return [['', 'what', 'per second', 'jobs', 'seconds', 'failed'], ...rows];
}

export function memoryTitle({ memory }: BenchResult): string {
  return `Memory beside the payload (PSS), ${memory[0]?.instances} running, KiB`;
}

export function memoryRows({ memory }: BenchResult): string[][] {
  const rows = memory.map(({ label, perInstanceKib, totalKib, processes, unreadable }) => [
    label,
    unreadable > 0 && totalKib === 0 ? '-' : digits(perInstanceKib),
    String(totalKib),
    processes.map(({ name, count, kib }) => `${count} ${name} ${kib}`).join(', ') || 'none',
    ...(unreadable > 0 ? [`(${unreadable} not readable)`] : []),
  ]);
  return [['', 'each', 'all', 'processes'], ...rows];
}

/** One row for each part of a phase, one column for each case. */
export function phaseRows({ phases }: BenchResult): string[][] {
  const nameOf = ({ name, detail }: PhaseResult['phases'][number]): string =>
    detail === undefined ? name : `${name}: ${detail}`;
  // In the order of the case that has most of them.
  const longest = [...phases].sort((a, b) => b.phases.length - a.phases.length);
  const names = [...new Set(longest.flatMap(({ phases: of }) => of.map(nameOf)))];
  const rows = names.map((name) => [
    name,
    ...phases.map(({ phases: of }) => digits(of.find((part) => nameOf(part) === name)?.p50)),
  ]);
  return [['', ...phases.map(({ label }) => label)], ...rows];
}

/** Columns of numbers end where their heads end. */
function aligned(rows: readonly string[][]): string[][] {
  const [, ...body] = rows;
  const isNumber = (column: number): boolean =>
    column > 0 && body.every((row) => /^[\d.]+$|^-?$/.test(row[column] ?? ''));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell)));
}
