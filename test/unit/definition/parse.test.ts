import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { headerValue } from '../../../src/formats/definition/definition';
import { looksLikeDefinition, parseDefinition } from '../../../src/formats/definition/parse';
import { FULL } from './full';

const parse = (text: string, args: Record<string, string> = {}) =>
  parseDefinition(text, 'x.def', new Map(Object.entries(args)));
const stage = (text: string, args: Record<string, string> = {}) => parse(text, args).definition.stages[0]!;

function failure(text: string, args: Record<string, string> = {}): string {
  try {
    parse(text, args);
  } catch (error) {
    expect(error).toBeInstanceOf(RuntimeError);
    expect(error).toMatchObject({ code: 'DEFINITION' });
    return (error as RuntimeError).message;
  }
  throw new Error('nothing is wrong with it');
}

describe('headers', () => {
  it('are read with comments, blank lines and any case of the keys', () => {
    const { header } = stage(
      '# first\nBootStrap: docker  # tail\n\nFROM:  alpine:3.20 \n  # more\nOtherURL12: http://a/b\n',
    );
    expect([...header].map(([key, { value, line }]) => [key, value, line])).toEqual([
      ['bootstrap', 'docker', 2],
      ['from', 'alpine:3.20', 4],
      ['otherurl12', 'http://a/b', 6],
    ]);
  });

  it('continue a value behind a backslash', () => {
    const one = stage('Bootstrap: yum\nInclude: a \\\n  b\\\n c\nBuildArgs: A=1\\n\\\n  B=2\n%post\n');
    expect(headerValue(one, 'include')).toBe('a b c');
    expect(headerValue(one, 'buildargs')).toBe('A=1\nB=2');
  });

  it('may have the bootstrap key anywhere in front of the first section', () => {
    expect(headerValue(stage('From: alpine\nBootstrap: docker\n'), 'from')).toBe('alpine');
    expect(headerValue(stage(' bootstrap : docker\n'), 'bootstrap')).toBe('docker');
  });

  it.each([
    ['hello\nBootstrap: docker\n', 'x.def:1: failed to parse deffile header: header key hello had no val'],
    ['Bootstrap: docker\nFoo: bar\n', 'x.def:2: failed to parse deffile header: invalid header keyword found: foo'],
    ['Bootstrap: docker\nconstructor: bar\n', 'invalid header keyword found: constructor'],
    ['', 'x.def:1: no stages found in definition file'],
    ['\n# only a comment\n', 'no stages found in definition file'],
    ['%post\n true\n', 'x.def:1: no bootstrap specification found'],
    ['From: x\n', 'x.def:1: no bootstrap specification found'],
    ['Bootstrap:\n', 'x.def:1: no bootstrap specification found'],
    ['From: x\n%post\nBootstrap: docker\n', 'x.def:1: no bootstrap specification found'],
  ])('of %j are refused', (text, message) => {
    expect(failure(text)).toContain(`while parsing definition: ${message.startsWith('x.def') ? message : 'x.def:'}`);
    expect(failure(text)).toContain(message);
  });
});

describe('sections', () => {
  it('keep their text to the byte', () => {
    const { scripts } = stage('bootstrap: a\n%post\n\n\techo hi  \n# a comment\n\n%help\n  text\n');
    expect(scripts.post).toEqual({ args: '', text: '\n\techo hi  \n# a comment\n\n', line: 2 });
    expect(scripts.help?.text).toBe('  text\n');
  });

  it('may be indented, in any case, and repeated', () => {
    const { scripts } = stage('bootstrap: a\n  %POST -c /bin/bash  # why\none\n%post\ntwo');
    expect(scripts.post).toEqual({ args: '-c /bin/bash', text: 'one\ntwo\n', line: 2 });
  });

  it('are the same with the line ends of other systems', () => {
    expect(stage('\uFEFFbootstrap: a\r\n%post\r\necho hi\r\n').scripts.post?.text).toBe('echo hi\n');
  });

  it('that nobody knows are an error that names the line', () => {
    expect(failure('bootstrap: a\n%post\nx\n%pots\ny\n%nosuch\n')).toBe(
      'while parsing definition: x.def:4: invalid section(s) specified: pots, nosuch',
    );
    expect(failure('bootstrap: a\n%\n')).toContain('x.def:2: invalid section(s) specified: ');
  });

  it('have labels with blanks and quotes in their values', () => {
    const text = 'bootstrap: a\n%labels\n  A b c   # d\n # comment\n\n B\n "q u" v\n E=x y\n\tT\tu\n';
    expect(stage(text).labels).toEqual([
      ['A', 'b c   # d'],
      ['B', ''],
      ['"q', 'u" v'],
      ['E=x', 'y'],
      ['T', 'u'],
    ]);
  });
});

