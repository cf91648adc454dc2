import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appsEnvironment } from '../../../src/formats/container/apps';
import { composeImage } from '../../../src/formats/container/compose';
import { formatLabels, labelDate, parseLabels } from '../../../src/formats/container/labels';
import { ImageTree, type NewEntry, type TreeEntry } from '../../../src/formats/container/tree';

const FACTS = { date: new Date('2026-03-01T05:07:09Z'), arch: 'amd64', version: '1.2.3', from: 'rootfs' };

function file(path: string, content: string, mode = 0o755): TreeEntry {
  return { path, type: 'file', mode, content: Buffer.from(content) };
}
function directory(path: string): TreeEntry {
  return { path, type: 'directory', mode: 0o755 };
}

describe('labels', () => {
  it('are read from what is a map of strings, and are none otherwise', () => {
    expect(parseLabels('{"a":"b","n":1,"o":{}}')).toEqual({ a: 'b' });
    for (const text of [undefined, '', '[]', 'null', '"x"', '{']) expect(parseLabels(text)).toEqual({});
  });
  it('are written sorted, with tabs, without a last newline', () => {
    expect(formatLabels({ b: '2', a: '1' })).toBe('{\n\t"a": "1",\n\t"b": "2"\n}');
  });
  it('have dates without padding', () => {
    expect(labelDate(FACTS.date)).toBe('Sunday_1_March_2026_5:7:9_UTC');
  });
});

describe('a tree', () => {
  it('follows links within itself, and only so far', () => {
    const tree = new ImageTree([
      file('d/target', 'text'),
      { path: 'd/one', type: 'symlink', mode: 0o777, target: 'two' },
      { path: 'd/two', type: 'symlink', mode: 0o777, target: '/d/./x/../target' },
      { path: 'd/out', type: 'symlink', mode: 0o777, target: '../../../etc/passwd' },
      { path: 'd/loop', type: 'symlink', mode: 0o777, target: 'loop' },
      directory('d/dir'),
    ]);
    expect(['d/one', 'd/out', 'd/loop', 'd/dir', 'd/none'].map((path) => tree.text(path))).toEqual([
      'text',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(tree.names('d')).toEqual(['dir', 'loop', 'one', 'out', 'target', 'two']);
  });
});

describe('an image from a plain directory', () => {
  const { entries, objects } = composeImage([], FACTS);
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));

  it('gets the base tree, and nothing of it replaces what is there', () => {
    const own = ['.singularity.d/labels.json', '.singularity.d/Singularity'];
    expect(entries.filter(({ replace }) => replace).map(({ path }) => path)).toEqual(own);
    for (const path of ['dev', 'proc', 'sys', 'tmp', 'var/tmp', 'root', 'home', 'etc', '.singularity.d/libs']) {
      expect(byPath.get(path)).toMatchObject({ type: 'directory', mode: 0o755 });
    }
    expect(byPath.get('environment')).toMatchObject({
      type: 'symlink',
      content: '.singularity.d/env/90-environment.sh',
    });
    expect(byPath.get('.shell')).toMatchObject({ type: 'symlink', content: '.singularity.d/actions/shell' });
    expect(byPath.get('etc/resolv.conf')).toMatchObject({ type: 'file', mode: 0o644, content: '' });
    const scripts = entries.filter(({ path }) => /^\.singularity\.d\/(actions|env)\/.|script$/.test(path));
    expect(scripts).toHaveLength(13);
    for (const script of scripts) expect(script.mode).toBe(0o755);
  });

  it('says what it is in two objects', () => {
    expect(objects.map(({ type, name }) => [type, name])).toEqual([
      [0x4001, ''],
      [0x4006, 'inspect-metadata.json'],
    ]);
    expect(objects[0]?.content).toBe('bootstrap: localimage\nfrom: rootfs\n\n');
    const { data, type } = JSON.parse(objects[1]?.content as string);
    expect(type).toBe('container');
    expect(data.attributes.deffile).toBe('bootstrap: localimage\nfrom: rootfs');
    expect(data.attributes.labels).toEqual({
      'org.label-schema.build-arch': 'amd64',
      'org.label-schema.build-date': 'Sunday_1_March_2026_5:7:9_UTC',
      'org.label-schema.schema-version': '1.0',
      'org.label-schema.usage.davit.version': '1.2.3',
      'org.label-schema.usage.singularity.deffile.bootstrap': 'localimage',
      'org.label-schema.usage.singularity.deffile.from': 'rootfs',
    });
    expect(data.attributes).toHaveProperty('runscript');
    expect(data.attributes).not.toHaveProperty('apps');
    expect(data.attributes).not.toHaveProperty('test');
  });
});

