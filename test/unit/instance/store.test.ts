import { chmodSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RuntimeError } from '../../../src/errors';
import { globMatcher } from '../../../src/runtime/instance/names';
import { encodeRecord } from '../../../src/runtime/instance/record';
import { InstanceStore, readBelow } from '../../../src/runtime/instance/store';
import { FakeLocks, makeStateDir, putInstance, sampleRecord, uid } from './fixtures';

function setUp(alive: string[]): { stateDir: string; locks: FakeLocks; store: InstanceStore } {
  const stateDir = makeStateDir();
  const locks = new FakeLocks(new Set(alive));
  return { stateDir, locks, store: new InstanceStore(stateDir, locks, { uid }) };
}

const names = (store: InstanceStore, pattern = '*'): string[] =>
  store.list(globMatcher(pattern)).map(({ name }) => name);

describe('InstanceStore.list', () => {
  it('is empty without a state directory, and without instances', () => {
    const { store, locks, stateDir } = setUp([]);
    expect(store.list()).toEqual([]);
    expect(new InstanceStore(join(stateDir, 'none'), locks, { uid }).list()).toEqual([]);
  });

  it('sorts by name and filters by pattern', () => {
    const { store, stateDir } = setUp(['web2', 'db1', 'web1', 'Z']);
    for (const name of ['web2', 'db1', 'web1', 'Z']) putInstance(stateDir, name);
    expect(names(store)).toEqual(['Z', 'db1', 'web1', 'web2']);
    expect(names(store, 'web*')).toEqual(['web1', 'web2']);
    expect(names(store, 'nomatch*')).toEqual([]);
  });

  it('removes what is dead and tells nothing of it', () => {
    const { store, stateDir, locks } = setUp(['web1']);
    putInstance(stateDir, 'web1');
    putInstance(stateDir, 'dead');
    expect(names(store)).toEqual(['web1']);
    expect(locks.removed).toEqual(['dead']);
    expect(existsSync(join(stateDir, 'instances/dead'))).toBe(false);
  });

  it('keeps an instance whose name was taken while it was looked at', () => {
    const { store, stateDir, locks } = setUp([]);
    putInstance(stateDir, 'web1');
    locks.removeDeadInstance = () => {
      locks.alive.add('web1');
      return false;
    };
    expect(names(store)).toEqual(['web1']);
  });

  it('still lists when the dead cannot be removed', () => {
    const { store, stateDir, locks } = setUp(['web1']);
    putInstance(stateDir, 'web1');
    putInstance(stateDir, 'dead');
    locks.removeDeadInstance = () => {
      throw Object.assign(new Error('read-only'), { code: 'EROFS' });
    };
    expect(names(store)).toEqual(['web1']);
  });

  it('lets a damaged record hide only itself', () => {
    const whole = encodeRecord(sampleRecord('cut'));
    const damage: Record<string, Uint8Array> = {
      cut: whole.subarray(0, whole.length / 2),
      empty: new Uint8Array(),
      newer: encodeRecord(sampleRecord('newer', { format: 2 })),
      other: encodeRecord(sampleRecord('elsewhere')),
    };
    const { store, stateDir } = setUp([...Object.keys(damage), 'web1']);
    putInstance(stateDir, 'web1');
    for (const [name, bytes] of Object.entries(damage)) putInstance(stateDir, name, bytes);
    const found = store.list();
    expect(found.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'cut damaged',
      'empty damaged',
      'newer damaged',
      'other damaged',
      'web1 alive',
    ]);
    expect(store.find('newer')).toMatchObject({ problem: expect.stringContaining('newer davit') });
  });

  it('tells an instance that is being started from one that runs', () => {
    const { store, stateDir } = setUp(['new']);
    putInstance(stateDir, 'new', null);
    expect(store.find('new')).toEqual({ name: 'new', state: 'starting' });
  });

  it('passes over entries that are no instances', () => {
    const { store, stateDir } = setUp(['bad name']);
    putInstance(stateDir, 'bad name');
    expect(store.list()).toEqual([]);
    expect(store.find('../up')).toBeUndefined();
    expect(store.find('')).toBeUndefined();
  });

  it('calls a record damaged that is a directory or a FIFO', () => {
    const { store, stateDir } = setUp(['odd']);
    putInstance(stateDir, 'odd', null);
    mkdirSync(join(stateDir, 'instances/odd/record.pb'));
    expect(store.find('odd')).toMatchObject({ state: 'damaged', problem: expect.stringContaining('not a file') });
  });
});

describe('the state directory', () => {
  const refusal = (path: string, owner = uid): RuntimeError => {
    try {
      new InstanceStore(path, new FakeLocks(new Set()), { uid: owner }).list();
    } catch (error) {
      return error as RuntimeError;
    }
    throw new Error('accepted');
  };

  it('must not be a link, a file, or open to others', () => {
    const stateDir = makeStateDir();
    symlinkSync(stateDir, `${stateDir}/link`);
    writeFileSync(`${stateDir}/file`, '');
    mkdirSync(`${stateDir}/open`);
    chmodSync(`${stateDir}/open`, 0o750);
    expect(refusal(`${stateDir}/link`).message).toContain('symbolic link');
    expect(refusal(`${stateDir}/file`).message).toContain('not a directory');
    expect(refusal(`${stateDir}/open`).message).toContain('0700');
    expect(refusal(`${stateDir}/open`)).toMatchObject({
      code: 'STATE',
      hint: expect.stringContaining('DAVIT_STATE_DIR'),
    });
  });

  it('must belong to the user whose instances are asked for', () => {
    expect(refusal(makeStateDir(), uid + 1).message).toContain(`belongs to uid ${uid}`);
  });
});

describe('instances of another user', () => {
  it('are never removed', () => {
    const { stateDir, locks } = setUp([]);
    putInstance(stateDir, 'dead');
    const store = new InstanceStore(stateDir, locks, { uid, foreign: true });
    expect(store.list()).toEqual([]);
    expect(store.remove('dead')).toBe(false);
    expect(existsSync(join(stateDir, 'instances/dead'))).toBe(true);
  });

  it('are not reached through links', () => {
    const { stateDir } = setUp([]);
    putInstance(stateDir, 'real');
    expect(readBelow(stateDir, ['instances', 'real', 'record.pb']).length).toBeGreaterThan(0);
    symlinkSync('real', join(stateDir, 'instances/linked'));
    expect(() => readBelow(stateDir, ['instances', 'linked', 'record.pb'])).toThrow(/ELOOP|ENOTDIR/);
    renameSync(join(stateDir, 'instances/real/record.pb'), join(stateDir, 'secret'));
    symlinkSync(join(stateDir, 'secret'), join(stateDir, 'instances/real/record.pb'));
    expect(() => readBelow(stateDir, ['instances', 'real', 'record.pb'])).toThrow('ELOOP');
  });

  it('must be that user’s files', () => {
    const { stateDir } = setUp([]);
    putInstance(stateDir, 'web1');
    expect(() => readBelow(stateDir, ['instances', 'web1', 'record.pb'], uid + 1)).toThrow(`belongs to uid ${uid}`);
  });
});
