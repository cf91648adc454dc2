import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { type Attempt, settleMany } from '../../../src/runtime/instance/start-many';

type One = { name: string };

const names = ['a', 'b', 'c', 'd'];
const up = (name: string): Attempt<One> => ({ started: { name } });
const error = new RuntimeError('LAUNCH_STEP', 'its script failed');

/** What has become of the names, and what was withdrawn. */
async function settled(attempts: (Attempt<One> | undefined)[], atomic: boolean) {
  const seen: string[] = [];
  const outcome = await settleMany<One>({
    names,
    attempts,
    atomic,
    withdraw: async (started) => {
      seen.push(...started.map(({ name }) => name));
    },
  });
  return { outcome, seen };
}

describe('settleMany', () => {
  it('keeps the order of the names and each failure by its name', async () => {
    const { outcome, seen } = await settled([up('a'), { error }, up('c'), up('d')], false);
    expect(outcome).toEqual({
      started: [{ name: 'a' }, { name: 'c' }, { name: 'd' }],
      failed: [{ name: 'b', error }],
      withdrawn: [],
      skipped: [],
    });
    expect(seen).toEqual([]);
  });

  it('names what was not tried, also at the end', async () => {
    const { outcome } = await settled([up('a'), undefined], false);
    expect(outcome).toMatchObject({ started: [{ name: 'a' }], skipped: ['b', 'c', 'd'] });
  });

  it('atomic: withdraws what has started, also an instance that is up and has failed', async () => {
    const { outcome, seen } = await settled([up('a'), { ...up('b'), error }, { error }, undefined], true);
    expect(outcome).toEqual({
      started: [],
      failed: [
        { name: 'b', error },
        { name: 'c', error },
      ],
      withdrawn: ['a', 'b'],
      skipped: ['d'],
    });
    expect(seen).toEqual(['a', 'b']);
  });

  it('atomic: what was not tried counts as a failure, and all that are up stay', async () => {
    expect((await settled([up('a')], true)).seen).toEqual(['a']);
    const { outcome, seen } = await settled(names.map(up), true);
    expect(outcome.started).toHaveLength(4);
    expect(seen).toEqual([]);
  });

  it('without atomic an instance whose startscript has failed stays', async () => {
    const { outcome, seen } = await settled([{ ...up('a'), error }, up('b'), up('c'), up('d')], false);
    expect(outcome.failed).toEqual([{ name: 'a', error }]);
    expect(outcome.started.map(({ name }) => name)).toEqual(['b', 'c', 'd']);
    expect(seen).toEqual([]);
  });
});
