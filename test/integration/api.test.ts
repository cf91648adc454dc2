/** The library as a program uses it: dist/index.cjs. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Runtime as RuntimeClass } from '../../src/index';
import { projectRoot, withWorld, type World } from './support/world';

const { cpuPercent, Runtime, RuntimeError } = createRequire(__filename)(
  join(projectRoot, 'dist/index.cjs'),
) as typeof import('../../src/index');

const many = 50;

withWorld('the library', (world) => {
  let runtime: RuntimeClass;
  const use = (w: World): RuntimeClass => {
    runtime ??= new Runtime({ stateDir: w.stateDir, env: w.env });
    return runtime;
  };

  test('starts an instance and says where it is', async () => {
    const started = await use(world()).start(world().image(), 'one', { args: ['polite'] });
    expect(started).toMatchObject({ name: 'one', image: world().image(), state: 'running' });
    expect(started.pid).toBe((await world().listed('one')).pid);
  });

  test('refuses a name that is taken, by a stable code', async () => {
    const again = runtime.start(world().image(), 'one');
    await expect(again).rejects.toBeInstanceOf(RuntimeError);
    await expect(again).rejects.toMatchObject({ code: 'INSTANCE_EXISTS' });
  });

  test('executes in an instance and in an image, with output and exit status', async () => {
    const inside = await runtime.exec('instance://one', ['sh', '-c', 'echo out; echo err >&2; exit 5']);
    expect({ ...inside, stdout: String(inside.stdout), stderr: String(inside.stderr) }).toMatchObject({
      exitStatus: 5,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const alone = await runtime.exec(world().image(), ['sh', '-c', 'kill -TERM $$']);
    expect(alone).toMatchObject({ exitStatus: 143, signal: 15 });
  });

  test('passes options on', async () => {
    const bound = world().write('data/file', 'bound\n');
    const result = await runtime.exec(world().image(), ['cat', '/mnt/file'], { bind: [`${join(bound, '..')}:/mnt`] });
    expect(String(result.stdout)).toBe('bound\n');
  });

  test('names the step of a launch that fails', async () => {
    const failed = runtime.start(world().image(), 'none', { bind: ['/no/such/directory:/mnt'] });
    await expect(failed).rejects.toMatchObject({ code: expect.stringMatching(/^(LAUNCH_STEP|BIND)$/) });
    await expect(runtime.exec('instance://none', ['true'])).rejects.toMatchObject({ code: 'INSTANCE_MISSING' });
  });

  test(`starts ${many} instances at once from one process, lists and stops them`, async () => {
    const names = Array.from({ length: many }, (_, i) => `many-${i}`);
    const started = await Promise.all(names.map((name) => runtime.start(world().image(), name, { args: ['polite'] })));
    expect(new Set(started.map(({ pid }) => pid)).size).toBe(many);
    expect(await runtime.list('many-*')).toHaveLength(many);
    expect(await runtime.stop('many-*')).toHaveLength(many);
    expect((await runtime.list()).map(({ name }) => name)).toEqual(['one']);
    await runtime.stop('one');
  });

  test('says what an instance uses, and how busy it is', async () => {
    const busy = { args: ['run', 'sh', '-c', 'while :; do :; done'] };
    const { pid } = await runtime.start(world().image(), 'busy', busy);
    const before = await runtime.stats('busy');
    expect(before).toMatchObject({ name: 'busy', pid, tasks: 2, memory: { usageBytes: expect.any(Number) } });
    await vi.waitFor(async () => expect(cpuPercent(before, await runtime.stats('busy'))).toBeGreaterThan(0), 10_000);
    await runtime.stop('busy', { signal: 'KILL' });
    await expect(runtime.stats('busy')).rejects.toMatchObject({ code: 'INSTANCE_MISSING' });
  });
});
