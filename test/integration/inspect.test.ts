/** `davit inspect` and `davit run-help`, on every format and without mounting anything. */
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { testWith } from './support/capabilities';
import { withWorld, type World } from './support/world';

/** A tree with everything that inspect shows, and a link that leads out of it. */
function layOut(world: World): string {
  const root = world.path('box');
  rmSync(root, { recursive: true, force: true });
  const files: Record<string, string> = {
    '.singularity.d/labels.json': '{"b":"2","a":"<1>"}',
    '.singularity.d/runscript': '#!/bin/sh\necho run\n\n',
    '.singularity.d/runscript.help': 'Help.\n',
    '.singularity.d/env/10-docker2singularity.sh': 'D=1\n',
    '.singularity.d/env/05-ignored.sh': 'X=1\n',
    '.singularity.d/env/91-environment.sh': 'E=1\n',
    'scif/apps/tool/scif/runscript': 'echo tool\n',
    'scif/apps/tool/scif/runscript.help': 'Tool helps.\n',
    'scif/apps/none/file': '',
    'bin/sh': '',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(`${root}/${name}`.replace(/\/[^/]*$/, ''), { recursive: true });
    writeFileSync(`${root}/${name}`, text);
  }
  symlinkSync('runscript', `${root}/.singularity.d/startscript`);
  symlinkSync('/etc/passwd', `${root}/.singularity.d/test`);
  return root;
}

const shown =
  '#!/bin/sh\necho run\n#!/bin/sh\necho run\nHelp.\n=== /.singularity.d/env/10-docker2singularity.sh ===\nD=1\n\n' +
  '=== /.singularity.d/env/91-environment.sh ===\nE=1\n\na: <1>\nb: 2\n';

withWorld('davit inspect', (world) => {
  test('reads a sandbox, and never what its links lead to outside', async () => {
    const box = layOut(world());
    expect(await world().ok('inspect', '-r', '-s', '-t', '-H', '-e', '-l', box)).toBe(shown);
    expect(await world().ok('inspect', box)).toBe('a: <1>\nb: 2\n');
    expect(await world().ok('inspect', '--list-apps', box)).toBe('tool\n');
    expect(await world().ok('inspect', '--app', 'tool', '-r', box)).toBe('echo tool\n');
    writeFileSync(`${box}/.singularity.d/Singularity`, 'Bootstrap: x\n');
    expect(await world().ok('inspect', '-d', box)).toBe('Bootstrap: x\n');
    expect(await world().ok('inspect', '--app', 'tool', '-d', box)).toBe('');
    expect(await world().ok('inspect', '--app', 'nosuch', box)).toBe('');
    expect(JSON.parse(await world().ok('inspect', '--all', box)).data.attributes.labels).toEqual({ a: '<1>', b: '2' });
  });

  testWith(['mksquashfs'], 'reads a squashfs file', async () => {
    const box = layOut(world());
    const image = world().path('box.sqfs');
    const made = await world().command('mksquashfs', [box, image, '-noappend', '-quiet', '-no-progress']);
    expect(made.status).toBe(0);
    expect(await world().ok('inspect', '-r', '-s', '-H', '-e', '-l', image)).toBe(shown);
    expect(await world().ok('run-help', '--app', 'tool', image)).toBe('Tool helps.\n');
  });

  test('reads the metadata of a SIF, or its tree when it has none', async () => {
    const image = world().path('image.sif');
    copyFileSync(world().image(), image);
    const all = await world().ok('inspect', '--all', image);
    const { attributes } = JSON.parse(all).data;
    expect(attributes.labels).toMatchObject({ 'org.label-schema.schema-version': '1.0' });
    await world().ok('sif', 'del', '2', image);
    const ofTree = JSON.parse(await world().ok('inspect', '--all', image)).data.attributes;
    expect({ ...ofTree, deffile: ofTree.deffile.trimEnd() }).toEqual(attributes);
    const broken = world().write('broken.json', '{"data":');
    await world().ok('sif', 'add', image, broken, '--datatype', '6', '--filename', 'inspect-metadata.json');
    const { stdout, stderr } = await world().davit('inspect', '--runscript', image);
    expect(stdout).toBe(`${attributes.runscript}\n`);
    expect(stderr).toMatch(/^WARNING: Unable to read inspect-metadata.json SIF descriptor: while decoding/);
  });

  test('says what is wrong', async () => {
    const text = world().write('text', 'no image');
    expect(await world().davit('inspect', 'none.sif')).toMatchObject({
      status: 255,
      stdout: '',
      stderr:
        'FATAL:   Failed to open image none.sif: failed to retrieve path for none.sif: ' +
        `lstat ${world().cwd}/none.sif: no such file or directory\n`,
    });
    expect((await world().davit('inspect', text)).stderr).toMatch(
      /^FATAL: {3}Failed to open image .*: image format not/,
    );
    expect(await world().davit('inspect')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('accepts 1 arg'),
    });
    const box = layOut(world());
    writeFileSync(`${box}/.singularity.d/labels.json`, '{"a":1}');
    const { status, stdout, stderr } = await world().davit('inspect', box);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(/^WARNING: Unable to parse labels: /);
  });

  test('run-help prints the help, or that there is none', async () => {
    const box = layOut(world());
    expect(await world().ok('run-help', box)).toBe('Help.\n');
    expect(await world().ok('run-help', '--app', 'tool', box)).toBe('Tool helps.\n');
    const none = 'No help sections were defined for this image\n';
    expect(await world().ok('run-help', '--app', 'nosuch', box)).toBe(none);
    expect(await world().davit('run-help', 'none.sif')).toMatchObject({
      status: 255,
      stderr: 'FATAL:   container not found: stat none.sif: no such file or directory\n',
    });
  });
});
