/**
 * State that cannot lie: SIGKILL of the processes of an instance, alone and together. Kernel squashfs for root, a FUSE
 * server for a plain user.
 */
import { expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
import { isAlive, type Listed, type World } from './support/world';
import { expectGone, expectRecovery, expectTruth, started, withFaults } from './fault/truth';

const roles = ['keeperPid', 'pid', 'programPid', ...(isRoot ? [] : ['serverPid'])] as const;
type Role = (typeof roles)[number];

const words: Record<string, string> = {
  keeperPid: 'keeper',
  pid: 'init',
  programPid: 'startscript',
  serverPid: 'FUSE server',
};

/** Every non-empty set of roles, smaller ones first. */
function sets(): Role[][] {
  const all: Role[][] = [];
  for (let bits = 1; bits < 1 << roles.length; bits++) all.push(roles.filter((_, index) => (bits >> index) & 1));
  return all.sort((a, b) => a.length - b.length);
}

function killAll(instance: Listed, which: readonly Role[]): void {
  for (const role of which) {
    try {
      process.kill(instance[role] as number, 'SIGKILL');
    } catch (error) {
      // One of them may have ended by the death of another.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

withFaults('killed processes of an instance', (world) => {
  for (const which of sets()) {
    // A startscript alone may end: the instance stays up.
    if (which.length === 1 && which[0] === 'programPid') continue;
    test(`SIGKILL of ${which.map((role) => words[role]).join(', ')}`, async () => {
      const instance = await started(world());
      for (const role of roles) expect(instance[role], role).toBeGreaterThan(1);
      killAll(instance, which);
      await expectRecovery(world());
    });
  }

  test('SIGKILL in the opposite order', async () => {
    killAll(await started(world()), [...roles].reverse());
    await expectRecovery(world());
  });

  test('SIGKILL of the startscript: the instance stays up and says so', async () => {
    const instance = await started(world());
    killAll(instance, ['programPid']);
    await expect.poll(async () => (await world().listed('web')).exitStatus).toBe(128 + 9);
    expect(await expectTruth(world())).toMatchObject([{ instance: 'web', state: 'exited' }]);
    expect(await world().ok('exec', 'instance://web', 'echo', 'inside')).toBe('inside\n');
    await world().ok('instance', 'stop', 'web');
    await expectRecovery(world());
  });

  test('SIGKILL of the keeper while commands run inside', async () => {
    const instance = await started(world());
    const inside = world().davit('exec', 'instance://web', 'sh', '-c', 'echo up; exec sleep 1000');
    await expect
      .poll(
        () =>
          world()
            .processes()
            .filter(({ commandLine }) => commandLine === 'sleep 1000').length,
      )
      .toBe(1);
    killAll(instance, ['keeperPid']);
    expect((await inside).status).not.toBe(0);
    await expectRecovery(world());
  });

  test('other instances of the image do not notice', async () => {
    const other = await started(world(), 'other');
    // The FUSE server is theirs too: see shared-image.test.ts.
    killAll(
      await started(world()),
      roles.filter((role) => role !== 'serverPid'),
    );
    await expect.poll(async () => (await world().list()).map(({ instance }) => instance)).toEqual(['other']);
    expect(await world().ok('exec', 'instance://other', 'cat', '/srv/site/deep/er/file')).toBe('deep\n');
    expect((await expectTruth(world())).map(({ pid }) => pid)).toEqual([other.pid]);
    await world().ok('instance', 'stop', 'other');
    await expectGone(world());
  });

  test('a stopped keeper (SIGSTOP) is alive, can be stopped and killed', async () => {
    const instance = await started(world());
    process.kill(instance.keeperPid, 'SIGSTOP');
    expect(await expectTruth(world())).toHaveLength(1);
    const again = await world().davit('instance', 'start', world().image(), 'web');
    expect(again).toMatchObject({ status: 255, stderr: expect.stringContaining('instance web already exists') });
    process.kill(instance.keeperPid, 'SIGCONT');
    expect(await world().ok('exec', 'instance://web', 'echo', 'inside')).toBe('inside\n');
    process.kill(instance.keeperPid, 'SIGSTOP');
    await world().ok('instance', 'stop', '--timeout', '1', 'web');
    expect(isAlive(instance.keeperPid)).toBe(false);
    await expectRecovery(world());
  });
});

withFaults('many killed at once', (world) => {
  test('ten instances, all their processes', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `n${index}`);
    await Promise.all(names.map((name) => world().ok('instance', 'start', world().image(), name)));
    const all = await expectTruth(world());
    expect(all).toHaveLength(names.length);
    for (const instance of all) killAll(instance, roles);
    await expectRecovery(world(), 'n3');
  });
});

export type { World };
