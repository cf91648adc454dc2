/** Shell patterns in the sources of `%files`: variables, `~`, braces, `*`, `?` and `[…]`. */
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { plainWord } from '../../../formats/definition/words';

const MAX_RESULTS = 100_000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a pattern is looked up: how the parts of a path lead to a directory to list. */
export interface PatternRoot {
  /** Host path of a path as the pattern's author sees it. */
  locate(path: string): string;
}

/**
 * What a pattern stands for, sorted. A pattern that matches nothing stands for itself, as in a shell; a backslash takes
 * a character literally.
 * @throws RuntimeError DEFINITION for more than 100,000 results
 */
export function expandPattern(pattern: string, root: PatternRoot): string[] {
  return expandBraces(pattern).flatMap((one) => {
    if (!hasGlob(one)) return [plainWord(one)];
    const found = matchPaths(one, root);
    return found.length > 0 ? found : [plainWord(one)];
  });
}

/** `~`, `$NAME` and `${NAME}`; a value is taken literally. An unset variable is nothing. */
export function expandVariables(text: string, env: Environment): string {
  const home = text === '~' || text.startsWith('~/') ? escapeGlob(env.HOME ?? '') + text.slice(1) : text;
  return home.replace(/\\.|\$(\w+)|\$\{(\w+)\}/gs, (whole, plain?: string, braced?: string) => {
    const name = plain ?? braced;
    return name === undefined ? whole : escapeGlob(env[name] ?? '');
  });
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]{}\\~$]/g, '\\$&');
}

function hasGlob(text: string): boolean {
  return /[*?[]/.test(text.replace(/\\./gs, ''));
}

/** `a{b,c}d` is `abd` and `acd`; without a comma braces stand for themselves. */
function expandBraces(text: string): string[] {
  const open = findOpenBrace(text, 0);
  if (open === undefined) return [text];
  const { parts, end } = open;
  const head = text.slice(0, open.start);
  const tails = expandBraces(text.slice(end));
  const middles = parts.flatMap(expandBraces);
  if (middles.length * tails.length > MAX_RESULTS) throw tooMany(text);
  return middles.flatMap((middle) => tails.map((tail) => head + middle + tail));
}

/** The first brace that has a comma and an end; its parts. */
function findOpenBrace(text: string, from: number): { start: number; end: number; parts: string[] } | undefined {
  for (let start = from; start < text.length; start++) {
    if (text[start] === '\\') start++;
    else if (text[start] === '{') {
      const found = readBrace(text, start);
      if (found) return found;
    }
  }
  return undefined;
}

function readBrace(text: string, start: number): { start: number; end: number; parts: string[] } | undefined {
  const parts: string[] = [];
  let depth = 1;
  let begin = start + 1;
  for (let at = begin; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '{') depth++;
    else if (char === ',' && depth === 1) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    } else if (char === '}' && --depth === 0) {
      if (parts.length === 0) return undefined;
      return { start, end: at + 1, parts: [...parts, text.slice(begin, at)] };
    }
  }
  return undefined;
}

/** Walks the components; only those with a pattern are listed. */
function matchPaths(pattern: string, root: PatternRoot): string[] {
  const names = pattern.split('/');
  let found = [names[0] === '' ? '/' : ''];
  for (const [index, name] of names.entries()) {
    if (name === '') continue;
    const last = index === names.length - 1; // a slash at the end asks for directories
    found = hasGlob(name)
      ? found.flatMap((at) => matchName(at, name, root))
      : found.map((at) => join(at, plainWord(name)));
    if (found.length > MAX_RESULTS) throw tooMany(pattern);
    found = found.filter((at) => (last ? exists(root.locate(at)) : isDirectory(root.locate(at))));
  }
  const slash = pattern.endsWith('/') ? '/' : '';
  return found.sort().map((path) => path + slash);
}

function tooMany(pattern: string): RuntimeError {
  return new RuntimeError('DEFINITION', `"${pattern}" stands for more than ${MAX_RESULTS} files`, { path: pattern });
}

function matchName(directory: string, pattern: string, root: PatternRoot): string[] {
  const wanted = tokens(pattern);
  let names: string[];
  try {
    names = readdirSync(root.locate(directory === '' ? '.' : directory));
  } catch {
    return []; // not a directory, or not to be read: nothing matches
  }
  // Names that begin with a dot are matched by a dot alone.
  const hidden = pattern.startsWith('.');
  return names
    .filter((name) => matches(wanted, name) && (hidden || !name.startsWith('.')))
    .map((name) => join(directory, name));
}

/** One character, any number of characters (`*`), or a test for one character. */
type Token = string | typeof ANY | ((char: string) => boolean);
const ANY = Symbol('*');

function tokens(pattern: string): Token[] {
  const found: Token[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '\\' && at + 1 < chars.length) found.push(chars[++at] as string);
    else if (char === '*') found.push(ANY);
    else if (char === '?') found.push(() => true);
    else if (char === '[') {
      const set = readSet(chars, at);
      found.push(set?.test ?? char);
      at = set?.end ?? at;
    } else found.push(char);
  }
  return found;
}

/** `[a-z]`, `[!a]`; a `]` directly behind the bracket is one of the characters. */
function readSet(chars: string[], start: number): { test: (char: string) => boolean; end: number } | undefined {
  let at = start + 1;
  const negated = chars[at] === '!' || chars[at] === '^';
  if (negated) at++;
  const end = chars.indexOf(']', at + 1);
  if (end < 0) return undefined;
  const members = chars.slice(at, end);
  const test = (char: string): boolean => {
    for (let i = 0; i < members.length; i++) {
      const [from, dash, to] = [members[i] as string, members[i + 1], members[i + 2]];
      const isRange = dash === '-' && to !== undefined;
      if (isRange ? from <= char && char <= to : from === char) return true;
      if (isRange) i += 2;
    }
    return false;
  };
  return { test: (char) => test(char) !== negated, end };
}

/** Two positions that only go forward, and one to return to behind the last `*`: no pattern takes long. */
function matches(wanted: Token[], name: string): boolean {
  const chars = [...name];
  let [at, star, resume] = [0, -1, 0];
  for (let i = 0; i < chars.length; ) {
    const token = wanted[at];
    const char = chars[i] as string;
    if (token === ANY) {
      star = at++;
      resume = i;
    } else if (token !== undefined && (typeof token === 'function' ? token(char) : token === char)) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++resume;
    } else return false;
  }
  return wanted.slice(at).every((token) => token === ANY);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
