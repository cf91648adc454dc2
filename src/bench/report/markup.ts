/** What HTML and SVG share: escaping, colours, pieces of pictures. */

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for an element or an attribute. Characters that XML does not know at all are shown as a question mark. */
export function escapeMarkup(text: string): string {
  return text
    .replace(
      /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '?',
    )
    .replace(/[&<>"']/g, (sign) => ESCAPES[sign] as string);
}

/** So many series have a colour of their own; then they begin again. */
export const COLORS = 8;

/** Readable on light and on dark ground, and by people who see few colours (after Okabe and Ito). */
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#b35c92', '#8a6d00', '#3a86c8', '#555555', '#9c2f2f'];
const DARK = ['#5ab4ff', '#ff9a56', '#3fd6a5', '#e79ac9', '#e6c84a', '#9cd3ff', '#b8bec6', '#ff8d8d'];

const colorRules = (colors: readonly string[]): string =>
  colors.map((color, at) => `.s${at}{stroke:${color}}.f${at}{fill:${color}}`).join('');

/** Rules for the pictures; the page adds its own. */
export const PICTURE_STYLE =
  'text{fill:#24292f;font:13px system-ui,sans-serif}.title{font-weight:600;font-size:15px}.small{font-size:11px}' +
  '.right{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#d8dee4;stroke-width:1}.line{fill:none;stroke-width:2}' +
  colorRules(LIGHT) +
  '@media (prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3a424c}' +
  colorRules(DARK) +
  '}';

/** A part of a picture, with its height; it begins at 0. */
export interface Drawing {
  body: string;
  height: number;
}

export const WIDTH = 800;

export function label(x: number, y: number, words: string, kind = ''): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}"${kind === '' ? '' : ` class="${kind}"`}>${escapeMarkup(words)}</text>`;
}

export function fixed(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** One below the other. */
export function stacked(drawings: readonly Drawing[], gap = 24): Drawing {
  let y = 0;
  const parts: string[] = [];
  for (const { body, height } of drawings) {
    parts.push(`<g transform="translate(0 ${fixed(y)})">${body}</g>`);
    y += height + gap;
  }
  return { body: parts.join('\n'), height: Math.max(y - gap, 0) };
}

/** A picture of its own; `style` only where no page around it has it. */
export function svgOf({ body, height }: Drawing, title: string, style = ''): string {
  const styles = style === '' ? '' : `<style>${style}</style>\n`;
  const view = `viewBox="-10 -10 ${WIDTH + 20} ${fixed(height + 20)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${view} role="img" aria-label="${escapeMarkup(title)}">\n${styles}${body}\n</svg>\n`;
}
