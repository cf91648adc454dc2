import { describe, expect, it } from 'vitest';
import { composeImage, describeTree, finishTree, prepareTree } from '../../../src/formats/container/compose';
import { addLabels, parseLabelLines } from '../../../src/formats/container/labels';
import { appInstallScript, type Recipe, scriptFile } from '../../../src/formats/container/recipe';
import type { NewEntry, TreeEntry } from '../../../src/formats/container/tree';
import { parseDefinition } from '../../../src/formats/definition/parse';
import { FULL } from '../definition/full';

const FACTS = {
  date: new Date('2026-03-01T05:07:09Z'),
  arch: 'amd64',
  version: '1.2.3',
  from: 'rootfs',
  header: { bootstrap: 'localimage', from: 'rootfs' },
};

function recipe(text: string, more: Partial<Recipe> = {}): Recipe {
  const { definition } = parseDefinition(text, 'x.def');
  return { text: definition.text, stage: definition.stages[0]!, force: false, ...more };
}

function texts(entries: NewEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ path, content }) => [path.replace('.singularity.d/', ''), content]));
}

function listed(entries: NewEntry[]): TreeEntry[] {
  return entries.map(({ content, ...entry }) => ({ ...entry, content: Buffer.from(content), target: content }));
}

describe('a definition with every section', () => {
  const { entries, objects } = composeImage([], FACTS, {}, recipe(FULL));
  const all = texts(entries);

  it('makes the scripts of the image', () => {
    expect(all.runscript).toBe('#!/bin/sh\n\n    echo "runscript args: $# [$*] MY_VAR=$MY_VAR"\n\n\n');
    expect(all.startscript).toBe('#!/bin/sh\n\n    echo "startscript out: args $# [$*]"\n    exec sleep 1000000\n\n\n');
    expect(all.test).toContain('test ok');
    expect(all['runscript.help']).toBe('    This is the help text.\n    Second line.\n\n\n');
    expect(all['env/90-environment.sh']).toMatch(/^#!\/bin\/sh\n[\s\S]*\n {4}export MY_VAR="value one"\n[\s\S]*\n\n$/);
    expect(all.Singularity).toBe(recipe(FULL).text);
  });

  it('makes the apps', () => {
    expect(all['scif/apps/foo/scif/runscript']).toBe('#!/bin/sh\n\n    echo "RUNNING FOO $* FOO_VAR=$FOO_VAR"\n\n\n');
    expect(all['scif/apps/foo/scif/env/90-environment.sh']).toBe(
      '    export FOO_VAR=foo\n    SOFTWARE="foo soft"\n    export SOFTWARE\n\n',
    );
    expect(all['scif/apps/foo/scif/labels.json']).toBe('{\n\t"FooLabel": "foovalue",\n\t"SCIF_APP_NAME": "foo"\n}');
    expect(all['scif/apps/bar/scif/env/01-base.sh']).toContain('SCIF_APPROOT="/scif/apps/bar"\n');
    expect(all['env/94-appsbase.sh']).toContain('SCIF_APPRUN_bar="/scif/apps/bar/scif/runscript"');
    expect(all['env/94-appsbase.sh']).not.toContain('SCIF_APPENV_bar');
    const directories = entries.filter(({ type }) => type === 'directory').map(({ path }) => path);
    expect(directories).toEqual(expect.arrayContaining(['scif/apps/foo/bin', 'scif/data/bar/output']));
  });

  it('describes itself in the words of inspect', () => {
    const metadata = JSON.parse(objects.find(({ name }) => name === 'inspect-metadata.json')?.content ?? '');
    const { attributes } = metadata.data;
    expect(Object.keys(attributes.apps)).toEqual(['bar', 'foo']);
    expect(attributes.apps.foo).toMatchObject({ labels: { FooLabel: 'foovalue' }, helpfile: '    Help of app foo.' });
    expect(attributes.labels).toMatchObject({
      Author: 'Somebody',
      multi: 'word label value here',
      'org.label-schema.usage': '/.singularity.d/runscript.help',
      'org.label-schema.usage.singularity.deffile.bootstrap': 'localimage',
    });
    expect(attributes.helpfile).toBe('    This is the help text.\n    Second line.');
    expect(objects[0]?.content).toBe(recipe(FULL).text);
  });

  it('comes out the same when its parts are put into a directory one after the other', () => {
    const prepared = prepareTree([], recipe(FULL).stage);
    const finished = finishTree(listed(prepared), FACTS, recipe(FULL));
    expect(texts([...prepared, ...finished.entries])).toEqual(all);
    expect(describeTree(listed([...prepared, ...finished.entries]))).toEqual(objects);
  });
});

describe('what is there already', () => {
  const listing: TreeEntry[] = [
    { path: '.singularity.d', type: 'directory', mode: 0o755 },
    ...Object.entries({
      'env/90-environment.sh': 'export OLD=1\n',
      'labels.json': '{"Image":"base","Old":"yes"}',
      Singularity: 'bootstrap: docker\n',
      runscript: 'old runscript\n',
    }).map(
      ([name, text]): TreeEntry => ({
        path: `.singularity.d/${name}`,
        type: 'file',
        mode: 0o755,
        content: Buffer.from(text),
      }),
    ),
  ];
  const text = 'bootstrap: localimage\n%environment\nexport NEW=1\n%labels\nImage mine\nNew x\nNew y\n';

  it('is added to, and labels stay unless forced', () => {
    const { entries, warnings } = composeImage(
      listing,
      FACTS,
      {},
      recipe(text, { fileLabels: 'Old post\nPost p q\n' }),
    );
    const all = texts(entries);
    expect(all['env/90-environment.sh']).toBe('export OLD=1\nexport NEW=1\n\n');
    expect(JSON.parse(all['labels.json'] ?? '')).toMatchObject({ Image: 'base', Old: 'post', Post: 'p q', New: 'y' });
    expect(warnings).toEqual(['Label: Image already exists and force option is false, not overwriting']);
    expect(all['bootstrap_history/Apptainer0']).toBe('bootstrap: docker\n');
    // Without %runscript the base's own stays.
    expect(entries.find(({ path }) => path === '.singularity.d/runscript')?.replace).toBe(false);
  });

  it('is replaced with --force', () => {
    const { entries, warnings } = composeImage(listing, FACTS, {}, recipe(text, { force: true }));
    expect(JSON.parse(texts(entries)['labels.json'] ?? '')).toMatchObject({ Image: 'mine' });
    expect(warnings).toEqual([]);
  });

  it('stays where --section leaves a section out', () => {
    const { entries } = composeImage(listing, FACTS, {}, recipe(text, { sections: ['labels'] }));
    expect(texts(entries)).not.toHaveProperty('env/90-environment.sh', expect.stringContaining('NEW'));
    expect(JSON.parse(texts(entries)['labels.json'] ?? '')).toMatchObject({ New: 'y' });
  });
});

it.each([
  ['-c /bin/ash -u', ' x\n', '#!/bin/ash -u\n\n x\n\n'],
  ['-u', ' x\n', '#!/bin/sh -u\n\n x\n\n'],
  ['', '#!/bin/ash -e\nexit\n', '#!/bin/ash -e\n\nexit\n\n'],
  ['', '\n#!/bin/ash\n', '#!/bin/sh\n\n\n#!/bin/ash\n\n'],
  ['', '', '#!/bin/sh\n\n\n'],
])('a script with the words %j and the text %j', (args, text, file) => {
  expect(scriptFile({ args, text, line: 1 })).toBe(file);
});

it('installs all apps when one has something to install, in its own directory', () => {
  expect(appInstallScript(recipe('bootstrap: a\n%apprun x\n').stage)).toBe('');
  const script = appInstallScript(recipe('bootstrap: a\n%apprun x\n r\n%appinstall y\n make\n').stage);
  expect(script).toMatch(/^cd \/\n\. \/scif\/apps\/x\/scif\/env\/01-base\.sh\ncd \/scif\/apps\/x\n\ncd \/\n/);
  expect(script).toMatch(/cd \/scif\/apps\/y\n make\n\ncd \/\n$/);
});

it('reads labels that sections wrote', () => {
  expect(parseLabelLines('a b c\n\n# no\n d\n')).toEqual([
    ['a', 'b c'],
    ['d', ''],
  ]);
});

it('keeps names of labels that mean something to JavaScript', () => {
  const labels = {};
  expect(
    addLabels(
      labels,
      [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
      false,
    ),
  ).toEqual([]);
  expect(Object.entries(labels)).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
});
