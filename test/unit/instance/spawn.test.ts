import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Capture } from '../../../src/runtime/instance/capture';
import { Limiter } from '../../../src/workers/shared/limiter';
import { spawnBatch, spawnPlan } from '../../../src/runtime/instance/spawn';
import type { CompiledPlan } from '../../../src/runtime/launch/plan';
import { makeStateDir } from './fixtures';

const plan: CompiledPlan = { plan: {}, bytes: () => new Uint8Array([1]), warnings: [] };

/** Protobuf of a LaunchReport: field number and a number or a text. */
function report(fields: [number, number | string][]): Uint8Array {
  const bytes = fields.flatMap(([field, value]) =>
    typeof value === 'number' ? [field << 3, value] : [(field << 3) | 2, value.length, ...Buffer.from(value)],
  );
  return Uint8Array.from(bytes);
}

function launcher(status: number, bytes: Uint8Array = new Uint8Array()) {
  const calls: unknown[][] = [];
  return {
    calls,
    spawnLauncher(...args: [string, Uint8Array, object, (status: number, report: Uint8Array) => void]): number {
      calls.push(args);
      args[3](status, bytes);
      return 1;
    },
  };
}

const options = { env: { A: '1', GONE: undefined }, stdio: [-1, -1, -1] as [number, number, number] };

describe('spawnPlan', () => {
  it('hands the environment and the descriptors on', async () => {
    const addon = launcher(0);
    await spawnPlan(plan, addon, { ...options, cwd: '/tmp' });
    expect(addon.calls[0]?.[2]).toEqual({ env: ['A=1'], stdio: [-1, -1, -1], cwd: '/tmp' });
  });

  it('reads the wait status', async () => {
    expect(await spawnPlan(plan, launcher(7 << 8), options)).toEqual({ exitStatus: 7 });
    expect(await spawnPlan(plan, launcher(9), options)).toEqual({ exitStatus: 137, signal: 9 });
    expect(await spawnPlan(plan, launcher(0x80 | 11), options)).toEqual({ exitStatus: 139, signal: 11 });
  });

  it('has the report of a start', async () => {
    const { report: got } = await spawnPlan(
      plan,
      launcher(
        0,
        report([
          [1, 1],
          [7, 100],
          [11, 'tail'],
        ]),
      ),
      options,
    );
    expect(got).toMatchObject({ ok: true, pid: 100, outputTail: 'tail' });
  });

  it('turns a failed step into an error with step, errno and hint', async () => {
    const failed = report([
      [2, 3],
      [3, 'bind'],
      [4, 2],
      [5, 'mount x: ENOENT'],
      [6, 'create it'],
      [11, 'last words'],
    ]);
    await expect(spawnPlan(plan, launcher(255 << 8, failed), options)).rejects.toMatchObject({
      code: 'LAUNCH_STEP',
      step: 3,
      errno: 'ENOENT',
      message: 'mount x: ENOENT',
      hint: 'create it',
      cause: expect.objectContaining({ message: 'last words' }),
    });
  });

  it('knows a name that is in use', async () => {
    const failed = report([
      [4, 17], // EEXIST
      [5, 'instance web already exists'],
    ]);
    await expect(spawnPlan(plan, launcher(255 << 8, failed), options)).rejects.toMatchObject({
      code: 'INSTANCE_EXISTS',
    });
  });

  it('words a launcher that cannot be started', async () => {
    const addon = {
      spawnLauncher: () => {
        throw new Error('start the launcher: ENOENT');
      },
    };
    await expect(spawnPlan(plan, addon, options)).rejects.toMatchObject({ code: 'NATIVE' });
  });
});

describe('Limiter', () => {
  it('lets no more run than it may, in the order in which they came', async () => {
    const limiter = new Limiter(2);
    const log: string[] = [];
    const release: (() => void)[] = [];
    const task = (name: string) => () => {
      log.push(name);
      return new Promise<string>((resolve) => release.push(() => resolve(name)));
    };
    const all = ['a', 'b', 'c', 'd'].map((name) => limiter.run(task(name)));
    await Promise.resolve();
    expect(log).toEqual(['a', 'b']);
    release[0]?.();
    expect(await all[0]).toBe('a');
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(log).toEqual(['a', 'b', 'c']);
    for (const end of release.slice(1)) end();
    await new Promise((resolve) => setTimeout(resolve, 0));
    release[3]?.();
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('frees the place of a task that failed', async () => {
    const limiter = new Limiter(1);
    await expect(limiter.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(await limiter.run(async () => 1)).toBe(1);
  });
});

describe('Capture', () => {
  it('holds what is written to its descriptor and has no name', async () => {
    const directory = makeStateDir();
    const { readdirSync, writeSync } = await import('node:fs');
    const capture = new Capture(directory);
    writeSync(capture.fd, 'one ');
    writeSync(capture.fd, 'two');
    expect(capture.read().toString()).toBe('one two');
    expect(readdirSync(directory)).toEqual([]);
    capture.close();
  });

  it('fails where there is no such directory', () => {
    const directory = join(makeStateDir(), 'file');
    mkdirSync(directory);
    expect(() => new Capture(join(directory, 'none'))).toThrow('ENOENT');
  });
});

describe('spawnBatch', () => {
  /** Protobuf of a BatchReport with one entry for each report. */
  const entries = (...reports: [number, Uint8Array][]): Uint8Array =>
    Uint8Array.from(reports.flatMap(([index, bytes]) => [10, bytes.length + 4, 8, index, 18, bytes.length, ...bytes]));
  const up = (pid: number): Uint8Array =>
    report([
      [1, 1],
      [7, pid],
    ]);
  const taken = report([
    [4, 17],
    [5, 'instance b already exists'],
  ]);

  it('has each outcome at the index of its name', async () => {
    const addon = launcher(0, entries([2, up(30)], [0, up(10)], [1, taken]));
    const { outcomes, signal } = await spawnBatch(plan, addon, options);
    expect(signal).toBeUndefined();
    expect(outcomes).toMatchObject([
      { ok: true, pid: 10 },
      { code: 'INSTANCE_EXISTS', message: 'instance b already exists' },
      { ok: true, pid: 30 },
    ]);
    expect(addon.calls[0]?.[2]).toMatchObject({ largeReport: true, parentDeathSignal: 15 });
  });

  it('keeps what a killed launcher has told of', async () => {
    expect(await spawnBatch(plan, launcher(9, entries([0, up(10)])), options)).toMatchObject({
      signal: 9,
      outcomes: [{ pid: 10 }],
    });
    expect(await spawnBatch(plan, launcher(0), options)).toEqual({ outcomes: [], times: [] });
  });

  it('a launcher that ends with a status, or within an entry, is an error', async () => {
    await expect(spawnBatch(plan, launcher(255 << 8), options)).rejects.toMatchObject({ code: 'NATIVE' });
    const cut = entries([0, up(10)]).slice(0, -1);
    await expect(spawnBatch(plan, launcher(9, cut), options)).rejects.toMatchObject({ code: 'NATIVE' });
  });
});
