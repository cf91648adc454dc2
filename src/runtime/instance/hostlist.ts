/**
 * Ranges of names as Slurm writes lists of hosts: `web-[1-200]`, `n[01-16,20]`, `web,db-[1-3]`. What is in brackets are
 * numbers; a beginning with leading zeros gives every number of its range that width.
 */
import { RuntimeError } from '../../errors';
import { checkInstanceName, globMatcher } from './names';

/** More names in one list are a mistake rather than a wish. */
export const MAX_NAMES = 10_000;
/** Digits of a number: all of them are exact. */
const MAX_DIGITS = 15;

/** Whether a text has what only a list of names has; no name of an instance does. */
export function isHostlist(text: string): boolean {
  return /[[\],]/.test(text);
}

/**
 * The names that a list stands for, in its order.
 * @throws RuntimeError INSTANCE_NAME for a list that is none, that has more than MAX_NAMES names or one of them twice
 */
export function expandHostlist(list: string): string[] {
  const names = splitParts(list).flatMap((part) => expandPart(part, list));
  if (names.length > MAX_NAMES) throw tooMany(list);
  return checkNames(names, list);
}

/**
 * NAME-1 to NAME-`count`.
 * @throws RuntimeError INSTANCE_NAME, OPTION for a count below 1 or above MAX_NAMES
 */
export function countedNames(name: string, count: number): string[] {
  if (!Number.isInteger(count) || count < 1 || count > MAX_NAMES) {
    throw new RuntimeError('OPTION', `start ${count} instances: not a number from 1 to ${MAX_NAMES}`);
  }
  return checkNames(
    Array.from({ length: count }, (_, i) => `${name}-${i + 1}`),
    name,
  );
}

/**
 * A test for names by a comma-separated list of names, shell patterns and ranges. Brackets are a range where a shell
 * pattern could not mean it: with a number of several digits or a comma in them, such as `[8-12]` or `[1,3]`.
 * `web[1-3]` is the same either way, `web[12]` and whatever has `*`, `?` or a backslash are shell patterns.
 * @throws RuntimeError INSTANCE_NAME for a range that is none, such as `[12-8]`
 */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const tests = splitParts(pattern).map((part) => {
    if (!isRanges(part)) return globMatcher(part);
    const names = new Set(expandPart(part, pattern));
    return (name: string) => names.has(name);
  });
  return tests.length === 1 ? (tests[0] as (name: string) => boolean) : (name) => tests.some((test) => test(name));
}

/** Writes names shorter: `web-[1-3,7],db`. Names whose number is written with leading zeros stay as they are. */
export function foldNames(names: readonly string[]): string {
  const groups = new Map<string, number[]>();
  const single: string[] = [];
  for (const name of names) {
    const [, stem, digits] = /^(.*?)(0|[1-9]\d{0,14})$/.exec(name) ?? [];
    if (stem === undefined || digits === undefined || stem.endsWith('0')) single.push(name);
    else groups.set(stem, [...(groups.get(stem) ?? []), Number(digits)]);
  }
  const folded = [...groups].map(([stem, numbers]) =>
    numbers.length === 1 ? `${stem}${numbers[0]}` : `${stem}[${ranges(numbers.sort((a, b) => a - b))}]`,
  );
  return [...folded, ...single].join(',');
}

function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs[runs.length - 1];
    if (last && last[1] + 1 === number) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** Commas separate, but not in brackets. */
function splitParts(list: string): string[] {
  const parts: string[] = [];
  let [start, depth] = [0, 0];
  for (let at = 0; at < list.length; at++) {
    if (list[at] === '[') depth = 1;
    else if (list[at] === ']') depth = 0;
    else if (list[at] === ',' && depth === 0) {
      parts.push(list.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, list.slice(start)];
}

function isRanges(part: string): boolean {
  if (!/^(?:[\w.-]|\[\d[\d,-]*\])+$/.test(part)) return false;
  const groups = [...part.matchAll(/\[([^\]]*)\]/g)].map(([, members]) => members as string);
  return groups.length > 0 && groups.every((members) => /[-,]/.test(members));
}

function expandPart(part: string, list: string): string[] {
  let names = [''];
  for (let at = 0; at < part.length; ) {
    const open = part.indexOf('[', at);
    const literal = part.slice(at, open < 0 ? undefined : open);
    if (literal.includes(']')) throw wrong(list, '"]" without "["');
    if (open < 0) return names.map((name) => name + literal);
    const close = part.indexOf(']', open);
    if (close < 0) throw wrong(list, '"[" without "]"');
    const members = expandGroup(part.slice(open + 1, close), list);
    if (names.length * members.length > MAX_NAMES) throw tooMany(list);
    names = names.flatMap((name) => members.map((member) => name + literal + member));
    at = close + 1;
  }
  return names;
}

function expandGroup(group: string, list: string): string[] {
  if (/^\d+$/.test(group)) throw wrong(list, `[${group}] is one number`, `write ${group} without brackets`);
  const members: string[] = [];
  for (const item of group.split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(item) ?? [];
    if (first === undefined || last === undefined) throw wrong(list, `"${item}" is neither a number nor a range`);
    if (Math.max(first.length, last.length) > MAX_DIGITS) throw wrong(list, `"${item}" has too many digits`);
    const isPadded = first.length > 1 && first.startsWith('0');
    const [from, to, width] = [Number(first), Number(last), isPadded ? first.length : 0];
    if (to < from) throw wrong(list, `the range ${item} goes backwards`);
    if (last.startsWith('0') && last.length > 1 && last.length !== width)
      throw wrong(list, `the ends of ${item} have different widths`);
    if (to - from >= MAX_NAMES - members.length) throw tooMany(list);
    for (let number = from; number <= to; number++) members.push(String(number).padStart(width, '0'));
  }
  return members;
}

function checkNames(names: string[], list: string): string[] {
  const seen = new Set<string>();
  for (const name of names) {
    checkInstanceName(name);
    if (seen.has(name)) throw wrong(list, `${name} is in it twice`);
    seen.add(name);
  }
  return names;
}

function wrong(
  list: string,
  why: string,
  hint = 'names are listed as web-[1-200], n[01-16,20] or web,db',
): RuntimeError {
  return new RuntimeError('INSTANCE_NAME', `while checking instance names: ${list}: ${why}`, { path: list, hint });
}

function tooMany(list: string): RuntimeError {
  return wrong(list, `more than ${MAX_NAMES} names`, 'start them in several calls');
}