describe('%files', () => {
  const copies = (lines: string) => {
    const [section] = stage(`bootstrap: a\n%files\n${lines}\n`).files;
    return section?.copies.map(({ source, target }) => [source, target]);
  };

  it('has sources with and without a target, comments, quotes and escapes', () => {
    expect(copies(' a /b\n# no\n\n c  # tail\n "d e" "/f g"\n h\\ i /j\n k#l')).toEqual([
      ['a', '/b'],
      ['c', ''],
      ['d e', '/f g'],
      ['h i', '/j'],
      ['k#l', ''],
    ]);
  });

  it('keeps globs between double quotes and takes single quotes literally', () => {
    expect(copies(`"my dir/*" /x*\n'a*b' 'c*'\n\\$HOME/x`)).toEqual([
      ['my dir/*', '/x*'],
      ['a\\*b', 'c*'],
      ['\\$HOME/x', ''],
    ]);
  });

  it('names the stage the files come from', () => {
    const text = 'bootstrap: a\nstage: one\n\nbootstrap: b\n%files from one\n /x\n%files\n y\n';
    const { stages } = parse(text).definition;
    expect(stages).toHaveLength(2);
    expect(stages[1]?.line).toBe(4);
    expect(stages[1]?.files).toEqual([
      { from: 'one', copies: [{ source: '/x', target: '', line: 6 }], line: 5 },
      { copies: [{ source: 'y', target: '', line: 8 }], line: 7 },
    ]);
  });

  it('warns of words that nobody reads', () => {
    expect(parse('bootstrap: a\n%files\n a b c\n').warnings).toEqual([
      'x.def:3: only a source and a target are read of: a b c',
    ]);
  });

  it.each([
    ['%files\n "a b\n', 'x.def:3: a quote is not closed'],
    ['%files foo bar\n a\n', 'x.def:2: %files foo bar'],
    ['%files from\n a\n', 'x.def:2: %files from'],
    ['%files\n "" /x\n', 'x.def:3: a source without a name'],
  ])('of %j is refused', (text, message) => {
    expect(failure(`bootstrap: a\n${text}`)).toContain(message);
  });
});

describe('apps', () => {
  it('are collected in the order of first mention', () => {
    const { apps } = stage(
      'bootstrap: a\n%apprun b extra\n run\n%appenv my-app\n export X=1\n%appinstall b\n inst\n%applabels b\n K v w\n%appfiles b\n s t\n%appinstall b\n more\n',
    );
    expect(apps.map(({ name }) => name)).toEqual(['b', 'my-app']);
    expect(apps[0]).toEqual({
      name: 'b',
      run: { args: '', text: ' run\n', line: 2 },
      install: { args: '', text: ' inst\n more\n', line: 6 },
      labels: [['K', 'v w']],
      files: [{ source: 's', target: 't', line: 11 }],
    });
  });

  it.each([
    ['%appinstall\n x\n', 'app section appinstall: could not be split into section name and app name'],
    ['%apprun ../x\n', '"../x" cannot be the name of an app'],
    ['%apprun ..\n', '".." cannot be the name of an app'],
  ])('of %j are refused', (text, message) => {
    expect(failure(`bootstrap: a\n${text}`)).toContain(`x.def:2: `);
    expect(failure(`bootstrap: a\n${text}`)).toContain(message);
  });
});

describe('stages', () => {
  it('begin at the left edge alone', () => {
    expect(parse('bootstrap: a\n%post\n bootstrap: x\n').definition.stages).toHaveLength(1);
    const { stages } = parse('bootstrap: a\n%post\nBOOTSTRAP: x\n').definition;
    expect(stages.map((one) => headerValue(one, 'bootstrap'))).toEqual(['a', 'x']);
  });
});

it('parses a file with every section', () => {
  const { definition, unused, warnings } = parse(FULL);
  expect({ unused, warnings }).toEqual({ unused: [], warnings: [] });
  const [only] = definition.stages;
  expect(Object.keys(only?.scripts ?? {}).sort()).toEqual(
    ['environment', 'help', 'post', 'pre', 'runscript', 'setup', 'startscript', 'test'].sort(),
  );
  expect(only?.apps.map(({ name }) => name)).toEqual(['foo', 'bar']);
  expect(only?.apps[0]).toMatchObject({ labels: [['FooLabel', 'foovalue']], files: [{ target: 'foo-hello.txt' }] });
  expect(definition.text).toContain('post: hello world as');
  expect(definition.text.startsWith('Bootstrap:')).toBe(true);
});

it('tells definition files from other texts', () => {
  expect(looksLikeDefinition('# x\nBootstrap: docker\n')).toBe(true);
  expect(looksLikeDefinition('%post\n true\n')).toBe(true);
  expect(looksLikeDefinition('root:x:0:0\n')).toBe(false);
  expect(looksLikeDefinition('Bootstrap: a\0')).toBe(false);
});
