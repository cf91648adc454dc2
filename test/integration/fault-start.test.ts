/**
 * State that cannot lie: SIGKILL in the middle of a start, at chosen system calls of the starter, the keeper, the init,
 * the FUSE server and its holder, so that a failure can be seen again. DAVIT_TEST_FAULTS=all tries every system call.
 */
import { expect, test } from 'vitest';
import { describeWith, isRoot } from './support/capabilities';
import { eventually } from './support/patience';
import { isAlive, type Listed, type World } from './support/world';
import { runTool } from './fault/tool';
import { expectGone, expectRestart, expectTruth, withFaults } from './fault/truth';

const everyPoint = process.env.DAVIT_TEST_FAULTS === 'all';
const pointsOf = { starter: 20, keeper: 10, init: 10, ...(isRoot ? {} : { holder: 8, server: 6 }) };
const never = 1_000_000;

interface Killed {
  /** Number of the system call, or nothing when the process made fewer. */
  call?: number;
  /** How many there were, when nobody was killed. */
  count?: number;
  status: number;
  stderr: string;
}

async function startKilled(world: World, role: string, at: number): Promise<Killed> {
  const verb = ['kill', role, String(at), isRoot ? '0' : '1'];
  const { stdout, stderr } = await runTool(world, verb, ['instance', 'start', world.image(), 'web']);
  const [first = '', second = ''] = stdout.trim().split('\n');
  const status = Number(second.replace('status ', ''));
  return first.startsWith('end ')
    ? { count: Number(first.slice(4)), status, stderr }
    : { call: Number(first), status, stderr };
}

function points(count: number, wanted: number): number[] {
  const step = everyPoint ? 1 : Math.max(1, (count - 1) / (wanted - 1));
  const found: number[] = [];
  for (let at = 1; at <= count + 0.5; at += step) found.push(Math.round(at));
  return found;
}

/**
 * After the kill there is a whole instance or none; in either case the next start has a free name. One whose server was
 * killed is listed until its keeper has noticed.
 */
async function expectWholeOrNothing(world: World): Promise<'alive' | 'gone'> {
  let listed: Listed[] = [];
  await eventually(async () => {
    listed = await expectTruth(world);
    if (listed.length === 0) expect(world.leftovers()).toEqual([]);
    else expect(listed).toMatchObject([{ instance: 'web', state: 'running' }]);
    for (const { serverPid } of listed) expect(serverPid === 0 || isAlive(serverPid), 'the server lives').toBe(true);
  });
  if (listed.length === 0) return 'gone';
  await world.ok('instance', 'stop', 'web');
  await expectGone(world);
  return 'alive';
}

describeWith(isRoot ? ['squashfs'] : ['fuse', 'squashfuse_ll', 'userns'], 'start', () => {
  withFaults('killed during the start', (world) => {
    for (const [role, wanted] of Object.entries(pointsOf)) {
      const title = `SIGKILL of the ${role} at ${everyPoint ? 'every' : `${wanted} different`} system calls`;
      test(title, { timeout: everyPoint ? 900_000 : 300_000 }, async () => {
        const { count = 0, status } = await startKilled(world(), role, never);
        expect(status).toBe(0);
        expect(await expectWholeOrNothing(world())).toBe('alive');
        const ends = { alive: 0, gone: 0 };
        for (const at of points(count, wanted)) {
          const killed = await startKilled(world(), role, at);
          const what = `${role} at ${at} of ${count}, system call ${killed.call}: ${killed.stderr}`;
          const end = await expectWholeOrNothing(world()).catch((cause) => {
            throw new Error(what, { cause });
          });
          ends[end] += 1;
          if (role !== 'starter') expectWord(killed, what);
        }
        // Without the holder or the server that others could share, the launch has a server of its own.
        if (role !== 'holder' && role !== 'server') expect(ends.gone, 'starts that left nothing').toBeGreaterThan(0);
        await expectRestart(world());
      });
    }
  });
});

/** The starter, which lives, has said how the start went. */
function expectWord({ status, stderr }: Killed, what: string): void {
  if (status === 0) expect(stderr, what).toContain('started successfully');
  else expect([status, stderr], what).toEqual([255, expect.stringContaining('FATAL')]);
}
