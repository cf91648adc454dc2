/** State that cannot lie: records that are damaged, foreign, old or no records at all, and PIDs that belong to others. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decodeRecord, encodeRecord, type InstanceRecord } from '../../src/runtime/instance/record';
import { isAlive, type Listed, type World } from './support/world';
import { directories, expectGone, expectRecovery, expectTruth, started, withFaults } from './fault/truth';

function pathOf(world: World, name = 'web'): string {
  return join(world.stateDir, 'instances', name, 'record.pb');
}

function replace(path: string, put: () => void): void {
  rmSync(path, { recursive: true, force: true });
  put();
}

/** What may stand where a record was, by what is wrong with it. */
const damages: Record<string, (path: string) => void> = {
  'cut in half': (path) => truncateSync(path, readFileSync(path).length >> 1),
  empty: (path) => truncateSync(path, 0),
  'overwritten with noise': (path) => writeFileSync(path, Buffer.alloc(300, 0xff)),
  'of a newer version': (path) =>
    writeFileSync(path, encodeRecord({ ...decodeRecord(readFileSync(path), 'web'), format: 2 })),
  'of another instance': (path) =>
    writeFileSync(path, encodeRecord({ ...decodeRecord(readFileSync(path), 'web'), name: 'other' })),
  'without its processes': (path) =>
    writeFileSync(path, encodeRecord({ ...decodeRecord(readFileSync(path), 'web'), pid: 0, keeperPid: 1 })),
  'a directory': (path) => replace(path, () => mkdirSync(join(path, 'in', 'it'), { recursive: true })),
  'a link to a file': (path) => replace(path, () => symlinkSync('/etc/passwd', path)),
  'a link to nowhere': (path) => replace(path, () => symlinkSync('nowhere', path)),
  'a FIFO': (path) => replace(path, () => void execFileSync('mkfifo', [path])),
  'larger than any record': (path) => truncateSync(path, 64 << 20),
};

