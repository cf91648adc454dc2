/** The texts are what Apptainer 1.4.5 printed for images with the same content. */
import { describe, expect, it } from 'vitest';
import {
  chooseAttributes,
  type InspectChoice,
  inspectJson,
  inspectText,
  parseMetadata,
} from '../../../src/formats/container/inspect';
import type { ImageAttributes } from '../../../src/formats/container/metadata';

const NOTHING: InspectChoice = {
  all: false,
  listApps: false,
  deffile: false,
  environment: false,
  helpfile: false,
  labels: false,
  runscript: false,
  startscript: false,
  test: false,
};
const EVERYTHING = { ...NOTHING, deffile: true, environment: true, helpfile: true, labels: true, runscript: true };

const known: ImageAttributes = {
  apps: {
    foo: { labels: { L: 'v' }, runscript: 'foo runs', environment: { '/scif/e.sh': 'F=1' } },
    bar: { helpfile: 'bar helps' },
  },
  environment: { '/b.sh': 'B=1', '/a.sh': 'A=1' },
  labels: { z: '<&>', '10': 'ten', '9': 'nine', Ümlaut: 'ü', a: '' },
  runscript: 'echo "hi"',
  deffile: 'Bootstrap: x\n',
  helpfile: '',
};

const text = (choice: Partial<InspectChoice>, isWhole = true) => {
  const full = { ...NOTHING, ...choice };
  return inspectText(chooseAttributes(known, full, isWhole), full);
};
const json = (choice: Partial<InspectChoice>, isWhole = true) =>
  inspectJson(chooseAttributes(known, { ...NOTHING, ...choice }, isWhole));

describe('inspect as text', () => {
  it('prints the parts in a fixed order, maps sorted by their bytes', () => {
    expect(text(EVERYTHING)).toBe(
      'Bootstrap: x\n\necho "hi"\n=== /a.sh ===\nA=1\n\n=== /b.sh ===\nB=1\n\n10: ten\n9: nine\na: \nz: <&>\nÜmlaut: ü\n',
    );
  });

  it('prints the parts of an app, with the definition file of the image', () => {
    expect(text({ ...EVERYTHING, app: 'foo' })).toBe('Bootstrap: x\n\nfoo runs\n=== /scif/e.sh ===\nF=1\n\nL: v\n');
    expect(text({ ...EVERYTHING, deffile: false, app: 'nosuch' })).toBe('');
    expect(text({ labels: true, app: '__proto__' })).toBe('');
  });

  it('lists apps; out of the metadata of a SIF the one that is named is shown whole', () => {
    expect(text({ listApps: true })).toBe('bar\nfoo\n');
    expect(text({ listApps: true, app: 'bar' })).toBe('bar\nfoo\nbar helps\n');
    expect(text({ listApps: true, app: 'bar' }, false)).toBe('bar\nfoo\n');
  });
});

describe('inspect as JSON', () => {
  it('is indented by tabs and safe in HTML', () => {
    expect(json({ labels: true, helpfile: true })).toBe(
      '{\n\t"data": {\n\t\t"attributes": {\n\t\t\t"labels": {\n\t\t\t\t"10": "ten",\n\t\t\t\t"9": "nine",\n' +
        '\t\t\t\t"a": "",\n\t\t\t\t"z": "\\u003c\\u0026\\u003e",\n\t\t\t\t"Ümlaut": "ü"\n\t\t\t}\n\t\t}\n\t},\n' +
        '\t"type": "container"\n}\n',
    );
  });

  it('has braces, commas and quotes in texts as they are', () => {
    const strange = 'a{}b,:"\\"{\n\u2028';
    const printed = inspectJson({ runscript: strange });
    expect(JSON.parse(printed).data.attributes.runscript).toBe(strange);
    expect(printed).toContain('"runscript": "a{}b,:\\"\\\\\\"{\\n\\u2028"');
  });

  it('shows nothing as nothing', () => {
    expect(json({ test: true })).toBe('{\n\t"data": {\n\t\t"attributes": {}\n\t},\n\t"type": "container"\n}\n');
    expect(json({ listApps: true }, false)).toContain('"apps": {\n\t\t\t\t"bar": {},\n\t\t\t\t"foo": {}\n');
  });

  it('shows everything, apps first', () => {
    const all = JSON.parse(json({ all: true, app: 'foo' })).data.attributes;
    expect(Object.keys(all)).toEqual(['apps', 'environment', 'labels', 'runscript', 'deffile']);
    expect(Object.keys(all.apps)).toEqual(['bar', 'foo']);
  });
});

describe('the metadata of a SIF', () => {
  it.each([
    ['{"type":', /JSON/],
    ['[]', /not metadata/],
    ['{"data":{"attributes":{"labels":{"a":1}}}}', /"labels" is no map of texts/],
    ['{"data":{"attributes":{"apps":[]}}}', /"apps" is no map/],
    ['{"data":{"attributes":{"apps":{"x":{"test":{}}}}}}', /"test" is no text/],
  ])('is refused: %s', (bytes, message) => {
    expect(() => parseMetadata(bytes)).toThrow(message);
  });

  it('may lack anything', () => {
    expect(parseMetadata('{}')).toEqual({});
    expect(parseMetadata('{"data":{"attributes":{"apps":{"q":{}},"labels":null}}}').apps).toEqual({ q: {} });
  });
});
