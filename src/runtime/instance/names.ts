/** Instance names, and shell patterns over them. */
import { RuntimeError } from '../../errors';

/** As in native/state/instance_dir.h; with `.out` behind it a name stays below NAME_MAX (255). */
const NAME_LIMIT = 128;

/** Letters, digits, dot, underscore and hyphen, one or more. */
export function isInstanceName(name: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(name) && name !== '.' && name !== '..' && name.length <= NAME_LIMIT;
}

/** @throws RuntimeError INSTANCE_NAME */
export function checkInstanceName(name: string): void {
  if (isInstanceName(name)) return;
  throw new RuntimeError('INSTANCE_NAME', `while checking instance name: ${name} is not a valid instance name`, {
    path: name,
    hint: `a name has letters, digits, dots, underscores and hyphens, at most ${NAME_LIMIT}`,
  });
}

/**
 * A test for names by a shell pattern: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before a literal character.
 * A pattern that is none, such as `[` without `]`, matches nothing.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  // Most are a name. An expression made of it takes a millisecond at its first use.
  if (!/[*?[\\]/.test(pattern)) return (name) => name === pattern;
  const source = globSource(pattern);
  if (source === undefined) return () => false;
  let expression: RegExp;
  try {
    expression = new RegExp(`^${source}$`, 's');
  } catch {
    return () => false; // a range such as [z-a]
  }
  return (name) => expression.test(name);
}

function globSource(pattern: string): string | undefined {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] as string;
    if (character === '*') source += '.*';
    else if (character === '?') source += '.';
    else if (character === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) return undefined;
      const negated = pattern[at + 1] === '^' || pattern[at + 1] === '!';
      const members = pattern.slice(negated ? at + 2 : at + 1, end);
      source += `[${negated ? '^' : ''}${members.replace(/[\\\]^[]/g, '\\$&')}]`;
      at = end;
    } else {
      if (character === '\\' && at + 1 < pattern.length) at += 1;
      source += (pattern[at] as string).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    }
  }
  return source;
}
