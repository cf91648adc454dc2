import { describe, expect, it } from 'vitest';
import { parseBuildArg, parseBuildArgFile } from '../../../src/formats/definition/arguments';
import { parseDefinition } from '../../../src/formats/definition/parse';

const parse = (text: string, args: Record<string, string> = {}) =>
  parseDefinition(`bootstrap: a\n${text}`, 'x.def', new Map(Object.entries(args)));
const post = (text: string, args: Record<string, string> = {}) =>
  parse(text, args).definition.stages.map(({ scripts }) => scripts.post?.text);

describe('build arguments', () => {
  it('are put in everywhere but behind a #', () => {
    expect(post('%post\n[{{A}}] [{{ A }}] {{\tA}} {{ A-B }} {{}} # {{ B }}\n# {{ C }}\n', { A: 'x y' })).toEqual([
      '[x y] [x y] x y {{ A-B }} {{}} # {{ B }}\n# {{ C }}\n',
    ]);
    const { definition } = parse('from: {{ IMAGE }}\n%labels\n {{ K }} v\n', { IMAGE: 'alpine', K: 'k' });
    expect(definition.stages[0]).toMatchObject({ labels: [['k', 'v']] });
    expect(definition.text).toBe('bootstrap: a\nfrom: alpine\n%labels\n k v\n');
  });

  it('beat the %arguments of a stage, which may refer to each other', () => {
    const text = '%arguments\n # comment\n A=1 # kept\n B="{{ A }}"\n C=\n%post\n{{A}}|{{B}}|{{C}}|\n';
    expect(post(text)).toEqual(['1 # kept|"1 # kept"||\n']);
    expect(post(text, { A: '2' })).toEqual(['2|"2"||\n']);
  });

  it('are those of their own stage', () => {
    const text = '%arguments\n V=1\n%post\n{{V}}\nbootstrap: b\n%arguments\n V=2\n%post\n{{V}}\n';
    expect(post(text)).toEqual(['1\n', '2\n']);
    expect(() => post('%arguments\n V=1\n%post\nbootstrap: b\n%post\n{{V}}\n')).toThrow(/x\.def:7/);
  });

  it('that nothing asks for are reported', () => {
    expect(parse('%arguments\n A={{ D }}\n%post\n{{ B }} # {{ C }}\n', { A: '', B: '', C: '', D: '' }).unused).toEqual([
      'A',
      'C',
    ]);
  });

  it('without a value are an error in the words of Apptainer, with the line', () => {
    expect(() => post('%post\n echo\n {{ X }}\n')).toThrow(
      "build var X is not defined through either --build-arg (--build-arg-file) or 'arguments' section (x.def:4)",
    );
  });

  it('with line feeds keep the line numbers of what follows', () => {
    expect(post('%post\n{{ A }}\n', { A: '1\n2' })).toEqual(['1\n2\n']);
    expect(() => parse('%post\n{{ A }}\n%nosuch\n', { A: '1\n2\n3' })).toThrow('x.def:4: invalid section');
  });

  it('cannot refer to themselves, nor grow without end', () => {
    expect(() => post('%arguments\n A={{ B }}\n B={{ A }}\n%post\n{{ A }}\n')).toThrow(
      'x.def:3: build arguments refer',
    );
    const doubling = Array.from({ length: 40 }, (_, i) => ` A${i}={{ A${i + 1} }}{{ A${i + 1} }}`).join('\n');
    expect(() => post(`%arguments\n${doubling}\n A40=\n%post\n{{ A0 }}\n`)).toThrow('refer to each other');
    const long = 'x'.repeat(1 << 20);
    expect(() => post('%post\n{{ A }}{{ A }}\n', { A: long })).toThrow('too long');
  });

  it('warn of lines of %arguments that are none', () => {
    expect(parse('%arguments\n A=1\n B\n').warnings).toEqual([
      `Skipping "B" in 'arguments' section (x.def:4): it is not a key=value pair`,
    ]);
  });
});

describe('values', () => {
  it('keep everything behind the first equals sign', () => {
    expect(parseBuildArg('A=1=2 ')).toEqual(['A', '1=2 ']);
    expect(parseBuildArg('A=')).toEqual(['A', '']);
    expect(() => parseBuildArg('A')).toThrow('While processing the definition file: "A" is not a key=value pair');
    expect(() => parseBuildArg('=1')).toThrow('key=value pair');
  });

  it('come from files, a line each', () => {
    const skipped: string[] = [];
    const values = parseBuildArgFile('# c\n\nA=1\n  B=2=3 \nC\nA=4\n', (line) => skipped.push(line));
    expect([...values]).toEqual([
      ['A', '4'],
      ['B', '2=3'],
    ]);
    expect(skipped).toEqual(['C']);
  });
});
