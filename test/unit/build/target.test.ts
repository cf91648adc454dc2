import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { checkTarget, replaceTarget } from '../../../src/runtime/build/bundle/target';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-target-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function message(check: () => void): string {
  try {
    check();
  } catch (error) {
    expect(error).toBeInstanceOf(RuntimeError);
    expect(error).toMatchObject({ code: 'IMAGE_BUILD', exitCode: 255 });
    return (error as Error).message;
  }
  return '';
}

describe('checkTarget', () => {
  it('refuses a name that is taken, in the words of Apptainer', () => {
    const path = join(dir, 'there.sif');
    writeFileSync(path, '');
    expect(message(() => checkTarget(path, false))).toBe(
      `While checking build target: build target '${path}' already exists. Use --force if you want to overwrite it`,
    );
    expect(message(() => checkTarget(path, true))).toBe('');
  });
  it('refuses to replace a directory that is no image', () => {
    mkdirSync(join(dir, 'photos/2026'), { recursive: true });
    mkdirSync(join(dir, 'home/bin'), { recursive: true });
    expect(message(() => checkTarget(join(dir, 'home'), true))).toMatch(/does not look like an image/);
    expect(message(() => checkTarget(join(dir, 'photos'), true))).toMatch(/does not look like an image/);
    expect(message(() => checkTarget('/', true))).toMatch(/does not look like an image/);
    mkdirSync(join(dir, 'sandbox/.singularity.d'), { recursive: true });
    mkdirSync(join(dir, 'void'));
    expect(message(() => checkTarget(join(dir, 'sandbox'), true))).toBe('');
    expect(message(() => checkTarget(join(dir, 'void'), true))).toBe('');
  });
  it('refuses to replace what the image is made from', () => {
    const sandbox = join(dir, 'sandbox');
    for (const source of [sandbox, join(sandbox, 'usr')]) {
      expect(message(() => checkTarget(sandbox, true, source))).toMatch(/holds what it would be made from/);
    }
    expect(message(() => checkTarget(sandbox, true, join(dir, 'sandbox2')))).toBe('');
  });
  it('refuses a place that is not there', () => {
    expect(message(() => checkTarget(join(dir, 'no/x.sif'), false))).toMatch(/no directory/);
  });
});

describe('replaceTarget', () => {
  const leftOver = () => readdirSync(dir).filter((name) => name.startsWith('.'));

  it('gives the name to what was made, over files and directories', async () => {
    const path = join(dir, 'out');
    await replaceTarget(path, async (temporary) => writeFileSync(temporary, 'one'));
    await replaceTarget(path, async (temporary) => writeFileSync(temporary, 'two'));
    expect(readFileSync(path, 'utf8')).toBe('two');
    await replaceTarget(path, async (temporary) => mkdirSync(temporary));
    await replaceTarget(path, async (temporary) => mkdirSync(join(temporary, '.singularity.d'), { recursive: true }));
    expect(readdirSync(path)).toEqual(['.singularity.d']);
    await replaceTarget(path, async (temporary) => writeFileSync(temporary, 'three'));
    expect(readFileSync(path, 'utf8')).toBe('three');
    expect(leftOver()).toEqual([]);
  });

  it('never removes a directory that nobody was asked about', async () => {
    const path = join(dir, 'mine');
    const make = async (temporary: string): Promise<void> => mkdirSync(temporary);
    // Made by somebody else while the image was being made, or no image at all.
    const late = replaceTarget(path, async (temporary) => {
      mkdirSync(join(path, '.singularity.d'), { recursive: true });
      await make(temporary);
    });
    await expect(late).rejects.toThrow(/was made by somebody else meanwhile/);
    expect(readdirSync(path)).toEqual(['.singularity.d']);
    mkdirSync(join(dir, 'home/bin'), { recursive: true });
    await expect(replaceTarget(join(dir, 'home'), make)).rejects.toThrow(/does not look like an image/);
    expect(readdirSync(join(dir, 'home'))).toEqual(['bin']);
    expect(leftOver()).toEqual([]);
  });

  it('leaves the old one and nothing else when making fails', async () => {
    const path = join(dir, 'kept');
    writeFileSync(path, 'old');
    const failing = replaceTarget(path, async (temporary) => {
      mkdirSync(join(temporary, 'half'), { recursive: true });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(leftOver()).toEqual([]);
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('leaves nothing after %s, and dies of it', async (signal) => {
    const module = join(dir, 'target.cjs');
    const esbuild = await import('esbuild');
    await esbuild.build({
      entryPoints: [join(__dirname, '../../../src/runtime/build/bundle/target.ts')],
      bundle: true,
      platform: 'node',
      outfile: module,
    });
    const path = join(dir, 'interrupted');
    const script = `require(${JSON.stringify(module)}).replaceTarget(${JSON.stringify(path)}, (temporary) => {
      require('fs').mkdirSync(temporary + '/half', { recursive: true });
      console.log('made');
      return new Promise((resolve) => setTimeout(resolve, 60000));
    })`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(leftOver()).toHaveLength(1);
    child.kill(signal);
    const ended = await new Promise((resolve) => child.once('exit', (_code, by) => resolve(by)));
    expect(ended).toBe(signal);
    expect(existsSync(path)).toBe(false);
    expect(leftOver()).toEqual([]);
  });
});
