import { expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { headerValue } from '../../../src/formats/definition/definition';
import { looksLikeDefinition, parseDefinition } from '../../../src/formats/definition/parse';
import { random } from '../../fixtures/random';
import { FULL } from './full';

const ROUNDS = 2000;

const PIECES = [
  'Bootstrap: docker',
  'bootstrap:',
  'From: {{ A }}',
  'Include: a \\',
  'x: y',
  '%',
  '%post -c',
  '%files from one',
  '%files',
  '%apprun',
  '%apprun __proto__',
  '%appfiles a/b',
  '%labels',
  '__proto__ x',
  '%arguments',
  'A={{ B }}{{ B }}',
  'B={{ A }}',
  '{{ A }}{{__proto__}}',
  '"open',
  "'a' 'b' 'c'",
  'back\\',
  '\u0000\uFFFD\u{1F600}',
  '#',
  '',
];

/** Lines are dropped, doubled, moved, cut, joined and replaced by those above. */
function mutate(lines: string[], pick: (below: number) => number): string[] {
  const result = [...lines];
  for (let n = 1 + pick(6); n > 0; n--) {
    const at = pick(result.length + 1);
    const piece = PIECES[pick(PIECES.length)] as string;
    const line = result[at] ?? '';
    switch (pick(6)) {
      case 0:
        result.splice(at, 1 + pick(4));
        break;
      case 1:
        result.splice(at, 0, piece);
        break;
      case 2:
        result.splice(pick(result.length + 1), 0, ...result.slice(at, at + 1 + pick(5)));
        break;
      case 3:
        result[at] = line.slice(0, pick(line.length + 1)) + piece;
        break;
      case 4:
        result[at] = line + piece;
        break;
      default:
        result[at] = line.split('').reverse().join('');
    }
  }
  return result;
}

it('takes any text apart, or says which line is wrong', () => {
  const pick = random(20);
  const lines = `${FULL}\nBootstrap: localimage\nFrom: x\nStage: two\n%files from one\n /a /b\n`.split('\n');
  const outcomes = { parsed: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const text = mutate(lines, pick).join('\n');
    try {
      const { definition } = parseDefinition(text, 'f.def', new Map([['A', 'a%\n%post']]));
      outcomes.parsed++;
      expect(definition.stages.length).toBeGreaterThan(0);
      for (const stage of definition.stages) {
        expect(headerValue(stage, 'bootstrap')).not.toBe('');
        for (const { name } of stage.apps) expect(name).not.toMatch(/[/\s]|^\.{0,2}$/);
        for (const { copies } of stage.files) for (const { source } of copies) expect(source).not.toBe('');
      }
      // What an image keeps can be parsed again, and is then the same.
      const again = parseDefinition(definition.text, 'f.def', new Map([['A', '']]));
      expect(again.definition.text.length).toBeGreaterThan(0);
      expect(looksLikeDefinition(text.replaceAll('\0', ''))).toBe(true);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      outcomes.refused++;
      const last = text.split('\n').length;
      const [, line] = /f\.def:(\d+)/.exec(error.message) ?? [];
      expect(Number(line), error.message).toBeGreaterThan(0);
      expect(Number(line), error.message).toBeLessThanOrEqual(last);
    }
  }
  expect(outcomes.parsed).toBeGreaterThan(ROUNDS / 10);
  expect(outcomes.refused).toBeGreaterThan(ROUNDS / 10);
});
