/** State that cannot lie: callers with low limits, without standard streams or a home, and refused system calls. */
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith, isRoot, uid } from './support/capabilities';
import { davitPath, type Outcome, type World } from './support/world';
import { runTool } from './fault/tool';
import { expectGone, expectRecovery, expectTruth, withFaults } from './fault/truth';

const needs = isRoot ? (['squashfs'] as const) : (['fuse', 'squashfuse_ll', 'userns'] as const);

// linux/resource.h
const RLIMIT = { FSIZE: 1, STACK: 3, NPROC: 6, NOFILE: 7, AS: 9 };

/** Processes and threads of this user: what RLIMIT_NPROC counts. */
function tasksOfUser(): number {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .reduce((sum, pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const owner = Number(/^Uid:\s*(\d+)/m.exec(status)?.[1]);
        return owner === uid ? sum + readdirSync(`/proc/${pid}/task`).length : sum;
      } catch {
        return sum;
      }
    }, 0);
}

/** A start either works or says why not; in both cases nothing lies. */
async function expectHonest(world: World, { status, stderr }: Outcome, what: string): Promise<'alive' | 'gone'> {
  if (status === 0) {
    expect(await expectTruth(world), what).toHaveLength(1);
    await world.ok('instance', 'stop', '--timeout', '2', 'web');
  } else expect([what, stderr]).toEqual([what, expect.stringMatching(/FATAL/)]);
  await expectGone(world);
  return status === 0 ? 'alive' : 'gone';
}

describeWith(needs, 'limits', () => {
  withFaults('of the launcher', (world) => {
    const start = (resource: number, value: number): Promise<Outcome> =>
      runTool(world(), ['limit', String(resource), String(value)], ['instance', 'start', world().image(), 'web']);

    test('RLIMIT_NOFILE from nothing to enough (EMFILE)', async () => {
      const ends = [];
      for (const value of [4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 28, 32, 64]) {
        ends.push(await expectHonest(world(), await start(RLIMIT.NOFILE, value), `${value} descriptors`));
      }
      expect([ends[0], ends.at(-1)]).toEqual(['gone', 'alive']);
      expect(ends, 'more descriptors never make it worse').toEqual([...ends].sort().reverse());
      await expectRecovery(world());
    });

    test('RLIMIT_FSIZE too small for the record (EFBIG)', async () => {
      const outcome = await start(RLIMIT.FSIZE, 10);
      expect(outcome).toMatchObject({ status: 255, stderr: expect.stringContaining('EFBIG') });
      await expectHonest(world(), outcome, 'file size');
      await expectRecovery(world());
    });

    test('RLIMIT_AS and RLIMIT_STACK too small', async () => {
      for (const [resource, value] of [
        [RLIMIT.AS, 8 << 20],
        [RLIMIT.AS, 24 << 20],
        [RLIMIT.STACK, 64 << 10],
        [RLIMIT.STACK, 256 << 10],
      ] as const) {
        const { status, signal, stderr, stdout } = await start(resource, value);
        if (status === 0) await world().ok('instance', 'stop', '--timeout', '2', 'web');
        else expect([resource, value, status ?? signal, stdout + stderr]).not.toEqual([resource, value, 0, '']);
        await expectGone(world());
      }
      await expectRecovery(world());
    });

    if (!isRoot) {
      test('RLIMIT_NPROC reached at every fork', async () => {
        // This test's own tasks are more than one: not a single fork is allowed.
        expect(await expectHonest(world(), await start(RLIMIT.NPROC, 1), 'no more processes')).toBe('gone');
        for (const more of [0, 1, 2, 3, 4, 6, 20]) {
          // What else this user runs may change meanwhile, so that nobody knows at which of these a start succeeds.
          const outcome = await start(RLIMIT.NPROC, tasksOfUser() + more);
          await expectHonest(world(), outcome, `${more} more processes`);
        }
        await expectRecovery(world());
      });
    }
  });

  withFaults('of the whole command', (world) => {
    test("a low soft limit of descriptors is the payload's again", async () => {
      const script = `ulimit -Sn 40; exec "${davitPath}" exec "${world().image()}" sh -c 'ulimit -Sn'`;
      expect(await world().command('sh', ['-c', script])).toMatchObject({ status: 0, stdout: '40\n' });
      await expectRecovery(world());
    });
  });

  withFaults('refused system calls', (world) => {
    const calls = ['memfd_create', 'pidfd_open', 'openat2', 'fsopen', 'pivot_root', 'flock'];
    test('clone3 unknown, as in older container engines: it works without', async () => {
      const outcome = await runTool(world(), ['refuse', 'clone3', '38'], ['instance', 'start', world().image(), 'web']);
      expect(await expectHonest(world(), outcome, 'clone3')).toBe('alive');
      await expectRecovery(world());
    });

    for (const call of [...calls, ...(isRoot ? [] : ['socketpair'])]) {
      test.each([1, 38])(`${call} refused with errno %i`, async (errno) => {
        const verb = ['refuse', call, String(errno)];
        const outcome = await runTool(world(), verb, ['instance', 'start', world().image(), 'web']);
        await expectHonest(world(), outcome, call);
        await expectRecovery(world());
      });
    }
  });
});

