import { describe, expect, it } from 'vitest';
import { planNamespaces } from '../../../src/runtime/launch/namespaces';
import { Notes } from '../../../src/runtime/launch/notes';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { MODE } from '../../../src/runtime/launch/plan';
import { parseCapabilities } from '../../../src/runtime/launch/privileges';
import { findRange } from '../../../src/runtime/launch/subordinate-ids';
import { compile, config, options, rootCaller, stepsOf, userCaller, warnings } from './support';

const IDS = {
  uid: { start: 100_000, count: 65_536 },
  gid: { start: 200_000, count: 65_536 },
  uidHelper: '/usr/bin/newuidmap',
  gidHelper: '/usr/bin/newgidmap',
};
const one = (inside: number, outside: number) => [{ inside, outside, count: 1 }];

function plan(asked: Partial<LaunchOptions>, more: Partial<Parameters<typeof planNamespaces>[0]> = {}) {
  const notes = new Notes();
  const request = {
    options: options(asked),
    caller: userCaller(),
    config: config(),
    isInstance: false,
    fuse: true,
    notes,
    ...more,
  };
  return { ...planNamespaces(request), notes: notes.list.map(({ text }) => text) };
}

describe('modes', () => {
  it.each([
    [{}, MODE.inPlace],
    [{ pid: true }, MODE.child],
    [{ containAll: true }, MODE.child],
    [{ compat: true }, MODE.child],
    [{ containAll: true, noPid: true }, MODE.inPlace],
    [{ ipc: true, uts: true }, MODE.inPlace],
  ])('%j', (asked, mode) => {
    expect(plan(asked).mode).toBe(mode);
  });

  it('makes the namespaces that were asked for', () => {
    expect(plan({}).namespaces).toMatchObject({
      user: true,
      mount: true,
      pid: false,
      ipc: false,
      uts: false,
      net: false,
    });
    expect(plan({ containAll: true }).namespaces).toMatchObject({ pid: true, ipc: true, uts: false });
    expect(plan({ hostname: 'h' }).namespaces.uts).toBe(true);
    expect(plan({ net: true, network: 'none' }).namespaces.net).toBe(true);
  });

  it('refuses networks that are not there yet', () => {
    expect(() => plan({ net: true })).toThrow('network "bridge" is not supported yet');
    expect(() => plan({ network: 'ptp' })).toThrow('network "ptp" is not supported yet');
  });

  it('leaves out what the site forbids, with a warning; never the PID namespace of an instance', () => {
    const forbidden = config({ allowPidNs: false, allowIpcNs: false });
    const result = plan({ containAll: true }, { config: forbidden });
    expect(result.namespaces).toMatchObject({ pid: false, ipc: false });
    expect(result.mode).toBe(MODE.inPlace);
    expect(result.notes).toHaveLength(2);
    expect(plan({}, { config: forbidden, isInstance: true }).namespaces.pid).toBe(true);
  });

  it('--no-init makes the program process 1 in the foreground', () => {
    expect(compile({ pid: true, noInit: true }).plan.program?.initIsProgram).toBe(true);
    expect(compile({ noInit: true }).plan.program?.initIsProgram).toBe(false);
  });
});

