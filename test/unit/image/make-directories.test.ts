import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDirectories } from '../../../src/runtime/make-directories';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'davit-directories-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('all that are missing, with their mode, and again', () => {
  const path = join(directory, 'a/b/c');
  for (let times = 0; times < 2; times++) makeDirectories(path, 0o700);
  for (const made of ['a', 'a/b', 'a/b/c']) expect(statSync(join(directory, made)).mode & 0o7777).toBe(0o700);
  mkdirSync(join(directory, 'open'), { mode: 0o755 });
  makeDirectories(join(directory, 'open/d'), 0o700);
  expect(statSync(join(directory, 'open')).mode & 0o777).toBe(0o755);
});

test('what the kernel says is what is thrown, and soon', () => {
  writeFileSync(join(directory, 'file'), '');
  expect(() => makeDirectories(join(directory, 'file'), 0o700)).toThrow('EEXIST');
  expect(() => makeDirectories(join(directory, 'file/x/y'), 0o700)).toThrow('ENOTDIR');
  // Node's mkdirSync with `recursive` never comes back from this one.
  expect(() => makeDirectories('/proc/self/x/y', 0o700)).toThrow('ENOENT');
});