withFaults('standard streams', (world) => {
  const closings = ['<&-', '>&-', '2>&-', '<&- >&-', '>&- 2>&-', '<&- >&- 2>&-'];
  for (const closing of closings) {
    test(`closed (${closing}): the instance has all three, and only these`, async () => {
      const start = `"${davitPath}" instance start "${world().image()}" web ${closing}`;
      expect(await world().command('sh', ['-c', start])).toMatchObject({ status: 0 });
      await expectTruth(world());
      const { programPid, keeperPid } = await world().listed('web');
      // A shell that reads the startscript has that open, too.
      await expect.poll(() => readdirSync(`/proc/${programPid}/fd`).sort()).toEqual(['0', '1', '2']);
      for (const fd of ['0', '1', '2']) expect(readlinkSync(`/proc/${keeperPid}/fd/${fd}`)).toBe('/dev/null');
      await world().ok('instance', 'stop', 'web');
      await expectRecovery(world());
    });
  }

  for (const [what, pipe] of Object.entries({ stdout: '| true', 'stdout and stderr': '2>&1 | true' })) {
    test(`${what} a closed pipe: the instance is as it would be`, async () => {
      const start = `"${davitPath}" instance start "${world().image()}" web ${pipe}`;
      for (let round = 0; round < 3; round++) {
        await world().command('sh', ['-c', start]);
        await expect.poll(async () => (await world().list()).length).toBe(1);
        await expectTruth(world());
        await world().ok('instance', 'stop', 'web');
        await expectGone(world());
      }
      await expectRecovery(world());
    });
  }

  test('captured by the caller: it ends when the command ends, also descriptors above 2', async () => {
    const options = { extraStdio: ['pipe', 'pipe'] as ('pipe' | 'ignore')[] };
    const { status, stderr } = await world().davitWith(options, 'instance', 'start', world().image(), 'web');
    expect([status, stderr]).toEqual([0, expect.stringContaining('started successfully')]);
    expect(await world().command('sh', ['-c', `x=$("${davitPath}" instance list 2>&1); echo "$x"`])).toMatchObject({
      stdout: expect.stringContaining('web'),
    });
    await world().ok('instance', 'stop', 'web');
    await expectRecovery(world());
  });
});

withFaults('PID file', (world) => {
  test('cannot be written: a warning, and the instance runs', async () => {
    const directory = world().makeDirectory('pids');
    await world().command('mkfifo', [join(directory, 'fifo')]);
    symlinkSync('target', join(directory, 'link'));
    for (const path of [join(directory, 'fifo'), join(directory, 'link'), directory, join(directory, 'no', 'such')]) {
      const { status, stderr } = await world().davit('instance', 'start', '--pid-file', path, world().image(), 'web');
      expect([status, stderr]).toEqual([0, expect.stringContaining('Failed to write pid file')]);
      await world().ok('instance', 'stop', 'web');
    }
    expect(existsSync(join(directory, 'target'))).toBe(false);
    await expectRecovery(world());
  });
});

withFaults('HOME', (world) => {
  const homes: Record<string, () => string | undefined> = {
    unset: () => undefined,
    empty: () => '',
    'a directory that is missing': () => world().path('nowhere'),
    'a directory that is read-only': () => {
      const path = world().makeDirectory('fixed');
      chmodSync(path, 0o555);
      return path;
    },
    'a file': () => world().write('homefile', ''),
    relative: () => 'some/where',
  };
  for (const [what, make] of Object.entries(homes)) {
    test(`${what}: instances start, are listed, used and stopped`, async () => {
      const env = { HOME: make() };
      await world().okWith({ env }, 'instance', 'start', world().image(), 'web');
      expect(JSON.parse(await world().okWith({ env }, 'instance', 'list', '--json')).instances).toHaveLength(1);
      expect(await world().okWith({ env }, 'exec', 'instance://web', 'echo', 'inside')).toBe('inside\n');
      expect(await world().okWith({ env }, 'exec', world().image(), 'echo', 'alone')).toBe('alone\n');
      await world().okWith({ env }, 'instance', 'stop', 'web');
      await expectRecovery(world());
    });
  }
});
