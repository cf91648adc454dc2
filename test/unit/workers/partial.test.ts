import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { partialAt, removePartial } from '../../../src/workers/hosts';

const FILES = 300;
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-partial-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function lay(name: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  for (let i = 0; i < FILES; i++) writeFileSync(join(path, `f${i}`), '');
  return path;
}

/** A task's thread that gives its directory the final name as soon as it may. */
const TASK = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { renameSync } = require('node:fs');
  const go = new Int32Array(workerData.go);
  Atomics.wait(go, 0, 0);
  const until = performance.now() + workerData.delayMs;
  while (performance.now() < until);
  try { renameSync(workerData.from, workerData.to); } catch {}
  parentPort.postMessage('over');`;

test('what is being removed gets no final name, or has it whole', async () => {
  for (let round = 0; round < 30; round++) {
    const from = lay(`r${round}.partial`);
    const to = join(dir, `r${round}`);
    const go = new Int32Array(new SharedArrayBuffer(4));
    const workerData = { from, to, go: go.buffer, delayMs: round / 10 };
    const worker = new Worker(TASK, { eval: true, workerData });
    await new Promise((resolve) => worker.once('online', resolve));
    const over = new Promise((resolve) => worker.once('message', resolve));
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    removePartial({ path: from });
    await over;
    if (existsSync(to)) expect(readdirSync(to)).toHaveLength(FILES);
    expect(readdirSync(dir).filter((name) => name.startsWith(`r${round}.`))).toEqual([]);
  }
});

test('another one under the same name is left alone', () => {
  const path = lay('known');
  const before = partialAt(path);
  expect(before.ino).toBe(statSync(path).ino);
  removePartial({ path, ino: (before.ino as number) + 1 });
  expect(readdirSync(path)).toHaveLength(FILES);
  removePartial(before);
  expect(existsSync(path)).toBe(false);
  removePartial(before);
  removePartial(undefined);
});
