import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { hostArch } from '../../../src/runtime/image/arch';
import { inspectImage, openImage } from '../../../src/runtime/image/open';
import buildSif, { type BuildSifResult, type BuildSifTask } from '../../../src/workers/build-sif';
import type { Reply } from '../../../src/workers/shared/reply';
import unpackSandbox from '../../../src/workers/unpack-sandbox';
import { addonBuilt, addonPath } from '../../fixtures/image-addon';
import { asNobody } from '../../fixtures/nobody';

let dir: string;
let tree: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-build-'));
  chmodSync(dir, 0o755);
  tree = join(dir, 'tree');
  mkdirSync(join(tree, 'bin'), { recursive: true });
  mkdirSync(join(tree, 'etc'));
  writeFileSync(join(tree, 'etc/hosts'), 'kept\n');
  writeFileSync(join(tree, 'bin/tool'), '#!/bin/sh\n');
  chmodSync(join(tree, 'bin/tool'), 0o4755);
  linkSync(join(tree, 'bin/tool'), join(tree, 'bin/same'));
  symlinkSync('tool', join(tree, 'bin/link'));
  writeFileSync(join(tree, 'large'), Buffer.alloc(500_000, 'data and more data '));
  symlinkSync('/etc/shadow', join(tree, 'secret'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function task(target: string, changes: Partial<BuildSifTask> = {}): BuildSifTask {
  return {
    addonPath,
    source: { kind: 'directory', path: tree },
    target: join(dir, target),
    allRoot: true,
    compressor: 6,
    level: 3,
    workers: 2,
    timeMs: 1700000000_000,
    id: Buffer.alloc(16, 9),
    version: '0.0.1',
    from: 'tree',
    hostArch: hostArch(),
    carried: {},
    ...changes,
  };
}

function built(target: string, changes: Partial<BuildSifTask> = {}): BuildSifResult & { path: string } {
  const given = task(target, changes);
  return { ...resultOf(buildSif(given)), path: given.target };
}

function resultOf<T>(reply: Reply<T>): T {
  if ('error' in reply) throw new RuntimeError(reply.error.code, reply.error.message);
  return reply.value;
}

function unpacked(path: string, name: string): string {
  const { squashfs } = inspectImage(path).image;
  const { offsetBytes, sizeBytes } = squashfs as NonNullable<typeof squashfs>;
  const directory = join(dir, name);
  resultOf(unpackSandbox({ addonPath, image: { path, offsetBytes, sizeBytes }, directory, faithful: false }));
  return directory;
}

const hasUnsquashfs = spawnSync('unsquashfs', ['-v']).error === undefined;

describe.skipIf(!addonBuilt)('a SIF from a directory (needs the image addon)', () => {
  it('opens, with the layout that other runtimes expect', () => {
    const { path, sizeBytes, arch, notes } = built('a.sif');
    const { image, sif } = inspectImage(path);
    expect(notes).toEqual([]);
    expect(arch).toBe(hostArch()); // nothing in the tree tells
    expect(statSync(path).size).toBe(sizeBytes);
    expect(statSync(path).mode & 0o777).toBe(0o755 & ~process.umask());
    expect(openImage(path)).toEqual(image);
    expect(image.squashfs?.offsetBytes).toBe(36864);
    expect(image.squashfs?.compressor).toBe('zstd');
    expect(sif?.header).toMatchObject({ arch: hostArch(), createdS: 1700000000, descriptorsFree: 45 });
    expect(sif?.descriptors.map(({ id, type, group, name }) => [id, type, group, name])).toEqual([
      [1, 0x4001, 1, ''],
      [2, 0x4006, 1, 'inspect-metadata.json'],
      [3, 0x4004, 1, ''],
    ]);
  });

  it('holds the files of the directory and the base files, and the directory is as it was', () => {
    const before = readdirSync(tree);
    const out = unpacked(built('b.sif').path, 'b');
    expect(readFileSync(join(out, 'large')).equals(readFileSync(join(tree, 'large')))).toBe(true);
    expect(readFileSync(join(out, 'etc/hosts'), 'utf8')).toBe('kept\n');
    expect(statSync(join(out, 'bin/same')).ino).toBe(statSync(join(out, 'bin/tool')).ino);
    expect(readFileSync(join(out, '.singularity.d/Singularity'), 'utf8')).toBe('bootstrap: localimage\nfrom: tree\n\n');
    expect(JSON.parse(readFileSync(join(out, '.singularity.d/labels.json'), 'utf8'))).toMatchObject({
      'org.label-schema.build-arch': hostArch(),
    });
    expect(statSync(join(out, '.singularity.d/runscript')).mode & 0o777).toBe(0o755);
    expect(readdirSync(tree)).toEqual(before);
  });

  it.each([
    [1, 'gzip'],
    [4, 'xz'],
    [5, 'lz4'],
    [6, 'zstd'],
  ])('can be compressed with number %i, %s', (compressor, name) => {
    const { path } = built(`c-${name}.sif`, { compressor, level: 0 });
    expect(openImage(path).squashfs?.compressor).toBe(name);
    expect(readFileSync(join(unpacked(path, `c-${name}`), 'large')).equals(readFileSync(join(tree, 'large')))).toBe(
      true,
    );
  });

  it.skipIf(!hasUnsquashfs)('is read by unsquashfs: all files are root’s, modes are kept', () => {
    const { path } = built('u.sif');
    const listing = execFileSync('unsquashfs', ['-o', '36864', '-lln', path], { encoding: 'utf8' });
    expect(listing).toMatch(/^-rwsr-xr-x 0\/0 .*squashfs-root\/bin\/tool$/m);
    expect(listing).toMatch(/^lrwxrwxrwx 0\/0 .*squashfs-root\/secret -> \/etc\/shadow$/m);
    expect(listing.match(/ (\d+\/\d+) /g)?.every((owner) => owner === ' 0/0 ')).toBe(true);
  });

  it('is made the same way twice', () => {
    expect(readFileSync(built('d1.sif').path).equals(readFileSync(built('d2.sif').path))).toBe(true);
  });

  it('carries the architecture of its programs', () => {
    // An ELF header for 64-bit little-endian AArch64.
    const elf = Buffer.alloc(64);
    elf.write('\x7fELF\x02\x01\x01', 0, 'latin1');
    elf.writeUInt16LE(183, 18);
    const foreign = join(dir, 'foreign');
    mkdirSync(join(foreign, 'usr/bin'), { recursive: true });
    writeFileSync(join(foreign, 'usr/bin/sh'), elf);
    symlinkSync('usr/bin', join(foreign, 'bin'));
    const { path, arch } = built('arm.sif', { source: { kind: 'directory', path: foreign } });
    expect(arch).toBe('arm64');
    expect(inspectImage(path).image.arch).toBe('arm64');
  });

  it('does not hold itself when it is made inside its own source', () => {
    const own = join(dir, 'own');
    mkdirSync(own);
    const { path } = built('own/image.sif', { source: { kind: 'directory', path: own } });
    expect(readdirSync(unpacked(path, 'own-out'))).not.toContain('image.sif');
  });

  it('can be made from an image, its history and JSON objects kept', () => {
    const first = built('e.sif');
    const { squashfs } = openImage(first.path);
    const { offsetBytes, sizeBytes } = squashfs as NonNullable<typeof squashfs>;
    const source = { kind: 'squashfs', path: first.path, offsetBytes, sizeBytes } as const;
    const second = built('f.sif', { source, compressor: 1, carried: { 'oci-config.json': '{}' }, from: 'e.sif' });
    expect(inspectImage(second.path).sif?.descriptors.map(({ name }) => name)).toEqual([
      '',
      'inspect-metadata.json',
      'oci-config.json',
      '',
    ]);
    const out = unpacked(second.path, 'f');
    expect(readFileSync(join(out, '.singularity.d/bootstrap_history/Apptainer0'), 'utf8')).toContain('from: tree');
    expect(readFileSync(join(out, '.singularity.d/Singularity'), 'utf8')).toContain('from: e.sif');
    expect(readFileSync(join(out, 'large')).equals(readFileSync(join(tree, 'large')))).toBe(true);
  });
});

describe.skipIf(!addonBuilt)('a build that fails (needs the image addon)', () => {
  it('says which file could not be read', () => {
    const closed = join(dir, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o755);
    writeFileSync(join(closed, 'private'), 'x', { mode: 0 });
    mkdirSync(join(dir, 'open'));
    chmodSync(join(dir, 'open'), 0o777);
    expect(asNobody(() => buildSif(task('open/g.sif', { source: { kind: 'directory', path: closed } })))).toMatchObject(
      {
        error: { code: 'IMAGE_BUILD', errno: 'EACCES', path: 'private' },
      },
    );
  });

  it('says which directory is not there', () => {
    const source = { kind: 'directory', path: join(dir, 'none') } as const;
    expect(buildSif(task('h.sif', { source }))).toMatchObject({
      error: { code: 'IMAGE_BUILD', errno: 'ENOENT', path: join(dir, 'none') },
    });
  });

  it('says that a source is damaged', () => {
    const { path } = built('i.sif');
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 36864 + 200, 36864 + 4000);
    writeFileSync(join(dir, 'damaged.sif'), bytes);
    const { offsetBytes, sizeBytes } = openImage(path).squashfs as NonNullable<
      ReturnType<typeof openImage>['squashfs']
    >;
    const source = { kind: 'squashfs', path: join(dir, 'damaged.sif'), offsetBytes, sizeBytes } as const;
    expect(buildSif(task('j.sif', { source }))).toMatchObject({ error: { code: 'IMAGE_FORMAT' } });
  });

  it('does not overwrite a file', () => {
    writeFileSync(join(dir, 'taken'), 'mine');
    expect(buildSif(task('taken'))).toMatchObject({ error: { code: 'IMAGE_BUILD', errno: 'EEXIST' } });
    expect(readFileSync(join(dir, 'taken'), 'utf8')).toBe('mine');
  });
});
