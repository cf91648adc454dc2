/** The command line parser: flags as the table in flags/ describes them, up to the first positional argument. */
import { RuntimeError } from '../../errors';
import type { FlagSource } from '../flags';
import type { Flag } from '../flags/flag';

export type FlagValue = boolean | string | number | string[] | Record<string, string>;
export type Source = 'flag' | 'environment';

interface Entry {
  value: FlagValue;
  source: Source;
  /** As the user gave it: `--cwd`, or the name of the environment variable. */
  given: string;
}

/** The values that were given; whoever asks for a value that was not given gets the zero of its type. */
export class Options {
  private readonly entries = new Map<string, Entry>();
  /** Where options may stand on the command line: how many words were left at each such place. */
  readonly places: number[] = [];

  /** A boolean flag. */
  flag(key: string): boolean {
    return this.entries.get(key)?.value === true;
  }
  /** A string flag; an empty value counts as none. */
  text(key: string): string | undefined {
    const value = this.entries.get(key)?.value;
    return typeof value === 'string' && value !== '' ? value : undefined;
  }
  number(key: string): number | undefined {
    const value = this.entries.get(key)?.value;
    return typeof value === 'number' ? value : undefined;
  }
  list(key: string): string[] {
    const value = this.entries.get(key)?.value;
    return Array.isArray(value) ? value : [];
  }
  map(key: string): Record<string, string> {
    const value = this.entries.get(key)?.value;
    return typeof value === 'object' && !Array.isArray(value) ? value : {};
  }
  /** Where a value came from, `undefined` when it was not given. */
  source(key: string): Source | undefined {
    return this.entries.get(key)?.source;
  }
  /** The flag or the variable that gave the value, for messages. */
  given(key: string): string | undefined {
    return this.entries.get(key)?.given;
  }
  keys(): Iterable<string> {
    return this.entries.keys();
  }
  isEmpty(): boolean {
    return this.entries.size === 0;
  }
  has(key: string): boolean {
    return this.entries.has(key);
  }
  delete(key: string): void {
    this.entries.delete(key);
  }
  set(key: string, value: FlagValue, source: Source, given: string): void {
    this.entries.set(key, { value, source, given });
  }
  /** The value itself, whatever its type. */
  value(key: string): FlagValue | undefined {
    return this.entries.get(key)?.value;
  }
}

/** What the first bad word of a command line was; worded as the flag library of Apptainer words it. */
export class FlagError extends RuntimeError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

export interface ParseResult {
  options: Options;
  /** Everything from the first positional argument on. */
  rest: string[];
}

/**
 * Parses flags at the head of `argv`. Parsing stops at the first positional argument, or behind `--`.
 * @throws FlagError for an unknown flag or a value that does not fit.
 */
export function parseFlags(argv: readonly string[], flags: FlagSource, options = new Options()): ParseResult {
  let index = 0;
  while (index < argv.length) {
    const word = argv[index] as string;
    options.places.push(argv.length - index);
    if (word === '--') return { options, rest: argv.slice(index + 1) };
    if (word.length < 2 || word[0] !== '-') break;
    index += word[1] === '-' ? takeLong(argv, index, flags(), options) : takeShorts(argv, index, flags(), options);
  }
  return { options, rest: argv.slice(index) };
}

/** As parseFlags, for commands whose flags may also stand between and behind their arguments. */
export function parseFlagsAnywhere(argv: readonly string[], flags: FlagSource, options = new Options()): ParseResult {
  const end = argv.indexOf('--');
  const rest: string[] = [];
  for (let words = end < 0 ? [...argv] : argv.slice(0, end); words.length > 0; ) {
    const parsed = parseFlags(words, flags, options);
    rest.push(...parsed.rest.slice(0, 1));
    words = parsed.rest.slice(1);
  }
  return { options, rest: end < 0 ? rest : [...rest, ...argv.slice(end + 1)] };
}

/** @returns how many words were consumed. */
function takeLong(argv: readonly string[], index: number, flags: readonly Flag[], options: Options): number {
  const word = argv[index] as string;
  const equals = word.indexOf('=');
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  if (name === '' || name[0] === '-') throw new FlagError(`bad flag syntax: ${word}`);
  const flag = flags.find((candidate) => candidate.name === name);
  if (!flag) throw new FlagError(`unknown flag: --${name}`);
  if (equals >= 0) {
    assign(options, flag, word.slice(equals + 1));
    return 1;
  }
  if (flag.implied !== undefined) {
    assign(options, flag, flag.implied);
    return 1;
  }
  const value = argv[index + 1];
  if (value === undefined) throw new FlagError(`flag needs an argument: --${name}`);
  assign(options, flag, value);
  return 2;
}