describe('an image from an image', () => {
  const listing = [
    directory('.singularity.d'),
    file('.singularity.d/Singularity', 'Bootstrap: docker\n'),
    directory('.singularity.d/bootstrap_history'),
    file('.singularity.d/bootstrap_history/Apptainer0', 'older'),
    directory('.singularity.d/env'),
    file('.singularity.d/env/10-docker2singularity.sh', 'export A=1\n\n'),
    file('.singularity.d/env/90-environment.sh', 'export B=2\n'),
    file('.singularity.d/env/91-environment.sh', 'export C=3'),
    file('.singularity.d/env/99-base.sh', 'not shown'),
    file('.singularity.d/labels.json', '{"Author":"me","org.label-schema.build-arch":"arm"}', 0o644),
    file('.singularity.d/runscript', '#!/bin/sh\necho run\n'),
    file('.singularity.d/runscript.help', 'help\n\n'),
    file('.singularity.d/test', 'true\n'),
    directory('scif/apps/my-app'),
    directory('scif/apps/my-app/scif'),
    file('scif/apps/my-app/scif/runscript', 'echo app\n'),
    file('scif/apps/my-app/scif/env/90-environment.sh', 'export X=y\n'),
    file('scif/apps/my-app/scif/labels.json', '{"SCIF_APP_NAME":"my-app"}'),
    directory('scif/apps/other'),
  ];
  const { entries, objects } = composeImage(listing, FACTS, { 'oci-config.json': '{"config":{}}' });
  const attributes = JSON.parse(objects.find(({ name }) => name === 'inspect-metadata.json')?.content as string).data
    .attributes;

  it('keeps its history and its labels', () => {
    const history = entries.find(({ path }) => path === '.singularity.d/bootstrap_history/Apptainer1');
    expect(history).toMatchObject({ content: 'Bootstrap: docker\n', replace: true });
    expect(attributes.labels).toMatchObject({
      Author: 'me',
      'org.label-schema.build-arch': 'amd64',
      'org.label-schema.usage': '/.singularity.d/runscript.help',
      'org.label-schema.usage.apptainer.runscript.help': '/.singularity.d/runscript.help',
    });
  });

  it('describes its own scripts, without line feeds at the end', () => {
    expect(attributes).toMatchObject({ runscript: '#!/bin/sh\necho run', test: 'true', helpfile: 'help' });
    expect(attributes.environment).toEqual({
      '/.singularity.d/env/10-docker2singularity.sh': 'export A=1',
      '/.singularity.d/env/90-environment.sh': 'export B=2',
      '/.singularity.d/env/91-environment.sh': 'export C=3',
    });
  });

  it('describes its apps', () => {
    expect(attributes.apps).toEqual({
      'my-app': {
        environment: { '/scif/apps/my-app/scif/env/90-environment.sh': 'export X=y' },
        labels: { SCIF_APP_NAME: 'my-app' },
        runscript: 'echo app',
      },
    });
    expect(appsEnvironment(new ImageTree(listing))).toBe(
      [
        'DATA_my_app="/scif/data/my-app"',
        'META_my_app="/scif/apps/my-app/scif"',
        'ROOT_my_app="/scif/apps/my-app"',
        'BIN_my_app="/scif/apps/my-app/bin"',
        'LIB_my_app="/scif/apps/my-app/lib"',
        'ENV_my_app="/scif/apps/my-app/scif/env/90-environment.sh"',
        'LABELS_my_app="/scif/apps/my-app/scif/labels.json"',
        'RUN_my_app="/scif/apps/my-app/scif/runscript"',
      ]
        .map((line) => `export SCIF_APP${line}\n`)
        .join(''),
    );
  });

  it('carries the OCI configuration over, objects in the order of their names', () => {
    expect(objects.map(({ name }) => name)).toEqual(['', 'inspect-metadata.json', 'oci-config.json']);
    expect(objects[2]?.content).toBe('{"config":{}}');
  });
});

