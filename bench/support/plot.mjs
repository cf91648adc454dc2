// Bars of medians as an SVG that reads on light and dark pages: one group for each question, shortest name first.
const width = 760;
const left = 250;
const right = 90;
const bar = 18;
const gap = 8;
const head = 34;

/**
 * @param groups each { title, unit, rows: [{ name, value, note? }] }
 * @returns the text of an SVG file
 */
export function plot(groups, { cpus, kernel, node }) {
  const parts = [];
  let y = 10;
  for (const { title, unit, rows } of groups) {
    const most = Math.max(...rows.map(({ value }) => value));
    parts.push(text(10, y + 18, title, 'title'));
    y += head;
    for (const { name, value, note } of rows) {
      const length = Math.max(1, ((width - left - right) * value) / most);
      const kind = name.startsWith('davit') ? 'ours' : 'theirs';
      parts.push(text(left - 8, y + 13, name, 'name'));
      parts.push(`<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar}" class="${kind}"/>`);
      parts.push(text(left + length + 6, y + 13, `${shown(value)} ${unit}${note ? `, ${note}` : ''}`, 'value'));
      y += bar + gap;
    }
    y += 14;
  }
  parts.push(text(10, y + 10, `${cpus} CPUs, Linux ${kernel}, Node ${node}; medians`, 'foot'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 22}" font-family="sans-serif" font-size="13">
<style>
text { fill: #24292f } .title { font-weight: bold } .name { text-anchor: end } .foot { font-size: 11px; fill: #6e7781 }
.ours { fill: #1f7a4d } .theirs { fill: #9aa7b3 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .foot { fill: #9198a1 } .ours { fill: #3fb27f } .theirs { fill: #5d6b79 } }
</style>
${parts.join('\n')}
</svg>
`;
}

function shown(value) {
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

function text(x, y, words, kind) {
  const escaped = words.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]);
  return `<text x="${x.toFixed(1)}" y="${y}" class="${kind}">${escaped}</text>`;
}
