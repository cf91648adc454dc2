import { expect, it } from 'vitest';
import { fileSystemOf, machineFacts } from '../../../src/bench/machine';

it('the file system is that of the longest mount point, and of the latest there', () => {
  const mounts = [
    '1 0 8:1 / / rw - ext4 /dev/a rw',
    '2 1 8:2 / /usr rw - xfs /dev/b rw',
    '3 1 8:3 / /usr rw - btrfs /dev/c rw',
    '4 1 8:4 / /us rw - zfs /dev/d rw',
  ].join('\n');
  expect(fileSystemOf('/usr/bin/', mounts)).toBe('btrfs');
  expect(fileSystemOf('/', mounts)).toBe('ext4');
  expect(fileSystemOf('/nonexistent/path', mounts)).toBe('');
});

it('facts are those of this machine', () => {
  const facts = machineFacts('1.2.3', { state: '/', temporary: '/proc' });
  expect(facts).toMatchObject({ davit: '1.2.3', node: process.version, uid: process.getuid?.() });
  expect(facts.temporaryFileSystem).toBe('proc');
  expect(facts.cpus).toBeGreaterThan(0);
  expect(facts.memoryMib).toBeGreaterThan(0);
});
