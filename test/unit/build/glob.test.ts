import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expandPattern, expandVariables } from '../../../src/runtime/build/sections/glob';

let dir: string;
const expand = (pattern: string) => expandPattern(pattern, { locate: (path) => join(dir, path) });

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-glob-'));
  for (const name of ['a1', 'a2', 'b1', '.hidden', 'with space', 'star*', 'x]y', 'ü'])
    writeFileSync(join(dir, name), '');
  mkdirSync(join(dir, 'sub/deep'), { recursive: true });
  writeFileSync(join(dir, 'sub/c1'), '');
  symlinkSync('nowhere', join(dir, 'dangling'));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('patterns', () => {
  it.each([
    ['a1', ['a1']],
    ['a*', ['a1', 'a2']],
    ['?1', ['a1', 'b1']],
    ['[ab]1', ['a1', 'b1']],
    ['[!a]1', ['b1']],
    ['[^a]1', ['b1']],
    ['a[1-2]', ['a1', 'a2']],
    ['x[]]y', ['x]y']],
    ['[', ['[']],
    ['a[2-1]', ['a[2-1]']],
    ['?', ['ü']],
    ['.h*', ['.hidden']],
    ['*hidden', ['*hidden']],
    ['with\\ space', ['with space']],
    ['star\\*', ['star*']],
    ['\\*', ['*']],
    ['dang*', ['dangling']],
    ['sub/*', ['sub/c1', 'sub/deep']],
    ['*/c?', ['sub/c1']],
    ['s*/', ['sub/']],
    ['a1/*', ['a1/*']],
    ['/a*', ['/a1', '/a2']],
    ['nosuch*', ['nosuch*']],
    ['{a,b}1', ['a1', 'b1']],
    ['{a1,n{o,p}}', ['a1', 'no', 'np']],
    ['{a*,sub/c1}', ['a1', 'a2', 'sub/c1']],
    ['{a}', ['{a}']],
    ['{a,b', ['{a,b']],
    ['\\{a,b}', ['{a,b}']],
    ['a{,1}', ['a', 'a1']],
  ])('%j', (pattern, expected) => {
    expect(expand(pattern)).toEqual(expected);
  });

  it('are not expanded without end', () => {
    expect(() => expand('{a,b}'.repeat(18))).toThrow('more than 100000 files');
    // Neither does a pattern take for ever.
    expect(expand(`${'*'.repeat(30)}nosuch`)).toHaveLength(1);
  });
});

describe('variables', () => {
  const env = { HOME: '/home/a b', X: 'v*l', EMPTY: '' };
  it.each([
    ['~', '/home/a b'],
    ['~/x', '/home/a b/x'],
    ['a~', 'a~'],
    ['$X/y', 'v\\*l/y'],
    ['${X}y$EMPTY$UNSET.', 'v\\*ly.'],
    ['\\$X', '\\$X'],
    ['$', '$'],
    ['$(id)', '$(id)'],
    ['*$X', '*v\\*l'],
  ])('%j', (text, expected) => {
    expect(expandVariables(text, env)).toBe(expected);
  });
});
