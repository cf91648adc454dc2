/** The header of a stage: `Key: value` lines in front of the first section. */
import type { HeaderValue, Line } from './definition';
import { definitionError } from './errors';

const KEYS = new Set(
  (
    'bootstrap from includecmd mirrorurl updateurl osversion include library registry namespace stage product user ' +
    'regcode productpgp registerurl modules fingerprints confurl setopt target frontend filename buildargs'
  ).split(' '),
);
const NUMBERED = /^otherurl\d+$/;

/**
 * Reads header lines. What stands behind a `#` is a comment; a value that ends in `\` goes on in the next line, one
 * that ends in `\n\` with a line feed between.
 * @throws RuntimeError DEFINITION
 */
export function parseHeader(lines: Line[], name: string): Map<string, HeaderValue> {
  const header = new Map<string, HeaderValue>();
  for (let at = 0; at < lines.length; at++) {
    const first = lines[at] as Line;
    let text = withoutComment(first.text);
    if (text === '') continue;
    while (text.endsWith('\\') && at + 1 < lines.length) {
      const breaks = text.endsWith('\\n\\');
      const next = withoutComment((lines[++at] as Line).text);
      text = breaks ? `${text.slice(0, -3).trimEnd()}\n${next}` : `${text.slice(0, -1).trimEnd()} ${next}`.trim();
    }
    const colon = text.indexOf(':');
    if (colon < 0) {
      throw definitionError(name, first.number, `failed to parse deffile header: header key ${text} had no val`, HINT);
    }
    const key = text.slice(0, colon).trim().toLowerCase();
    if (!KEYS.has(key) && !NUMBERED.test(key)) {
      const what = `failed to parse deffile header: invalid header keyword found: ${key}`;
      throw definitionError(name, first.number, what, 'docs/definition-files.md lists the keys');
    }
    header.set(key, { value: text.slice(colon + 1).trim(), line: first.number });
  }
  return header;
}

const HINT = 'in front of the first section there are only lines "Key: value"';

function withoutComment(text: string): string {
  const hash = text.indexOf('#');
  return (hash < 0 ? text : text.slice(0, hash)).trim();
}
