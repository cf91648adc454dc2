import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cleanCache } from '../../../src/runtime/image/cache/clean';
import { cleanUnpacked } from '../../../src/runtime/image/cache/unpacked';
import { CACHE_KINDS, kindsNamed, listKind } from '../../../src/runtime/image/cache/list';
import { scratch } from './support';

function cache(): string {
  const directory = scratch();
  for (const name of ['blob/sha256/b1', 'oci-tmp/o1', 'oras/sha256:1', 'net/n1', 'partial/net-n2', 'partial/blob-b2']) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), name);
    if (!name.startsWith('partial')) writeFileSync(join(directory, `${name}.json`), '{}');
  }
  mkdirSync(join(directory, 'locks'));
  return directory;
}

function clean(directory: string, changes: Partial<Parameters<typeof cleanCache>[0]> = {}): string[] {
  const told: string[] = [];
  const tryLock = (path: string): number => openSync(path, 'a');
  const request = { directory, kinds: CACHE_KINDS, olderThanDays: 0, dryRun: false, tryLock };
  cleanCache({ ...request, onInfo: (text) => told.push(text), ...changes });
  return told;
}

test('removes unpacked images, but none that is being made', () => {
  const directory = scratch();
  const root = join(directory, 'rootfs');
  for (const name of ['k1', 'k1.abc.partial', 'k2', 'k2.abc.partial'])
    mkdirSync(join(root, name, 'sub'), { recursive: true });
  writeFileSync(join(root, 'k1/file'), 'x');
  writeFileSync(join(root, 'k1.lock'), '');
  const told: string[] = [];
  const tryLock = (path: string): number => (path.endsWith('/k2.lock') ? -1 : openSync(path, 'a'));
  const request = { directory, olderThanDays: 0, dryRun: false, tryLock, onInfo: (text: string) => told.push(text) };
  cleanUnpacked({ ...request, dryRun: true });
  cleanUnpacked({ ...request, olderThanDays: 1 });
  expect(readdirSync(root)).toHaveLength(5);
  expect(told).toContain('Removing rootfs cache entry: k1');
  cleanUnpacked(request);
  expect(readdirSync(root).sort()).toEqual(['k1.lock', 'k2', 'k2.abc.partial']);
  cleanUnpacked({ ...request, directory: '/nosuch' });
});

test('leaves alone what somebody else has removed, or completed, since it looked', () => {
  const directory = scratch();
  const root = join(directory, 'rootfs');
  for (const name of ['k1', 'k2.abc.partial']) mkdirSync(join(root, name), { recursive: true });
  const tryLock = (path: string): number => {
    if (path.endsWith('/k1.lock')) rmSync(join(root, 'k1'), { recursive: true });
    else renameSync(join(root, 'k2.abc.partial'), join(root, 'k2'));
    return openSync(path, 'a');
  };
  cleanUnpacked({ directory, olderThanDays: 0, dryRun: false, tryLock, onInfo: () => undefined });
  expect(readdirSync(root).sort()).toEqual(['k1.lock', 'k2', 'k2.lock']);
});

test('a lock on a file that its holder has just removed does not count: another download may have begun', () => {
  const directory = cache();
  const lock = join(directory, 'locks/net-n2.lock');
  const tryLock = (path: string): number => {
    const fd = openSync(path, 'a');
    if (path !== lock) return fd;
    // The last holder gives it back, and the next one makes a file of his own.
    rmSync(lock);
    writeFileSync(lock, 'the next one');
    return fd;
  };
  clean(directory, { tryLock });
  expect(readdirSync(join(directory, 'partial'))).toEqual(['net-n2']);
  expect(readFileSync(lock, 'utf8')).toBe('the next one');
});

test('lists files, not what is known about them', () => {
  const directory = cache();
  const listed = CACHE_KINDS.flatMap((kind) => listKind(directory, kind));
  expect(listed.map(({ kind, name, sizeBytes }) => [kind, name, sizeBytes])).toEqual([
    ['blob', 'b1', 14],
    ['oci-tmp', 'o1', 10],
    ['oras', 'sha256:1', 13],
    ['net', 'n1', 6],
  ]);
  expect(listKind('/nosuch', 'blob')).toEqual([]);
});

test('kinds by their words', () => {
  expect(kindsNamed([])).toEqual(CACHE_KINDS);
  expect(kindsNamed(['all'])).toEqual(CACHE_KINDS);
  expect(kindsNamed(['net', 'oci', 'blobs'])).toEqual(['blob', 'oci-tmp', 'net']);
  expect(kindsNamed(['oci', 'toString'])).toEqual({ unknown: 'toString' });
});

test('removes everything, also what was broken off', () => {
  const directory = cache();
  const told = clean(directory);
  expect(told).toContain('Removing oras cache entry: sha256:1');
  expect(told).toContain(`No cached files to remove at ${directory}/library`);
  expect(readdirSync(join(directory, 'blob/sha256'))).toEqual([]);
  expect(readdirSync(join(directory, 'partial'))).toEqual([]);
  expect(readdirSync(join(directory, 'locks'))).toEqual([]);
});

test('removes what is asked for alone', () => {
  const directory = cache();
  clean(directory, { kinds: ['net'] });
  expect(existsSync(join(directory, 'net/n1'))).toBe(false);
  expect(existsSync(join(directory, 'oci-tmp/o1'))).toBe(true);
  expect(readdirSync(join(directory, 'partial'))).toEqual(['blob-b2']);
});

test('removes what is old alone', () => {
  const directory = cache();
  utimesSync(join(directory, 'net/n1'), 1, 1);
  clean(directory, { olderThanDays: 30 });
  expect(existsSync(join(directory, 'net/n1'))).toBe(false);
  expect(existsSync(join(directory, 'oras/sha256:1'))).toBe(true);
  expect(readdirSync(join(directory, 'partial'))).toHaveLength(2);
});

test('a dry run removes nothing, and what is being fetched stays', () => {
  const directory = cache();
  expect(clean(directory, { dryRun: true })).toContain('Removing net cache entry: n1');
  expect(existsSync(join(directory, 'net/n1'))).toBe(true);
  clean(directory, { tryLock: () => -1 });
  expect(readdirSync(join(directory, 'partial'))).toHaveLength(2);
});
