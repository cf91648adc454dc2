import { describe, expect, it } from 'vitest';
import { flagsBeforeCommand, flagsOf } from '../../../src/cli/flags';
import { timingFlags } from '../../../src/cli/flags/global';
import { parseFlags } from '../../../src/cli/command-line/parse';
import { keyOf } from '../../../src/cli/launch/plan-cache';

/** The key of an exec, found as dispatch() finds it. */
function key(...argv: string[]): { words: string[]; places: number[] } {
  const globals = parseFlags(argv, flagsBeforeCommand);
  const { options, rest } = parseFlags(globals.rest.slice(1), () => [...flagsOf('exec'), ...timingFlags()]);
  const places = [...globals.options.places, ...options.places].map((left) => argv.length - left);
  const { words, places: kept } = keyOf(argv.slice(0, argv.length - rest.length + 1), places);
  return { words, places: [...kept] };
}

describe('the words by which a plan is found', () => {
  it('are those of the command line, with the places of options', () => {
    expect(key('exec', 'a.sif', 'true')).toEqual({ words: ['exec', 'a.sif'], places: [0, 1] });
    expect(key('-q', 'exec', '--bind', '/a', '-ec', 'a.sif', 'true', '-x')).toEqual({
      words: ['-q', 'exec', '--bind', '/a', '-ec', 'a.sif'],
      places: [0, 1, 2, 4, 5],
    });
  });

  it('are without those for timing, wherever these stand', () => {
    const plain = key('exec', '--bind', '/a', 'a.sif', 'true');
    expect(plain).toEqual({ words: ['exec', '--bind', '/a', 'a.sif'], places: [0, 1, 3] });
    for (const argv of [
      ['--timing', '--trace', 'f', 'exec', '--bind', '/a', 'a.sif', 'true'],
      ['--trace=f', 'exec', '--timing=true', '--bind', '/a', 'a.sif', 'true'],
      ['exec', '--trace', '--timing', '--bind', '/a', '--timing', 'a.sif', '--timing'],
    ]) {
      expect(key(...argv)).toEqual(plain);
    }
  });

  it('have no place for an option behind --, nor within an option', () => {
    expect(key('exec', '--', 'a.sif', 'true')).toEqual({ words: ['exec', '--', 'a.sif'], places: [0, 1] });
    expect(key('exec', '--bind', '--timing', 'a.sif', 'true')).toEqual({
      words: ['exec', '--bind', '--timing', 'a.sif'],
      places: [0, 1, 3],
    });
  });
});
