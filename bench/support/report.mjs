// Tables for people: Markdown, which is also what docs/performance.md holds.

/** Prints a result: its title, the rows, and what else was found. */
export function print({ title, rows = [], table, text, facts = [] }) {
  const lines = [`\n## ${title}\n`];
  if (rows.length > 0) lines.push(...timeTable(rows));
  if (text) lines.push('```', text.trimEnd(), '```');
  if (table) lines.push(...markdown(table[0], table.slice(1)));
  if (facts.length > 0) lines.push('', ...facts.map((fact) => `- ${fact}`));
  process.stdout.write(`${lines.join('\n')}\n`);
}

function timeTable(rows) {
  const head = ['who', 'what', 'wall ms', 'min', 'p90', 'x node', 'CPU ms', 'CPU x node'];
  const cells = rows.map((row) => [...timeCells(row, 1), fixed(row.cpuRatio.median, 2)]);
  return markdown(head, cells);
}

/** What every table of times says of a case. */
export function timeCells({ group, name, wall, wallRatio, cpu }, digits) {
  return [
    group,
    name,
    fixed(wall.median, digits),
    fixed(wall.min, digits),
    fixed(wall.p90, digits),
    fixed(wallRatio.median, 2),
    fixed(cpu.median, digits),
  ];
}

function markdown(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const ruler = head.map((_, index) => (rows.every((row) => /^[\d.-]+$/.test(row[index])) ? '--:' : '---'));
  return [line(head), line(ruler), ...rows.map(line)];
}

export function fixed(value, digits) {
  return value.toFixed(digits);
}
