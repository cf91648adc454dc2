import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { makeLocked } from '../../../src/runtime/build/bundle/abandoned';

/** What other builds do between the opening of a lock's file and the locking, once for each call. */
const meanwhile: ((path: string) => void)[] = [];
const locks: number[] = [];
vi.mock('../../../src/native', () => ({
  native: () => ({
    tryLockFile: (path: string): number => {
      const lock = openSync(path, 'a');
      locks.push(lock);
      meanwhile.shift()?.(path);
      return lock;
    },
  }),
}));

let parent: string;
beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'davit-abandoned-'));
});
afterAll(() => {
  rmSync(parent, { recursive: true });
});

it('a new directory is this process’s own, whatever others have taken away before it was locked', () => {
  const removed: string[] = [];
  meanwhile.push(
    (path) => {
      rmSync(dirname(path), { recursive: true });
      removed.push(dirname(path));
    },
    // One build has removed the file, and another one, which saw it before, has made it again to lock it.
    (path) => {
      rmSync(path);
      writeFileSync(path, '');
      removed.push(dirname(path));
    },
  );
  const directory = makeLocked(parent);
  expect(removed).toHaveLength(2);
  expect(removed).not.toContain(directory);
  expect(existsSync(directory)).toBe(true);
  expect(readdirSync(directory)).toEqual(['davit.lock']);
  closeSync(locks.at(-1) as number);
});
