import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { type ManyRequest, planFor, startEach } from '../../../src/runtime/instance/start-many';

type One = { name: string };

const names = Array.from({ length: 20 }, (_, i) => `n${i}`);

/** Starts of which some fail; how many ran at one time is counted. */
function launches(failing: (name: string) => boolean, changes: Partial<ManyRequest<One>> = {}) {
  const seen = { tried: [] as string[], most: 0, withdrawn: [] as string[] };
  let now = 0;
  const outcome = startEach<One>({
    names,
    jobs: 3,
    atomic: false,
    start: async (name) => {
      seen.tried.push(name);
      seen.most = Math.max(seen.most, ++now);
      await new Promise((done) => setTimeout(done, name === 'n0' ? 5 : 1));
      now--;
      if (failing(name)) throw new RuntimeError('LAUNCH_STEP', `no ${name}`);
      return { started: { name } };
    },
    withdraw: async (started) => {
      seen.withdrawn.push(...started.map(({ name }) => name));
    },
    ...changes,
  });
  return { outcome, seen };
}

describe('startEach', () => {
  it('starts all, so many at a time, and keeps their order', async () => {
    const { outcome, seen } = launches(() => false);
    expect(await outcome).toEqual({ started: names.map((name) => ({ name })), failed: [], withdrawn: [], skipped: [] });
    expect(seen.most).toBe(3);
  });

  it('goes on after failures and keeps each by its name', async () => {
    const { outcome } = launches((name) => name.endsWith('3'));
    const { started, failed } = await outcome;
    expect(started).toHaveLength(18);
    expect(failed.map(({ name, error }) => [name, error.code, error.message])).toEqual([
      ['n3', 'LAUNCH_STEP', 'no n3'],
      ['n13', 'LAUNCH_STEP', 'no n13'],
    ]);
  });

  it('atomic: stops after a failure and withdraws what has started, that alone', async () => {
    const { outcome, seen } = launches((name) => name === 'n5', { atomic: true });
    const { started, failed, withdrawn, skipped } = await outcome;
    expect(started).toEqual([]);
    expect(failed.map(({ name }) => name)).toEqual(['n5']);
    expect(seen.withdrawn).toEqual(withdrawn);
    expect([...withdrawn].sort()).toEqual(seen.tried.filter((name) => name !== 'n5').sort());
    expect(skipped).toEqual(names.filter((name) => !seen.tried.includes(name)));
    expect(skipped.length).toBeGreaterThan(10);
  });

  it('atomic: also withdraws an instance that is up and has failed', async () => {
    const error = new RuntimeError('LAUNCH_STEP', 'its script failed');
    const { outcome, seen } = launches(() => false, {
      names: ['a', 'b'],
      atomic: true,
      start: async (name) => ({ started: { name }, ...(name === 'a' ? { error } : {}) }),
    });
    expect(await outcome).toMatchObject({ started: [], failed: [{ name: 'a', error }], withdrawn: ['a', 'b'] });
    expect(seen.withdrawn).toEqual(['a', 'b']);
  });

  it.each([false, true])('starts nothing more once it is aborted (atomic: %s)', async (atomic) => {
    const controller = new AbortController();
    const { outcome } = launches(
      (name) => {
        if (name === 'n4') controller.abort();
        return false;
      },
      { signal: controller.signal, atomic },
    );
    const { started, withdrawn, skipped, failed } = await outcome;
    expect(failed).toEqual([]);
    expect(skipped.length).toBeGreaterThan(10);
    expect((atomic ? withdrawn : started).length).toBe(names.length - skipped.length);
    expect((atomic ? started : withdrawn).length).toBe(0);
  });

  it('makes an error of whatever was thrown', async () => {
    const { outcome } = launches(() => false, {
      names: ['a'],
      start: () => Promise.reject(new TypeError('x')),
    });
    expect((await outcome).failed[0]?.error).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('planFor', () => {
  it('changes the name alone and leaves the plan as it is', () => {
    const plan = { format: 1, instance: { name: 'a', stateDir: '/s' } };
    expect(planFor('b', plan)).toEqual({ format: 1, instance: { name: 'b', stateDir: '/s' } });
    expect(plan.instance.name).toBe('a');
  });
});