/** `-e`, bundles such as `-ce`, and values as `-B/srv`, `-B=/srv` or `-B /srv`. @returns the words consumed. */
function takeShorts(argv: readonly string[], index: number, flags: readonly Flag[], options: Options): number {
  const word = argv[index] as string;
  for (let at = 1; at < word.length; at++) {
    const short = word[at] as string;
    const flag = flags.find((candidate) => candidate.short === short);
    if (!flag) throw new FlagError(`unknown shorthand flag: '${short}' in -${word.slice(at)}`);
    const tail = word.slice(at + 1);
    if (tail[0] === '=') {
      assign(options, flag, tail.slice(1));
      return 1;
    }
    if (flag.implied !== undefined) {
      assign(options, flag, flag.implied);
      continue;
    }
    if (tail !== '') {
      assign(options, flag, tail);
      return 1;
    }
    const value = argv[index + 1];
    if (value === undefined) throw new FlagError(`flag needs an argument: '${short}' in -${word.slice(at)}`);
    assign(options, flag, value);
    return 2;
  }
  return 1;
}

function assign(options: Options, flag: Flag, text: string): void {
  let value: FlagValue;
  try {
    value = convert(flag, text, options.value(flag.key));
  } catch (error) {
    const names = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
    throw new FlagError(`invalid argument "${text}" for "${names}" flag: ${(error as Error).message}`);
  }
  options.set(flag.key, value, 'flag', `--${flag.name}`);
}

/**
 * The value of a flag from its text; what was collected before is extended.
 * @throws Error whose message says what is wrong with the text.
 */
export function convert(flag: Flag, text: string, before: FlagValue | undefined): FlagValue {
  switch (flag.type) {
    case 'bool':
      return parseBoolean(text);
    case 'int':
      return parseInteger(text);
    case 'seconds':
      return parseSeconds(text);
    case 'choice':
      if (flag.choices?.includes(text)) return text;
      throw new Error(`not one of ${flag.choices?.join(', ')}`);
    case 'string':
      return text;
    case 'array':
      return [...((before as string[] | undefined) ?? []), text];
    case 'list':
      return [...((before as string[] | undefined) ?? []), ...splitCsv(text)];
    case 'map':
      return { ...(before as Record<string, string> | undefined), ...parseAssignments(text) };
  }
}

/** The spellings of Go's strconv.ParseBool, which scripts for Apptainer use. */
export function parseBoolean(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new Error('neither true nor false');
}

function parseInteger(text: string): number {
  const value = /^[+-]?\d+$/.test(text) || /^0[xX][\da-fA-F]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Error('not a whole number');
  return value;
}

function parseSeconds(text: string): number {
  const value = /^\d+(\.\d+)?s?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (!Number.isFinite(value)) throw new Error('not a number of seconds');
  return value;
}

/**
 * One CSV record (RFC 4180): commas separate, a quoted field may hold commas, and `""` is a quote.
 * @throws Error for a quote where none may be.
 */
export function splitCsv(text: string): string[] {
  if (text === '') return [];
  if (!text.includes('"')) return text.split(',');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      const { field, next } = quotedField(text, at);
      fields.push(field);
      at = next;
    } else {
      const comma = text.indexOf(',', at);
      const field = comma < 0 ? text.slice(at) : text.slice(at, comma);
      if (field.includes('"')) throw new Error('a quote inside an unquoted field');
      fields.push(field);
      at += field.length;
    }
    if (at >= text.length) return fields;
    at += 1; // the comma
  }
}

function quotedField(text: string, start: number): { field: string; next: number } {
  let field = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new Error('a quote is not closed');
    field += text.slice(at, quote);
    at = quote + 1;
    if (text[at] === '"') {
      field += '"';
      at += 1;
    } else if (at >= text.length || text[at] === ',') {
      return { field, next: at };
    } else {
      throw new Error('text behind a closing quote');
    }
  }
}

/** `A=1` as it is; with several `=` a CSV record of assignments, as in `A=1,B=2`. */
function parseAssignments(text: string): Record<string, string> {
  const equals = text.split('=').length - 1;
  const quoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  const parts = equals > 1 || quoted ? splitCsv(text) : [text];
  const result: Record<string, string> = {};
  for (const part of parts) {
    const at = part.indexOf('=');
    if (at < 0) throw new Error(`${part} must be formatted as key=value`);
    result[part.slice(0, at)] = part.slice(at + 1);
  }
  return result;
}
