import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interruption } from '../../../src/runtime/build/bundle/interruption';
import { detachMounts, mountsBelow } from '../../../src/runtime/build/rootfs/mounts-below';

let dir: string;
let module: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'davit-interruption-'));
  module = join(dir, 'interruption.cjs');
  const esbuild = await import('esbuild');
  const entryPoints = [join(__dirname, '../../../src/runtime/build/bundle/interruption.ts')];
  await esbuild.build({ entryPoints, bundle: true, platform: 'node', outfile: module });
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Runs a script with `interruption` and `fs`, sends it a signal when it prints, and returns what it died of. */
async function interrupted(script: string, signal: NodeJS.Signals): Promise<NodeJS.Signals | number | null> {
  const text = `const { Interruption } = require(${JSON.stringify(module)}); const fs = require('fs');
    const interruption = new Interruption(); ${script}`;
  const child = spawn(process.execPath, ['-e', text], { stdio: ['ignore', 'pipe', 'inherit'], cwd: dir });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill(signal);
  return new Promise((resolve) => child.once('exit', (status, by) => resolve(by ?? status)));
}

describe('a signal', () => {
  it('undoes what was registered, last first, and has its default effect', async () => {
    const script = `interruption.guard(async () => {
      interruption.atEnd(() => fs.appendFileSync('undone', '1'));
      interruption.atEnd(() => fs.appendFileSync('undone', '2'));
      interruption.atEnd(() => fs.appendFileSync('undone', 'never'))();
      console.log('ready');
      await new Promise((resolve) => setTimeout(resolve, 60000));
    })`;
    expect(await interrupted(script, 'SIGTERM')).toBe('SIGTERM');
    expect(readFileSync(join(dir, 'undone'), 'utf8')).toBe('21');
  });

  it('goes to the child first, and nothing is undone before that has ended', async () => {
    const script = `interruption.guard(async () => {
      interruption.atEnd(() => fs.appendFileSync('order', 'undone'));
      let end;
      const ended = new Promise((resolve) => { end = resolve; });
      const kill = (signal) => { fs.appendFileSync('order', signal + ' '); setTimeout(() => { fs.appendFileSync('order', 'ended '); end(); }, 50); };
      console.log('ready');
      setTimeout(() => {}, 60000).unref();
      const keep = setInterval(() => {}, 1000);
      await interruption.during({ kill }, ended).catch((error) => { clearInterval(keep); fs.writeFileSync('error', error.message); throw error; });
    }).catch(() => {})`;
    expect(await interrupted(script, 'SIGINT')).toBe('SIGINT');
    expect(readFileSync(join(dir, 'order'), 'utf8')).toBe('SIGINT ended undone');
    expect(readFileSync(join(dir, 'error'), 'utf8')).toBe('interrupted by SIGINT');
  });

  it('leaves it to those who listen as well to end the process: what they have made goes, too', async () => {
    const script = `interruption.guard(async () => {
      const stop = (signal) => {
        fs.appendFileSync('both', ' other');
        process.removeListener(signal, stop);
        process.kill(process.pid, signal);
      };
      process.on('SIGTERM', stop);
      interruption.atEnd(() => fs.appendFileSync('both', 'undone'));
      console.log('ready');
      await new Promise((resolve) => setTimeout(resolve, 60000));
    })`;
    expect(await interrupted(script, 'SIGTERM')).toBe('SIGTERM');
    expect(readFileSync(join(dir, 'both'), 'utf8')).toBe('undone other');
  });
});

it('without a signal undoes at the end, also after an error', async () => {
  const done: string[] = [];
  const interruption = new Interruption();
  const failing = interruption.guard(async () => {
    interruption.atEnd(() => done.push('undone'));
    interruption.check();
    await interruption.during({ kill: () => undefined }, Promise.resolve());
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(done).toEqual(['undone']);
  expect(process.listenerCount('SIGTERM')).toBe(0);
});

it('sees mounts below a directory', () => {
  writeFileSync(join(dir, 'x'), '');
  expect(mountsBelow(dir)).toEqual([]);
  expect(detachMounts(dir)).toBe(true);
  if (existsSync('/proc/self/mountinfo')) expect(mountsBelow('/proc')).toContain('/proc');
  expect(mountsBelow('/pro')).toEqual([]);
});
