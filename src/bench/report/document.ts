/** The reports that stand alone: one HTML page or one SVG picture, without anything that is fetched. */
import type { BenchResult } from '../types';
import { type Drawing, escapeMarkup, label, PICTURE_STYLE, stacked, svgOf } from './markup';
import { barPlot, distributionPlot, stackedPlot } from './plots';
import { medianRows, memoryRows, memoryTitle, phaseRows, readyRows, throughputRows, throughputTitle } from './text';
import { facts, remarks, shownCases, TITLES, valuesOf } from './words';

const PAGE_STYLE = `:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#24292f;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}svg{width:100%;height:auto;margin:1rem 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;border-bottom:1px solid #d8dee4;text-align:right;vertical-align:top}
th:first-child,td:first-child,.words td{text-align:left}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#3a424c}}
`;

interface Section {
  title: string;
  drawing?: Drawing;
  rows?: string[][];
}

/** A page with the pictures and with the numbers of all tables. */
export function htmlReport(result: BenchResult): string {
  const title = titleOf(result);
  const parts = sections(result).map(({ title: head, drawing, rows }) =>
    [`<h2>${escapeMarkup(head)}</h2>`, drawing ? svgOf(drawing, head) : '', rows ? tableOf(rows) : ''].join('\n'),
  );
  const notes = remarks(result).map((text) => `<li>${escapeMarkup(text)}</li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title>
<style>${PAGE_STYLE}${PICTURE_STYLE}</style>
</head>
<body>
<h1>${escapeMarkup(title)}</h1>
${parts.join('\n')}
${notes.length > 0 ? `<h2>Notes</h2>\n<ul>${notes.join('\n')}</ul>` : ''}
<h2>Machine</h2>
<div class="wide"><table class="words">${facts(result).map(rowOf).join('\n')}</table></div>
</body>
</html>
`;
}

/** The pictures alone, with the facts below. */
export function svgReport(result: BenchResult): string {
  const drawings = sections(result).flatMap(({ drawing }) => (drawing ? [drawing] : []));
  const lines = [...facts(result).map(([name, text]) => `${name}: ${text}`), ...remarks(result)];
  const text = lines.map((line, index) => label(0, 12 + index * 16, line, 'small')).join('\n');
  const title = { body: label(0, 18, titleOf(result), 'title'), height: 22 };
  return svgOf(stacked([title, ...drawings, { body: text, height: lines.length * 16 }]), titleOf(result), SVG_STYLE);
}

/** A picture has a ground of its own where a viewer gives it none. */
const SVG_STYLE = `svg{background:#fff}${PICTURE_STYLE}@media (prefers-color-scheme:dark){svg{background:#0d1117}}`;

function titleOf({ operation, image }: BenchResult): string {
  return `davit bench launch: ${TITLES[operation]}, ${image.path.slice(image.path.lastIndexOf('/') + 1)}`;
}

function sections(result: BenchResult): Section[] {
  const cases = shownCases(result);
  const series = cases.map((one) => ({ label: one.label, values: valuesOf(one, 'ready') }));
  const ready = 'From the command to the first instruction of the payload';
  const medians = cases.map(({ label: name, summary }) => ({ label: name, value: summary.ready?.p50 ?? 0 }));
  const throughput = result.throughput.map(({ label: name, what, perSecond }) => ({
    label: `${name}: ${what}`,
    value: perSecond,
  }));
  const memory = result.memory.map(({ label: name, perInstanceKib }) => ({ label: name, value: perInstanceKib }));
  const phases = result.phases.map(({ label: name, phases: of }) => ({
    label: name,
    parts: summed(of),
  }));
  return [
    {
      title: 'Ready',
      drawing: stacked([
        distributionPlot(`${ready}: share of rounds`, series, 'ms'),
        barPlot(`${ready}: median`, medians, 'ms'),
      ]),
      rows: readyRows(cases),
    },
    { title: 'Medians, ms', rows: medianRows(cases) },
    ...(phases.length > 0
      ? [
          {
            title: 'Phases',
            drawing: stackedPlot('Phases from inside, medians', phases, 'ms'),
            rows: phaseRows(result),
          },
        ]
      : []),
    ...(throughput.length > 0
      ? [
          {
            title: 'Throughput',
            drawing: barPlot(throughputTitle(result), throughput, 'per s'),
            rows: throughputRows(result),
          },
        ]
      : []),
    ...(memory.length > 0
      ? [{ title: 'Memory', drawing: barPlot(memoryTitle(result), memory, 'KiB'), rows: memoryRows(result) }]
      : []),
  ];
}

/** The phases that make up the time until the payload runs, each with all its parts. */
function summed(phases: BenchResult['phases'][number]['phases']): { name: string; value: number }[] {
  const sums = new Map<string, number>();
  for (const { name, counted, p50 } of phases) if (counted) sums.set(name, (sums.get(name) ?? 0) + p50);
  return [...sums].map(([name, value]) => ({ name, value }));
}

function tableOf([head = [], ...rows]: string[][]): string {
  const cells = head.map((cell) => `<th>${escapeMarkup(cell)}</th>`).join('');
  return `<div class="wide"><table><tr>${cells}</tr>\n${rows.map(rowOf).join('\n')}</table></div>`;
}

function rowOf(row: readonly string[]): string {
  return `<tr>${row.map((cell) => `<td>${escapeMarkup(cell)}</td>`).join('')}</tr>`;
}
