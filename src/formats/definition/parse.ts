/** Definition files: text in, stages out. docs/definition-files.md describes the language. */
import { BuildArguments } from './arguments';
import type { AppDefinition, Definition, FilesSection, Line, Script, ScriptSection, Stage } from './definition';
import { SCRIPT_SECTIONS } from './definition';
import { definitionError } from './errors';
import { parseHeader } from './header';
import {
  APP_SECTIONS,
  checkSections,
  entryLines,
  parseCopy,
  parseLabel,
  type Section,
  scriptOf,
  splitSections,
  textOf,
} from './sections';

const STAGE_BEGIN = /^bootstrap\s*:/i;
/** A directory, and a word in shell scripts. */
const APP_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+@:-]*$/;

export interface ParsedDefinition {
  definition: Definition;
  /** Names of build arguments that nothing asked for. */
  unused: string[];
  /** What was passed over, in words. */
  warnings: string[];
}

/**
 * Parses a definition file.
 * @param name of the file, for messages
 * @param buildArgs values for `{{ NAME }}`
 * @throws RuntimeError DEFINITION
 */
export function parseDefinition(
  text: string,
  name: string,
  buildArgs: ReadonlyMap<string, string> = new Map(),
): ParsedDefinition {
  const values = new BuildArguments(buildArgs, name);
  const warnings: string[] = [];
  const blocks = splitStages(readLines(text), name).map((lines) =>
    values.substitute(lines, defaultArguments(lines, name, warnings)),
  );
  const stages = blocks.map((lines) => parseStage(lines, name, warnings));
  const kept = blocks.flat().map((line) => `${line.text}\n`);
  return { definition: { name, text: kept.join(''), stages }, unused: values.unused(), warnings };
}

/** Whether a text that is no image may be a definition file. */
export function looksLikeDefinition(text: string): boolean {
  return !text.includes('\0') && (/^\s*bootstrap\s*:/im.test(text) || /^\s*%[a-z]+/im.test(text));
}

function readLines(text: string): Line[] {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, index) => ({ text: line.replace(/\r$/, ''), number: index + 1 }));
}

/** A stage begins with a line `bootstrap:`; what stands in front of the first one belongs to it. */
function splitStages(lines: Line[], name: string): Line[][] {
  const first = lines.findIndex(({ text }) => !isEmpty(text));
  if (first < 0) throw definitionError(name, 1, 'no stages found in definition file', 'it begins with "Bootstrap: …"');
  const stages: Line[][] = [];
  let header = true; // still in front of the first section
  for (const line of lines.slice(first)) {
    const begins = STAGE_BEGIN.test(line.text) && (stages.length > 0 || header);
    const current = stages.at(-1);
    if (!current || (begins && (hasBootstrap(current) || !header))) stages.push([line]);
    else current.push(line);
    if (begins) header = true;
    else if (/^\s*%/.test(line.text)) header = false;
  }
  for (const stage of stages) {
    if (hasBootstrap(stage)) continue;
    parseHeader(splitSections(stage).header, name); // may know better what is wrong
    throw missingBootstrap((stage[0] as Line).number, name);
  }
  return stages;
}

function hasBootstrap(lines: Line[]): boolean {
  const { header } = splitSections(lines);
  return header.some(({ text }) => /^\s*bootstrap\s*:/i.test(text));
}

function missingBootstrap(line: number, name: string): Error {
  const hint = 'every stage begins with "Bootstrap: AGENT"';
  return definitionError(name, line, 'no bootstrap specification found', hint);
}

function isEmpty(text: string): boolean {
  return /^\s*(#|$)/.test(text);
}

/** `%arguments` as it stands, before anything is put in. */
function defaultArguments(lines: Line[], name: string, warnings: string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const section of splitSections(lines).sections) {
    if (section.name !== 'arguments') continue;
    for (const { text, number } of entryLines(section)) {
      const [, key, value = ''] = /^([^=\s]+)\s*=\s*(.*)$/s.exec(text) ?? [];
      if (key !== undefined) values.set(key, value);
      else warnings.push(`Skipping "${text}" in 'arguments' section (${name}:${number}): it is not a key=value pair`);
    }
  }
  return values;
}

function parseStage(lines: Line[], name: string, warnings: string[]): Stage {
  const { header, sections } = splitSections(lines);
  checkSections(sections, name);
  const scripts: Partial<Record<ScriptSection, Script>> = {};
  for (const key of SCRIPT_SECTIONS) {
    const script = scriptOf(sections, key);
    if (script) scripts[key] = script;
  }
  const keys = parseHeader(header, name);
  const bootstrap = keys.get('bootstrap');
  // A build argument may have left nothing of it.
  if (!bootstrap?.value) throw missingBootstrap(bootstrap?.line ?? (lines[0] as Line).number, name);
  return {
    header: keys,
    line: (lines[0] as Line).number,
    scripts,
    files: sections.filter((section) => section.name === 'files').map((section) => parseFiles(section, name, warnings)),
    labels: sections
      .filter((section) => section.name === 'labels')
      .flatMap(entryLines)
      .map(({ text }) => parseLabel(text)),
    apps: parseApps(sections, name, warnings),
  };
}

function parseFiles(section: Section, name: string, warnings: string[]): FilesSection {
  const words = section.args === '' ? [] : section.args.split(/\s+/);
  if (words.length !== 0 && (words.length !== 2 || words[0]?.toLowerCase() !== 'from')) {
    throw definitionError(name, section.line, `%files ${section.args}`, 'write "%files" or "%files from STAGE"');
  }
  const copies = entryLines(section).map((line) => parseCopy(line, name, warnings));
  return { ...(words[1] === undefined ? {} : { from: words[1] }), copies, line: section.line };
}

/** The sections of every app, in the order of first mention. */
function parseApps(sections: Section[], name: string, warnings: string[]): AppDefinition[] {
  const apps = new Map<string, AppDefinition>();
  for (const section of sections) {
    if (!Object.hasOwn(APP_SECTIONS, section.name)) continue;
    const [appName = ''] = section.args.split(/\s+/);
    checkAppName(appName, section, name);
    const app = apps.get(appName) ?? { name: appName, labels: [], files: [] };
    apps.set(appName, app);
    const part = APP_SECTIONS[section.name as keyof typeof APP_SECTIONS];
    if (part === 'labels') app.labels.push(...entryLines(section).map(({ text }) => parseLabel(text)));
    else if (part === 'files') app.files.push(...entryLines(section).map((line) => parseCopy(line, name, warnings)));
    else {
      const before = app[part];
      app[part] = { args: '', text: (before?.text ?? '') + textOf(section), line: before?.line ?? section.line };
    }
  }
  return [...apps.values()];
}

function checkAppName(appName: string, section: Section, name: string): void {
  if (appName === '') {
    const what = `app section ${section.name}: could not be split into section name and app name`;
    throw definitionError(name, section.line, what, `write "%${section.name} NAME"`);
  }
  if (!APP_NAME.test(appName)) {
    const what = `app section ${section.name}: "${appName}" cannot be the name of an app`;
    throw definitionError(name, section.line, what, 'use letters, digits and . _ + @ : -');
  }
}
