import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CopyRules, copyInto } from '../../../src/runtime/build/rootfs/copy-tree';

let dir: string;
const from = (...parts: string[]) => join(dir, 'from', ...parts);
const to = (...parts: string[]) => join(dir, 'to', ...parts);
const copy = (source: string, target: string, rules: Partial<CopyRules> = {}) =>
  copyInto(source, target, { followLinks: true, check: () => undefined, ...rules });

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-copy-'));
  mkdirSync(from('d/e'), { recursive: true });
  mkdirSync(to());
  writeFileSync(from('file'), 'text');
  writeFileSync(from('d/e/script'), 'script');
  chmodSync(from('d/e/script'), 0o4755);
  chmodSync(from('d/e'), 0o500);
  symlinkSync('file', from('link'));
  symlinkSync('e', from('d/dirlink'));
});
afterEach(() => {
  execFileSync('chmod', ['-R', 'u+rwX', dir]);
  rmSync(dir, { recursive: true });
});

it('copies a file to a name, and into a directory', async () => {
  await copy(from('file'), to('new'));
  await copy(from('file'), to());
  expect(readdirSync(to()).sort()).toEqual(['file', 'new']);
  expect(readFileSync(to('new'), 'utf8')).toBe('text');
});

it('copies directories with modes but for set-id bits, and follows links', async () => {
  await copy(from('d'), to('d'));
  expect(statSync(to('d/e')).mode & 0o7777).toBe(0o500 & ~process.umask());
  expect(statSync(to('d/e/script')).mode & 0o7777).toBe(0o755 & ~process.umask());
  expect(lstatSync(to('d/dirlink')).isDirectory()).toBe(true);
  expect(readFileSync(to('d/dirlink/script'), 'utf8')).toBe('script');
});

it('keeps links but the one that was named when it is told to', async () => {
  await copy(from('link'), to('l'), { followLinks: false });
  await copy(from('d'), to('d'), { followLinks: false });
  expect(lstatSync(to('l')).isFile()).toBe(true);
  expect(readlinkSync(to('d/dirlink'))).toBe('e');
});

it('merges with a directory that is there', async () => {
  mkdirSync(to('d/e'), { recursive: true });
  writeFileSync(to('d/e/kept'), '');
  await copy(from('d'), to());
  expect(readdirSync(to('d/e')).sort()).toEqual(['kept', 'script']);
  await copy(`${from('d')}/.`, to('new'));
  expect(readdirSync(to('new')).sort()).toEqual(['dirlink', 'e']);
});

it('replaces a link by the file, and leaves what the link led to', async () => {
  writeFileSync(join(dir, 'precious'), 'precious');
  mkdirSync(to('d/e'), { recursive: true });
  symlinkSync(join(dir, 'precious'), to('d/e/script'));
  await copy(from('d'), to());
  expect(lstatSync(to('d/e/script')).isFile()).toBe(true);
  expect(readFileSync(join(dir, 'precious'), 'utf8')).toBe('precious');
});

it.each([
  ['nosuch', 'x', /copy ".*nosuch" to ".*x": ENOENT/],
  ['d', 'taken', /"[^"]*taken" is no directory/],
])('says what cannot be copied: %s to %s', async (source, target, message) => {
  writeFileSync(to('taken'), '');
  await expect(copy(from(source), to(target))).rejects.toThrow(message);
});

it('does not put a file in the place of a directory, nor follow a circle', async () => {
  mkdirSync(to('d/file'), { recursive: true });
  await expect(copy(from('file'), to('d'))).rejects.toThrow('is a directory');
  symlinkSync('..', from('d/up'));
  await expect(copy(from('d'), to('circle'))).rejects.toThrow('leads back');
});

it('leaves out the directory it copies into', async () => {
  await copy(dir, to('all'), { exclude: to() });
  expect(readdirSync(to('all'))).toEqual(['from']);
});

it('copies FIFOs without opening them', async () => {
  execFileSync('mkfifo', [from('d/fifo')]);
  await copy(from('d'), to('d'));
  expect(lstatSync(to('d/fifo')).isFIFO()).toBe(true);
});

it('stops between files when it is told to', async () => {
  let files = 0;
  const check = () => {
    if (++files > 2) throw new Error('stop');
  };
  await expect(copy(from('d'), to('d'), { check })).rejects.toThrow('stop');
});
