/** What must hold after every fault: `list` is true, the name can be used again, nothing is left over. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { eventually } from '../support/patience';
import { isAlive, type Listed, type World, withWorld } from '../support/world';

/** withWorld for faults: what a failed test has left is ended, so that the next one is not about that. */
export function withFaults(title: string, body: (world: () => World) => void): void {
  withWorld(title, (world) => {
    afterEach(async () => {
      if (world().leftovers().length > 0) await world().davit('instance', 'stop', '--all', '--timeout', '0');
    });
    body(world);
  });
}

/**
 * `list` agrees with itself, as a table and as JSON, and with the machine: every instance that is listed lives, and every
 * directory of an instance belongs to one that is listed.
 */
export async function expectTruth(world: World): Promise<Listed[]> {
  const listed = await world.list();
  const table = (await world.ok('instance', 'list')).trim().split('\n').slice(1);
  expect(table.map((line) => line.split(/\s+/)[0])).toEqual(listed.map(({ instance }) => instance));
  expect(table.map((line) => Number(line.split(/\s+/)[1]))).toEqual(listed.map(({ pid }) => pid));
  for (const { instance, pid, keeperPid } of listed) {
    expect([isAlive(pid), isAlive(keeperPid)], `init and keeper of ${instance} live`).toEqual([true, true]);
  }
  expect(directories(world)).toEqual(listed.map(({ instance }) => instance));
  return listed;
}

/** Names of the instance directories. */
export function directories(world: World): string[] {
  const path = join(world.stateDir, 'instances');
  return existsSync(path) ? readdirSync(path).sort() : [];
}

/** The instance is gone without a trace; waits as long as the kernel may need for that. */
export async function expectGone(world: World): Promise<void> {
  await eventually(async () => expect(await world.list()).toEqual([]));
  await world.expectNothingLeft();
  expect(await expectTruth(world)).toEqual([]);
}

/** The name can be used again: it starts, is listed, works and stops. */
export async function expectRestart(world: World, name = 'web'): Promise<void> {
  await world.ok('instance', 'start', world.image(), name);
  expect(await expectTruth(world)).toMatchObject([{ instance: name, state: 'running' }]);
  expect(await world.ok('exec', `instance://${name}`, 'echo', 'inside')).toBe('inside\n');
  await world.ok('instance', 'stop', name);
  await expectGone(world);
}

/** Gone, and as good as new. */
export async function expectRecovery(world: World, name = 'web'): Promise<void> {
  await expectGone(world);
  await expectRestart(world, name);
}

/** A service that stays: started, listed, returned. */
export async function started(world: World, name = 'web', ...args: string[]): Promise<Listed> {
  await world.ok('instance', 'start', world.image(), name, ...args);
  return world.listed(name);
}
