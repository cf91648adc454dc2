import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { evaluateEnvFile } from '../../../src/runtime/launch/env-file';
import { Notes } from '../../../src/runtime/launch/notes';

const HOST = { HOME: '/home/hpc', FOO: 'foo val', HV: 'host', EMPTY: '' };

function evaluate(text: string, keepEscapes = true, notes = new Notes()): Record<string, string> {
  return Object.fromEntries(evaluateEnvFile(text, { file: 'ef', env: HOST, keepEscapes, notes }));
}

describe('an environment file', () => {
  it.each([
    ['A=1', { A: '1' }],
    ['# comment\n\n  A=1 # tail\nB=2', { A: '1', B: '2' }],
    ['export A="two words"\r\nB=x', { A: 'two words', B: 'x' }],
    ['A=1; B=2 C=3', { A: '1', B: '2', C: '3' }],
    ["A='single $FOO'", { A: 'single $FOO' }],
    ['A=$FOO-$HV B=${HV}x', { A: 'foo val-host', B: 'hostx' }],
    ['A=1\nB=$A$A', { A: '1', B: '11' }],
    ['A="\\$HOME \\"q\\" \\\\ \\n"', { A: '$HOME "q" \\ \\n' }],
    ['A=un\\ quoted', { A: 'un quoted' }],
    ['A="it has `nothing` else"', { A: 'it has  else' }],
    ['A=x$(cat /etc/passwd; echo ")")y', { A: 'xy' }],
    ['A=a"b"\'c\'d', { A: 'abcd' }],
    ['A="line one\nline two"', { A: 'line one\nline two' }],
    ['A=one\\\ntwo', { A: 'onetwo' }],
    ['A=~/bin B=~ C=a~b', { A: '/home/hpc/bin', B: '/home/hpc', C: 'a~b' }],
    [
      'A=${NONE:-def} B=${EMPTY:-def} C=${EMPTY-def} D=${HV:+set} E=${NONE+set}',
      { A: 'def', B: 'def', C: '', D: 'set', E: '' },
    ],
    ['A=${NONE:-"$HV/x"}', { A: 'host/x' }],
    ['A=1\nA+=2', { A: '12' }],
    ['export HV', { HV: 'host' }],
    ['declare -x A=1\nset -a\ntrue', { A: '1' }],
    ['A=1\nunset A', {}],
    ['false\nA=1', { A: '1' }],
    ['HOME=/x UID=5 PWD=/ IFS=q A=1', { A: '1' }],
    ['A=$', { A: '$' }],
    ['A=', { A: '' }],
    ['', {}],
  ])('%j', (text, expected) => {
    expect(evaluate(text)).toEqual(expected);
  });

  it('keeps a backslash before a dollar for the evaluation inside, unless there is none', () => {
    expect(evaluate('K=lit\\$FOO')).toEqual({ K: 'lit\\$FOO' });
    expect(evaluate('K=lit\\$FOO', false)).toEqual({ K: 'lit$FOO' });
  });

  it('executes nothing, and says so', () => {
    const notes = new Notes();
    evaluate('\nE=$(cat /etc/passwd)', true, notes);
    expect(notes.list).toEqual([
      {
        level: 'warning',
        text: 'ef:2: could not execute "cat /etc/passwd": execution is disabled in environment files',
      },
    ]);
  });

  it('leaves commands out and goes on behind them', () => {
    const notes = new Notes();
    expect(evaluate('echo "a; b" c; A=1\nmake all\nC=3', true, notes)).toEqual({ A: '1', C: '3' });
    expect(notes.list.map(({ text }) => text.replace(/: exec.*/, ''))).toEqual([
      'ef:1: could not execute "echo "a; b" c"',
      'ef:2: could not execute "make all"',
    ]);
  });

  it.each([
    ['A=1\nif true; then B=1; fi', 'ef:2: "if" is not an assignment'],
    ['f() { A=1; }', 'ef:1: "(" is not an assignment'],
    ['{ A=1; }', 'ef:1: "{" is not an assignment'],
    ['export 1x', 'ef:1: "1x" is not an assignment'],
    ['. /etc/profile', 'ef:1: "." is not an assignment'],
    ['A="unclosed', 'ef:1: reached the end without closing quote "'],
    ["\n\nA='unclosed", "ef:3: reached the end without closing quote '"],
    ['A=${X', 'reached the end without closing }'],
    ['A=${X%%y}', 'only ${NAME}, ${NAME:-word} and ${NAME:+word} are understood'],
    ['A=$(x', 'reached the end without closing )'],
    ['A=a|b', '"|" is not an assignment'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => evaluate(text)).toThrow(RuntimeError);
    expect(() => evaluate(text)).toThrow(message);
  });
});
