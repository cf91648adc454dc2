/** The lines of a stage, taken apart at the lines that begin with `%`. */
import { type FileCopy, type Line, SCRIPT_SECTIONS, type Script } from './definition';
import { definitionError } from './errors';
import { plainWord, splitWords } from './words';

export interface Section {
  /** Lower case, without `%`. */
  name: string;
  /** What stands behind the name, without a comment. */
  args: string;
  lines: Line[];
  line: number;
}

export const APP_SECTIONS = {
  appinstall: 'install',
  apprun: 'run',
  appstart: 'start',
  apptest: 'test',
  appenv: 'environment',
  apphelp: 'help',
  applabels: 'labels',
  appfiles: 'files',
} as const;

const KNOWN = new Set<string>([...SCRIPT_SECTIONS, 'files', 'labels', 'arguments', ...Object.keys(APP_SECTIONS)]);

/** Splits a stage into its header and its sections, in the order of the file. */
export function splitSections(lines: Line[]): { header: Line[]; sections: Section[] } {
  const header: Line[] = [];
  const sections: Section[] = [];
  for (const line of lines) {
    const begin = /^\s*%(\S*)(.*)$/.exec(line.text);
    const current = sections.at(-1);
    if (begin) {
      const args = (begin[2] as string).replace(/#.*/, '').trim();
      sections.push({ name: (begin[1] as string).toLowerCase(), args, lines: [], line: line.number });
    } else if (current) current.lines.push(line);
    else header.push(line);
  }
  return { header, sections };
}

/** @throws RuntimeError DEFINITION for a section nobody knows */
export function checkSections(sections: Section[], name: string): void {
  const [unknown] = sections.filter((section) => !KNOWN.has(section.name));
  if (!unknown) return;
  const names = sections.filter((section) => !KNOWN.has(section.name)).map((section) => section.name);
  const what = `invalid section(s) specified: ${[...new Set(names)].join(', ')}`;
  const hint = 'a line whose first character is % begins a section; docs/definition-files.md lists them';
  throw definitionError(name, unknown.line, what, hint);
}

/** Sections of one name as one script. */
export function scriptOf(sections: Section[], name: string): Script | undefined {
  const parts = sections.filter((section) => section.name === name);
  const [first] = parts;
  if (!first) return undefined;
  const args = parts.find((part) => part.args !== '')?.args ?? '';
  return { args, text: parts.map(textOf).join(''), line: first.line };
}

export function textOf(section: Section): string {
  return section.lines.map(({ text }) => `${text}\n`).join('');
}

/** Lines that say something: not blank, no comments. */
export function entryLines(section: Section): Line[] {
  return section.lines
    .map(({ text, number }) => ({ text: text.trim(), number }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
}

/** `name value with blanks`; quotes are part of the value. */
export function parseLabel(text: string): [name: string, value: string] {
  const [, name = '', value = ''] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
  return [name, value.trim()];
}

/**
 * `SOURCE [TARGET]`; more words are passed over, as other builders do, but not silently.
 * @throws RuntimeError DEFINITION
 */
export function parseCopy(line: Line, name: string, warnings: string[]): FileCopy {
  const words = splitWords(line.text);
  if (words === undefined) {
    throw definitionError(name, line.number, `a quote is not closed: ${line.text}`, 'write "a name with blanks"');
  }
  if (words.length > 2) {
    warnings.push(`${name}:${line.number}: only a source and a target are read of: ${line.text}`);
  }
  const [source = '', target = ''] = words;
  if (source === '') throw definitionError(name, line.number, 'a source without a name');
  return { source, target: plainWord(target), line: line.number };
}
