import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDirectoryInRoot, resolveInRoot } from '../../../src/runtime/build/rootfs/root-path';
import { applyEntries, listTree, placeFile, takeFile } from '../../../src/runtime/build/rootfs/tree-files';

let dir: string;
let root: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-root-'));
  root = join(dir, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(dir, 'outside'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('paths inside a root', () => {
  it.each([
    ['/etc/x', 'etc/x'],
    ['etc/../../../x', 'x'],
    ['/abs/x', 'etc/x'],
    ['/rel/x', 'etc/x'],
    ['/out/x', 'outside/x'],
    ['/chain/y', 'etc/y'],
    ['/', ''],
    ['', ''],
    ['//etc//./x/', 'etc/x'],
    ['/last', 'target'],
  ])('%j is %j', (path, expected) => {
    symlinkSync('/etc', join(root, 'abs'));
    symlinkSync('./etc', join(root, 'rel'));
    symlinkSync('../outside', join(root, 'out'));
    symlinkSync('/../abs', join(root, 'chain'));
    symlinkSync('target', join(root, 'last'));
    expect(resolveInRoot(root, path)).toBe(join(root, expected).replace(/\/$/, ''));
  });

  it('keep their last link when asked', () => {
    symlinkSync('/etc', join(root, 'l'));
    expect(resolveInRoot(root, '/l', { keepLast: true })).toBe(join(root, 'l'));
    expect(resolveInRoot(root, '/l/x', { keepLast: true })).toBe(join(root, 'etc/x'));
  });

  it('end when links go round', () => {
    symlinkSync('b', join(root, 'a'));
    symlinkSync('a', join(root, 'b'));
    expect(() => resolveInRoot(root, '/a/x')).toThrow('too many links');
  });

  it('are made inside, whatever links say', () => {
    symlinkSync(join(dir, 'outside'), join(root, 'out'));
    expect(makeDirectoryInRoot(root, '/out/a/b')).toBe(join(root, dir, 'outside/a/b'));
    expect(existsSync(join(dir, 'outside/a'))).toBe(false);
  });
});

describe('entries of a tree', () => {
  const file = (path: string, content: string, replace = true) => ({
    path,
    type: 'file' as const,
    mode: 0o755,
    content,
    replace,
  });

  it('are written, and read again', () => {
    applyEntries(root, [
      { path: '.singularity.d/env', type: 'directory', mode: 0o700, content: '', replace: false },
      file('.singularity.d/runscript', 'run\n'),
      file('.singularity.d/runscript', 'not this\n', false),
      { path: 'singularity', type: 'symlink', mode: 0o777, content: '.singularity.d/runscript', replace: false },
    ]);
    expect(statSync(join(root, '.singularity.d/env')).mode & 0o777).toBe(0o700);
    expect(readlinkSync(join(root, 'singularity'))).toBe('.singularity.d/runscript');
    expect(listTree(root).map(({ path, type, mode, content }) => [path, type, mode, String(content ?? '')])).toEqual([
      ['.singularity.d', 'directory', statSync(join(root, '.singularity.d')).mode & 0o7777, ''],
      ['.singularity.d/env', 'directory', 0o700, ''],
      ['.singularity.d/runscript', 'file', 0o755, 'run\n'],
    ]);
  });

  it('never lead out through links of the image', () => {
    writeFileSync(join(dir, 'outside/labels.json'), 'precious');
    symlinkSync(join(dir, 'outside'), join(root, '.singularity.d'));
    applyEntries(root, [file('.singularity.d/labels.json', 'new')]);
    expect(readFileSync(join(dir, 'outside/labels.json'), 'utf8')).toBe('precious');
    expect(readFileSync(join(root, dir, 'outside/labels.json'), 'utf8')).toBe('new');
  });

  it('replace links, not what those lead to', () => {
    writeFileSync(join(dir, 'outside/x'), 'precious');
    symlinkSync(join(dir, 'outside/x'), join(root, 'post'));
    placeFile(root, 'post', 'script', 0o700);
    expect(readFileSync(join(root, 'post'), 'utf8')).toBe('script');
    expect(readFileSync(join(dir, 'outside/x'), 'utf8')).toBe('precious');
    symlinkSync(join(dir, 'outside/x'), join(root, 'labels'));
    expect(takeFile(root, 'labels')).toBe('');
    expect(existsSync(join(dir, 'outside/x'))).toBe(true);
    expect(takeFile(root, 'post')).toBe('script');
    expect(takeFile(root, 'post')).toBe('');
  });
});