describe('ids', () => {
  it('root of the host needs no user namespace unless asked', () => {
    expect(plan({}, { caller: rootCaller() }).namespaces).toMatchObject({ user: false });
    expect(plan({ userns: true }, { caller: rootCaller() })).toMatchObject({
      namespaces: { user: true, idMap: { uid: one(0, 0), gid: one(0, 0) } },
      inside: { uid: 0, gid: 0 },
      innerMap: undefined,
    });
  });

  it('a user keeps its own ids; with FUSE through a namespace where the files of root are its own', () => {
    expect(plan({}, { fuse: false })).toMatchObject({
      namespaces: { idMap: { uid: one(2000, 2000) } },
      innerMap: undefined,
    });
    expect(plan({}, { fuse: true })).toMatchObject({
      namespaces: { idMap: { uid: one(0, 2000), gid: one(0, 2000) } },
      innerMap: { uid: one(2000, 0), gid: one(2000, 0) },
      inside: { uid: 2000, gid: 2000 },
    });
    expect(stepsOf(compile(), 'userNamespace')).toEqual([{ idMap: { uid: one(2000, 0), gid: one(2000, 0) } }]);
  });

  it('--fakeroot maps the ids of the caller when there are some', () => {
    const result = plan({ fakeroot: true }, { findIds: () => IDS });
    expect(result.namespaces.idMap).toEqual({
      uid: [...one(0, 2000), { inside: 1, outside: 100_000, count: 65_536 }],
      gid: [...one(0, 2000), { inside: 1, outside: 200_000, count: 65_536 }],
      uidHelper: '/usr/bin/newuidmap',
      gidHelper: '/usr/bin/newgidmap',
    });
    expect(result).toMatchObject({ inside: { uid: 0, gid: 0 }, innerMap: undefined, fakeroot: true, notes: [] });
  });

  it('--fakeroot is a root-mapped namespace otherwise', () => {
    const result = plan({ fakeroot: true }, { findIds: () => undefined });
    expect(result.namespaces.idMap).toEqual({ uid: one(0, 2000), gid: one(0, 2000) });
    expect(result.notes).toEqual(['User not listed in /etc/subuid, trying root-mapped namespace']);
    expect(plan({ fakeroot: true, ignoreSubuid: true }, { findIds: () => IDS }).namespaces.idMap?.uid).toEqual(
      one(0, 2000),
    );
  });

  it('finds a range that is long enough, by name or number', () => {
    const hpc = { uid: 2000, user: userCaller().user };
    expect(findRange('ann:1:65536\nhpc:100000:65536\n', hpc)).toEqual({ start: 100_000, count: 65_536 });
    expect(findRange('2000:300000:200000', hpc)).toEqual({ start: 300_000, count: 65_536 });
    expect(findRange('hpc:100000:1000\nhpc:500000:65536', hpc)).toEqual({ start: 500_000, count: 65_536 });
    expect(findRange('!hpc:100000:65536\nhpc:x:65536\nhpcx:1:65536', hpc)).toBeUndefined();
  });
});

describe('privileges', () => {
  it('--fakeroot keeps capabilities in its namespace and gains none', () => {
    expect(stepsOf(compile({ fakeroot: true, ignoreSubuid: true }), 'privileges')).toEqual([{ noNewPrivs: true }]);
  });

  it('--drop-caps leaves the rest to root', () => {
    const [step] = stepsOf(compile({ dropCaps: 'cap_net_raw,SYS_ADMIN' }, { caller: rootCaller() }), 'privileges');
    const mask = BigInt(step?.keepMask as number);
    expect([(mask >> 13n) & 1n, (mask >> 21n) & 1n, (mask >> 12n) & 1n, (mask >> 40n) & 1n]).toEqual([0n, 0n, 1n, 1n]);
    expect(stepsOf(compile({ dropCaps: 'all' }, { caller: rootCaller() }), 'privileges')).toEqual([
      { noNewPrivs: false, dropAll: true },
    ]);
  });

  it('knows the numbers of the kernel', () => {
    const notes = new Notes();
    expect(parseCapabilities('chown', notes)).toBe(1n);
    expect(parseCapabilities('CAP_CHECKPOINT_RESTORE', notes)).toBe(1n << 40n);
    expect(parseCapabilities('cap_foo', notes)).toBe(0n);
    expect(notes.list).toEqual([{ level: 'warning', text: 'ignoring unknown capability: CAP_FOO' }]);
  });

  it('--add-caps of a user is ignored aloud', () => {
    expect(warnings(compile({ addCaps: 'net_raw' }))).toEqual([
      'warning: --add-caps is ignored: a user payload has no capabilities',
    ]);
  });

  it('"root default capabilities = no" takes all but what is added', () => {
    const settings = { caller: rootCaller(), config: config({ rootDefaultCapabilities: 'no' as const }) };
    expect(stepsOf(compile({}, settings), 'privileges')).toEqual([{ noNewPrivs: false, dropAll: true }]);
    expect(stepsOf(compile({ addCaps: 'chown' }, settings), 'privileges')).toEqual([
      { noNewPrivs: false, keepMask: 1 },
    ]);
    expect(stepsOf(compile({ keepPrivs: true }, settings), 'privileges')).toEqual([]);
  });
});
