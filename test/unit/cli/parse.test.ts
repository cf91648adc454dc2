import { describe, expect, it } from 'vitest';
import { flagsOf } from '../../../src/cli/flags';
import { FlagError, type Options, parseFlags, splitCsv } from '../../../src/cli/command-line/parse';

const parse = (...argv: string[]): { options: Options; rest: string[] } => parseFlags(argv, () => flagsOf('exec'));
const message = (...argv: string[]): string => {
  try {
    parse(...argv);
  } catch (error) {
    expect(error).toBeInstanceOf(FlagError);
    return (error as Error).message;
  }
  throw new Error('no error');
};

describe('parseFlags', () => {
  it('stops at the first positional argument', () => {
    const { options, rest } = parse('-e', 'lab.sif', 'ls', '--bind', '-e', '--nosuch');
    expect(options.flag('cleanenv')).toBe(true);
    expect(options.has('bind')).toBe(false);
    expect(rest).toEqual(['lab.sif', 'ls', '--bind', '-e', '--nosuch']);
  });

  it('stops behind --, and takes a lone dash for an argument', () => {
    expect(parse('--', '--bind').rest).toEqual(['--bind']);
    expect(parse('-', 'true').rest).toEqual(['-', 'true']);
  });

  it('accepts values behind =, behind a blank and attached to a short flag', () => {
    for (const argv of [['--bind=/a'], ['--bind', '/a'], ['-B', '/a'], ['-B/a'], ['-B=/a'], ['-eB', '/a'], ['-eB/a']]) {
      expect(parse(...argv).options.list('bind'), argv.join(' ')).toEqual(['/a']);
    }
  });

  it('takes the next word as the value, even when it begins with a dash', () => {
    expect(parse('--hostname', '-e', 'x').options.text('hostname')).toBe('-e');
  });

  it('reads booleans as Go does', () => {
    expect(parse('--pid=false').options.flag('pid')).toBe(false);
    expect(parse('--pid=T').options.flag('pid')).toBe(true);
    expect(parse('--pid', 'false').rest).toEqual(['false']);
    expect(message('--pid=maybe')).toBe('invalid argument "maybe" for "-p, --pid" flag: neither true nor false');
  });

  it('keeps commas of arrays and splits lists', () => {
    expect(parse('-B', '/a,/b', '-B', '/c').options.list('bind')).toEqual(['/a,/b', '/c']);
    expect(parse('-o', 'a,"b,c"', '-o', 'd').options.list('overlay')).toEqual(['a', 'b,c', 'd']);
  });

  it('reads assignments: one with its commas, several by CSV rules, later ones win', () => {
    expect(parse('--env', 'A=x,y').options.map('env')).toEqual({ A: 'x,y' });
    expect(parse('--env', 'A=1,B=2', '--env', 'A=9').options.map('env')).toEqual({ A: '9', B: '2' });
    expect(parse('--env', '"A=1,2",B=3').options.map('env')).toEqual({ A: '1,2', B: '3' });
    expect(parse('--env', 'A=a"b').options.map('env')).toEqual({ A: 'a"b' });
    expect(parse('--env', 'A=').options.map('env')).toEqual({ A: '' });
    expect(message('--env', 'A')).toBe('invalid argument "A" for "--env" flag: A must be formatted as key=value');
  });

  it('lets the last of two spellings of one option win', () => {
    expect(parse('--pwd', '/a', '--cwd', '/b').options.text('cwd')).toBe('/b');
    expect(parse('--cwd', '/b', '--pwd', '/a').options.text('cwd')).toBe('/a');
  });

  it('takes --dry-run with and without a value', () => {
    expect(parse('--dry-run').options.text('dryRun')).toBe('text');
    expect(parse('--dry-run=json').options.text('dryRun')).toBe('json');
    expect(message('--dry-run=yaml')).toContain('not one of text, json');
  });

  it('words errors as Apptainer does', () => {
    expect(message('--nosuch')).toBe('unknown flag: --nosuch');
    expect(message('--nosuch=1')).toBe('unknown flag: --nosuch');
    expect(message('-Z')).toBe("unknown shorthand flag: 'Z' in -Z");
    expect(message('-eZ')).toBe("unknown shorthand flag: 'Z' in -Z");
    expect(message('-eB')).toBe("flag needs an argument: 'B' in -B");
    expect(message('--bind')).toBe('flag needs an argument: --bind');
    expect(message('-B')).toBe("flag needs an argument: 'B' in -B");
    expect(message('---x')).toBe('bad flag syntax: ---x');
    expect(message('--=x')).toBe('bad flag syntax: --=x');
    expect(message('--cpu-shares', 'x')).toContain('invalid argument "x" for "--cpu-shares" flag');
    expect(message('--pid-file=x')).toBe('unknown flag: --pid-file');
  });

  it('reads whole numbers, also hexadecimal ones', () => {
    expect(parse('--cpu-shares', '0x10').options.number('cpuShares')).toBe(16);
    expect(parse('--cpu-shares=-1').options.number('cpuShares')).toBe(-1);
    expect(message('--cpu-shares', '1.5')).toContain('not a whole number');
  });
});

describe('splitCsv', () => {
  it('follows RFC 4180', () => {
    expect(splitCsv('')).toEqual([]);
    expect(splitCsv('a,,b,')).toEqual(['a', '', 'b', '']);
    expect(splitCsv('"a""b",c')).toEqual(['a"b', 'c']);
    expect(splitCsv('a,"b"')).toEqual(['a', 'b']);
    expect(splitCsv('"a",')).toEqual(['a', '']);
  });

  it('refuses stray quotes', () => {
    expect(() => splitCsv('a"b')).toThrow('quote');
    expect(() => splitCsv('"a')).toThrow('not closed');
    expect(() => splitCsv('"a"b')).toThrow('behind a closing quote');
  });
});