function change(world: World, changes: Partial<InstanceRecord>): void {
  const path = pathOf(world);
  writeFileSync(path, encodeRecord({ ...decodeRecord(readFileSync(path), 'web'), ...changes }));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // An init ends by the death of its keeper, and may be gone already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function killAll({ keeperPid, pid }: Listed): void {
  for (const target of [keeperPid, pid]) kill(target);
  // A launch can be quicker than the end of a killed process, which holds the lock for that long.
  while (isAlive(keeperPid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

withFaults('damaged record of a live instance', (world) => {
  for (const [what, damage] of Object.entries(damages)) {
    test(`${what}: it is known to run, cannot be started again, and can be stopped`, async () => {
      const instance = await started(world());
      damage(pathOf(world()));
      const list = await world().davit('instance', 'list');
      expect(list).toMatchObject({ status: 0, stderr: expect.stringMatching(/web.*is running/s) });
      const [shown] = await world().list('--all');
      expect(shown).toMatchObject({ instance: 'web', state: 'damaged' });
      expect((await world().ok('instance', 'list', '--all')).split('\n')[1]).toMatch(/^web /);

      const again = await world().davit('instance', 'start', world().image(), 'web');
      expect(again).toMatchObject({ status: 255, stderr: expect.stringContaining('instance web already exists') });
      const inside = await world().davit('exec', 'instance://web', 'true');
      expect(inside).toMatchObject({ status: 255, stderr: expect.stringContaining('FATAL') });

      await world().ok('instance', 'stop', 'web');
      expect(isAlive(instance.pid)).toBe(false);
      await expectRecovery(world());
    });
  }

  test('missing altogether: the instance counts as one that is being started', async () => {
    const instance = await started(world());
    rmSync(pathOf(world()));
    expect(await world().list()).toEqual([]);
    expect(directories(world())).toEqual(['web']);
    const again = await world().davit('instance', 'start', world().image(), 'web');
    expect(again).toMatchObject({ status: 255, stderr: expect.stringContaining('instance web already exists') });
    killAll(instance);
    await expectRecovery(world());
  });
});

withFaults('leftovers of a dead instance', (world) => {
  for (const [what, damage] of Object.entries(damages)) {
    test(`a record that is ${what}`, async () => {
      killAll(await started(world()));
      damage(pathOf(world()));
      await expectRecovery(world());
    });
  }

  const places: Record<string, (directory: string) => void> = {
    'a file in place of the directory': (path) => replace(path, () => writeFileSync(path, 'x')),
    'a link in place of the directory': (path) => replace(path, () => symlinkSync('/etc', path)),
    'a directory without a lock': (path) => rmSync(join(path, 'lock')),
    'a link in place of the lock': (path) =>
      replace(join(path, 'lock'), () => symlinkSync('/etc/passwd', join(path, 'lock'))),
    'a directory in place of the lock': (path) =>
      replace(join(path, 'lock'), () => mkdirSync(join(path, 'lock', 'deep'), { recursive: true })),
    'a FIFO in place of the lock': (path) =>
      replace(join(path, 'lock'), () => void execFileSync('mkfifo', [join(path, 'lock')])),
    'a lock of mode 0444': (path) => execFileSync('chmod', ['0444', join(path, 'lock')]),
    'temporary files of a killed keeper': (path) => writeFileSync(join(path, '.record.pb.4711'), 'half'),
  };
  for (const [what, make] of Object.entries(places)) {
    test(`${what}: list removes it`, async () => {
      killAll(await started(world()));
      make(join(world().stateDir, 'instances', 'web'));
      await expectRecovery(world());
    });
    test(`${what}: start takes the name`, async () => {
      killAll(await started(world()));
      make(join(world().stateDir, 'instances', 'web'));
      await world().ok('instance', 'start', world().image(), 'web');
      expect(await expectTruth(world())).toHaveLength(1);
      await world().ok('instance', 'stop', 'web');
      await expectGone(world());
    });
  }
});

withFaults('PIDs of others', (world) => {
  /** A process that is none of the instance's. */
  async function withStranger(body: (stranger: ChildProcess & { pid: number }) => Promise<void>): Promise<void> {
    const stranger = spawn('sleep', ['1000'], { stdio: 'ignore', env: {} }) as ChildProcess & { pid: number };
    try {
      await body(stranger);
      expect([stranger.exitCode, stranger.signalCode], 'the stranger was not touched').toEqual([null, null]);
    } finally {
      stranger.kill('SIGKILL');
    }
  }

  test('a recycled PID in the record of a dead instance', async () => {
    await withStranger(async ({ pid }) => {
      const instance = await started(world());
      change(world(), { pid, keeperPid: pid });
      killAll(instance);
      await expect.poll(() => isAlive(instance.pid)).toBe(false);
      expect(await world().davit('instance', 'stop', 'web')).toMatchObject({ status: 1 });
      expect(await world().davit('exec', 'instance://web', 'true')).toMatchObject({ status: 255 });
      await expectRecovery(world());
    });
  });

  for (const [what, changes] of Object.entries({
    'another start time': {},
    'another boot': { bootId: '00000000-0000-4000-8000-000000000000' },
  })) {
    test(`a PID of a stranger and ${what} in the record of a live instance: nobody is signalled or entered`, async () => {
      await withStranger(async ({ pid }) => {
        const instance = await started(world());
        change(world(), { pid, keeperPid: pid, ...changes });
        expect(await world().davit('exec', 'instance://web', 'true')).toMatchObject({ status: 255 });
        await world().davit('instance', 'stop', '--timeout', '1', 'web');
        await world().davit('instance', 'stop', '--force', 'web');
        killAll(instance);
        await expectRecovery(world());
      });
    });
  }

  test('a reboot: records of another boot, no locks', async () => {
    const names = ['web', 'db', 'cache'];
    const all = [];
    for (const name of names) all.push(await started(world(), name));
    for (const instance of all) killAll(instance);
    for (const name of names) {
      const path = pathOf(world(), name);
      writeFileSync(path, encodeRecord({ ...decodeRecord(readFileSync(path), name), bootId: 'before' }));
    }
    expect(await world().davit('instance', 'stop', '--all')).toMatchObject({ status: 1 });
    await expectRecovery(world());
  });
});