/** The scripts, run by the shell of this machine with /.singularity.d and /scif put elsewhere. */
describe('the scripts of an image', () => {
  let root: string;
  const { entries } = composeImage([directory('scif/apps/foo/scif')], FACTS);

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'davit-scripts-'));
    for (const { path, type, content, mode } of entries as NewEntry[]) {
      if (type === 'symlink') continue;
      mkdirSync(join(root, type === 'directory' ? path : join(path, '..')), { recursive: true });
      if (type === 'file') writeFileSync(join(root, path), relocated(content), { mode });
    }
    for (const name of ['bin', 'lib', 'scif/env']) mkdirSync(join(root, 'scif/apps/foo', name), { recursive: true });
    writeFileSync(join(root, 'scif/apps/foo/scif/env/01-base.sh'), 'SCIF_APPNAME=foo\nexport SCIF_APPNAME\n');
    writeFileSync(join(root, 'scif/apps/foo/scif/env/90-environment.sh'), 'FOO="$SCIF_APPNAME env"\nexport FOO\n');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const relocated = (text: string) =>
    text.replaceAll('/.singularity.d', `${root}/.singularity.d`).replaceAll('/scif/apps', `${root}/scif/apps`);

  function environment(env: Record<string, string>): Record<string, string> {
    // A shell of its own accord sets PS1; inside an image it is what the caller had.
    const prompt = env.PS1 === undefined ? 'unset PS1;' : '';
    const script = `set -eu; ${prompt} for f in ${root}/.singularity.d/env/*.sh; do . $f; done; env`;
    const text = execFileSync('/bin/sh', ['-c', script], { env: { PATH: '/usr/bin:/bin', ...env }, encoding: 'utf8' });
    return Object.fromEntries(text.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
  }

  it('add the libraries and a prompt', () => {
    expect(environment({})).toMatchObject({ LD_LIBRARY_PATH: `${root}/.singularity.d/libs`, PS1: 'Apptainer> ' });
    expect(environment({ LD_LIBRARY_PATH: '/a', PS1: '$ ' })).toMatchObject({
      LD_LIBRARY_PATH: `/a:${root}/.singularity.d/libs`,
      PS1: '$ ',
    });
  });

  it("apply the caller's changes to PATH last", () => {
    const changes = { SING_USER_DEFINED_PREPEND_PATH: '/first', SING_USER_DEFINED_APPEND_PATH: '/last' };
    const env = environment(changes);
    expect(env.PATH).toBe('/first:/usr/bin:/bin:/last');
    expect(Object.keys(env).filter((name) => name.startsWith('SING_'))).toEqual([]);
    expect(environment({ ...changes, SING_USER_DEFINED_PATH: '/only:/bin:/usr/bin' }).PATH).toBe('/only:/bin:/usr/bin');
  });

  it('activate an app', () => {
    const app = `${root}/scif/apps/foo`;
    expect(environment({ SINGULARITY_APPNAME: 'foo' })).toMatchObject({
      SCIF_APPS: `${root}/scif/apps`,
      SCIF_APPROOT: app,
      PATH: `${app}/bin:${app}:${root}/scif/apps/singularity:/usr/bin:/bin`,
      LD_LIBRARY_PATH: `${app}/lib:${root}/.singularity.d/libs`,
      FOO: 'foo env',
    });
  });

  it('stop at an app that is not there', () => {
    expect(() => environment({ SINGULARITY_APPNAME: 'bar' })).toThrow(expect.objectContaining({ status: 1 }));
  });

  it('run the actions', () => {
    const action = (name: string, ...args: string[]) =>
      execFileSync(join(root, '.singularity.d/actions', name), args, { encoding: 'utf8' });
    expect(action('exec', 'echo', 'a b')).toBe('a b\n');
    expect(action('run')).toMatch(/no runscript/);
    expect(action('start')).toBe('');
    expect(action('test')).toBe('');
    expect(action('shell', '-c', 'echo $SHELL')).toMatch(/^\/bin\/(ba)?sh\n$/);
  });
});
