/** instance stats by control groups, by a look at all processes of the machine, and of another user's instance. */
import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { busyboxRootfs } from './support/busybox';
import { asRoot, describeWith } from './support/capabilities';
import { davitForAll } from './support/davit-for-all';
import { eventually } from './support/patience';
import { cpuMs, stats } from './support/stats';
import { davitPath, outcome, withWorld, type World } from './support/world';

const SYSTEM = '/sys/fs/cgroup';
const MIB = 1024 ** 2;
const SOMEBODY = 65_533;

/**
 * Groups of the test's own: one of version 2, or one for each resource of version 1 and one of version 2 beside them.
 * Removed behind the test.
 */
function makeGroups(): string[] {
  const places = existsSync(join(SYSTEM, 'cgroup.controllers')) ? [''] : ['memory', 'cpuacct', 'blkio', 'unified'];
  const groups = places
    .filter((place) => existsSync(join(SYSTEM, place, 'cgroup.procs')))
    .map((place) => join(SYSTEM, place, `davit-test-${process.pid}`));
  for (const group of groups) mkdirSync(group);
  onTestFinished(async () => {
    const remove = (): void => {
      for (const group of groups) if (existsSync(group)) rmdirSync(group);
    };
    await eventually(remove); // EBUSY until the last process is reaped
  });
  return groups;
}

/** Starts the instance `web` with this shell script in the groups. */
async function startIn(world: World, groups: readonly string[], script: string): Promise<void> {
  const davit = ['instance', 'start', world.image(), 'web', 'run', 'sh', '-c', script];
  const enter = 'for group in $GROUPS; do echo $$ > $group/cgroup.procs; done; exec "$@"';
  const words = ['-c', enter, 'sh', davitPath, ...davit];
  expect(await world.command('sh', words, { env: { GROUPS: groups.join(' ') } })).toMatchObject({ status: 0 });
  onTestFinished(async () => {
    await world.davit('instance', 'stop', '--force', 'web');
  });
}

/** Resources whose numbers come from a control group. */
async function grouped(world: World): Promise<string[]> {
  const { sources } = await stats(world, 'web');
  return Object.keys(sources).filter((resource) => sources[resource] === 'cgroup');
}

describeWith(['userns'], 'instance stats finds', () => {
  withWorld('', (world) => {
    const expectFour = async (name: string, options: string[], unshare: string): Promise<void> => {
      const script = `${unshare} sleep 1000000 & exec sleep 1000000`;
      await world().ok('instance', 'start', ...options, world().image(), name, 'run', 'sh', '-c', script);
      const current = async (): Promise<number> => (await stats(world(), name)).pids_stats.current;
      await eventually(async () => expect(await current()).toBe(4));
    };

    test('processes in PID namespaces below that of the instance', () => expectFour('below', [], 'unshare -r -p -f'));

    asRoot(() => {
      test('the same without the /proc of the instance, by all processes of the machine', () =>
        expectFour('bare', ['--no-mount', 'proc'], 'unshare -p -f'));
    });
  });
});

asRoot(() => {
  describeWith(['root', 'cgroups'], 'instance stats of control groups', () => {
    withWorld('', (world) => {
      test('of the instance’s own: what they count, and their limit', async () => {
        const groups = makeGroups();
        const memory = groups.find((group) => existsSync(join(group, 'memory.limit_in_bytes')));
        if (memory !== undefined) writeFileSync(join(memory, 'memory.limit_in_bytes'), String(64 * MIB));
        await startIn(world(), groups, 'dd if=/dev/zero bs=30000000 count=1 | while :; do :; done');
        const before = await stats(world(), 'web');
        expect(before.sources.cpu).toBe('cgroup');
        await eventually(async () => {
          const now = await stats(world(), 'web');
          expect(cpuMs(now)).toBeGreaterThan(cpuMs(before) + 100);
          expect(now.memory_stats.usage.usage).toBeGreaterThan(30e6);
        });
        if (memory === undefined) return;
        const huge = groups.some((group) => existsSync(join(group, 'hugetlb.2MB.current'))) ? ['hugepages'] : [];
        expect(await grouped(world())).toEqual(['cpu', 'memory', ...huge, 'blkio']);
        expect(before.memory_stats.usage).toMatchObject({ limit: 64 * MIB, max_usage: expect.any(Number) });
        expect(await world().ok('instance', 'stats', '--no-stream', 'web')).toMatch(/^web .*MiB \/ 64MiB /m);
      });

      test('not while a process of the instance is elsewhere', async () => {
        await startIn(world(), makeGroups(), 'exec sleep 1000000');
        const own = await grouped(world());
        expect(own).toContain('cpu');
        const joined = world().spawn(['exec', 'instance://web', 'sleep', '1000000'], { stdio: 'ignore' });
        await eventually(async () => expect(await grouped(world())).toEqual([]));
        joined.kill('SIGTERM');
        await outcome(joined);
        await eventually(async () => expect(await grouped(world())).toEqual(own));
      });

      test('not while another process is in them', async () => {
        const groups = makeGroups();
        await startIn(world(), groups, 'exec sleep 1000000');
        expect(await grouped(world())).toContain('cpu');
        const script = 'for group in $GROUPS; do echo $$ > $group/cgroup.procs; done; exec sleep 1000000';
        const other = spawn('sh', ['-c', script], {
          env: { ...world().env, GROUPS: groups.join(' ') },
          stdio: 'ignore',
        });
        await eventually(async () => expect(await grouped(world())).toEqual([]));
        other.kill('SIGKILL');
        await eventually(async () => expect(await grouped(world())).toContain('cpu'));
      });
    });
  });

  describeWith(['userns'], 'instance stats of another user', () => {
    withWorld('', (world) => {
      test('is root’s to see', async () => {
        const state = world().path('state-of-somebody');
        mkdirSync(state, { mode: 0o700 });
        chownSync(state, SOMEBODY, SOMEBODY);
        const own = { env: { DAVIT_STATE_DIR: state, HOME: '/' }, cwd: '/' };
        const sandbox = busyboxRootfs(world(), 'sandbox');
        const as = ['--reuid', String(SOMEBODY), '--regid', String(SOMEBODY), '--clear-groups', davitForAll(world())];
        const davit = (...words: string[]): Promise<unknown> => world().command('setpriv', [...as, ...words], own);
        expect(await davit('instance', 'start', '--no-home', sandbox, 'theirs')).toMatchObject({ status: 0 });
        try {
          const words = ['instance', 'stats', '--json', '--no-stream', '--user', String(SOMEBODY), 'theirs'];
          const found = JSON.parse(await world().okWith(own, ...words));
          expect(found).toMatchObject({ instance: 'theirs', pids_stats: { current: 2 } });
          expect(await davit('instance', 'stats', '--user', 'root', 'theirs')).toMatchObject({ status: 255 });
        } finally {
          await davit('instance', 'stop', '--force', 'theirs');
        }
      });
    });
  });
});
