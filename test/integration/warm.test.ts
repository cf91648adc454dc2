/** Images that are kept mounted between instances: by `image warm`, and by the site's policy. */
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withFaults } from './fault/truth';
import { describeWith, isRoot } from './support/capabilities';
import { loopsBelow } from './support/processes';
import { isAlive, type World } from './support/world';

interface Kept {
  image: string;
  pid: number;
  serverPid: number;
  until: string | null;
  afterUseSeconds: number;
}

async function kept(world: World): Promise<Kept[]> {
  return JSON.parse(await world.ok('image', 'list', '--json')).images;
}

/** The one image that is kept. */
async function holder(world: World): Promise<Kept> {
  const [first, ...others] = await kept(world);
  expect(others).toEqual([]);
  return first as Kept;
}

/** Its holder has ended, and nothing else is left: no FUSE server, no loop device. */
async function expectCold(world: World): Promise<void> {
  await world.expectNothingLeft();
  expect(await kept(world)).toEqual([]);
}

const needs = isRoot ? (['squashfs'] as const) : (['fuse', 'squashfuse_ll', 'userns'] as const);
const page = ['cat', '/srv/site/index.html'];
const pageText = 'the page of the image\n';

describeWith(needs, 'image that is kept mounted', () => {
  withFaults('by image warm', (world) => {
    const warm = (...args: string[]): Promise<string> => world().ok('image', 'warm', ...args, world().image());
    const start = (name: string): Promise<string> => world().ok('instance', 'start', world().image(), name);

    test('is there for its time, also between instances, and gone behind it', async () => {
      await warm('--for', '1h');
      const { pid, serverPid, image } = await holder(world());
      expect(image).toBe(world().image());
      expect(loopsBelow(world().directory)).toHaveLength(isRoot ? 1 : 0);
      expect(serverPid > 0).toBe(!isRoot);
      for (const name of ['one', 'two']) {
        await start(name);
        expect((await world().listed(name)).serverPid).toBe(serverPid);
        expect(await world().ok('exec', `instance://${name}`, ...page)).toBe(pageText);
        await world().ok('instance', 'stop', name);
      }
      expect(await world().ok('exec', world().image(), ...page)).toBe(pageText);
      expect(isAlive(pid)).toBe(true);
      const begin = Date.now();
      await warm('--for', '1s');
      await expect.poll(() => isAlive(pid)).toBe(false);
      expect(Date.now() - begin).toBeGreaterThanOrEqual(1_000);
      await expectCold(world());
    });

    test('has a process that says what it is, in a session of its own', async () => {
      await warm();
      const { pid } = await holder(world());
      const facts = await world().command('ps', ['-o', 'comm=,sid=,args=', '-p', String(pid)]);
      expect(facts.stdout.trim().split(/\s+/)).toEqual([
        'davit-image',
        String(pid),
        'davit',
        'image:',
        world().image(),
      ]);
      await world().ok('image', 'cool', world().image());
      await expectCold(world());
    });

    test('warm again: the later time counts, longer or shorter; 0 and cool end it', async () => {
      await warm('--for', '1h');
      const first = await holder(world());
      await warm('--for', '2h30m');
      const second = await holder(world());
      expect(second.pid).toBe(first.pid);
      expect(Date.parse(second.until as string) - Date.parse(first.until as string)).toBeGreaterThan(5_300_000);
      expect(await world().ok('image', 'list')).toMatch(/^PID +KEPT +IMAGE\n\d+ +2h(29m\d+s|30m) +\/.*\.sif\n$/);
      // The holder is still that of two hours and a half, or it would not end now.
      await warm('--for', '1s');
      await expect.poll(() => isAlive(first.pid)).toBe(false);
      for (const end of [['warm', '--for', '0'], ['cool']]) {
        await warm();
        const { stderr } = await world().davit('image', ...end, world().image());
        expect(stderr).toBe(`INFO:    ${world().image()} is not kept mounted any more\n`);
        await expectCold(world());
      }
      const { status, stderr } = await world().davit('image', 'cool', world().image());
      expect([status, stderr]).toEqual([0, `INFO:    ${world().image()} was not kept mounted\n`]);
    });

    test('instances outlive its time, and keep what they use', async () => {
      await warm('--for', '1s');
      await start('web');
      await new Promise((done) => setTimeout(done, 1_500));
      expect(await world().ok('exec', 'instance://web', ...page)).toBe(pageText);
      await warm();
      await world().ok('image', 'cool', world().image());
      expect(await world().ok('exec', 'instance://web', ...page)).toBe(pageText);
      await world().ok('instance', 'stop', 'web');
      await expectCold(world());
    });

    test('16 at once have one holder', async () => {
      await Promise.all(Array.from({ length: 16 }, () => warm()));
      await holder(world());
      expect(loopsBelow(world().directory)).toHaveLength(isRoot ? 1 : 0);
      await world().ok('image', 'cool', world().image());
      await expectCold(world());
    });

    test.each(['SIGTERM', 'SIGKILL'] as const)(
      '%s to the holder: nothing is left, the next call makes another',
      async (signal) => {
        await warm();
        const { pid } = await holder(world());
        await start('web');
        process.kill(pid, signal);
        await expect.poll(() => isAlive(pid)).toBe(false);
        expect(await kept(world())).toEqual([]);
        expect(await world().ok('exec', 'instance://web', ...page)).toBe(pageText);
        await world().ok('instance', 'stop', 'web');
        await expectCold(world());
        await warm();
        expect((await holder(world())).pid).not.toBe(pid);
        await world().ok('image', 'cool', world().image());
        await expectCold(world());
      },
    );

    if (!isRoot) {
      test('a killed FUSE server ends the holder; the next start has a new one', async () => {
        await warm();
        const { pid, serverPid } = await holder(world());
        process.kill(serverPid, 'SIGKILL');
        await expect.poll(() => isAlive(pid)).toBe(false);
        await expectCold(world());
        await start('web');
        expect(await world().ok('exec', 'instance://web', ...page)).toBe(pageText);
        await world().ok('instance', 'stop', 'web');
        await expectCold(world());
      });
    }

    test('an image that was replaced is not the one that is kept', async () => {
      await warm();
      const old = await holder(world());
      await start('before');
      copyFileSync(world().image(), world().path('next.sif'));
      renameSync(world().path('next.sif'), world().image());
      await start('web');
      expect(await world().ok('exec', 'instance://web', ...page)).toBe(pageText);
      const [before, after] = [await world().listed('before'), await world().listed('web')];
      if (isRoot) expect(loopsBelow(world().directory)).toHaveLength(2);
      else expect(after.serverPid).not.toBe(before.serverPid);
      await world().ok('instance', 'stop', '--all');
      expect(isAlive(old.pid)).toBe(true);
      // By its name, which is the new one's now.
      await world().ok('image', 'cool', world().image());
      await expectCold(world());
    });

    test('without the state directory it is not kept any longer', async () => {
      await warm();
      const { pid } = await holder(world());
      rmSync(world().stateDir, { recursive: true });
      await expect.poll(() => isAlive(pid)).toBe(false);
      await expectCold(world());
    });

    test.each([
      [['--for', 'soon'], '--for takes a time, not "soon"'],
      [['--for', '10'], '--for takes a time, not "10"'],
      [['--for', '-1m'], '--for takes a time, not "-1m"'],
    ])('%j is refused', async (args, words) => {
      const { status, stderr } = await world().davit('image', 'warm', ...args, world().image());
      expect([status, stderr]).toEqual([255, expect.stringContaining(words)]);
    });

    test('of what is not mounted: it says so', async () => {
      const { status, stderr } = await world().davit('image', 'warm', world().makeDirectory('sandbox'));
      expect([status, stderr]).toEqual([255, expect.stringContaining('mount no image file')]);
      const missing = await world().davit('image', 'warm', world().path('missing.sif'));
      expect([missing.status, missing.stderr]).toEqual([255, expect.stringContaining('missing.sif')]);
    });
  });

  withFaults('by the policy of the site', (world) => {
    const policy = (time: string): Record<string, string> => ({
      DAVIT_CONFIG_FILE: world().write('davit.conf', `warm images = ${time}\n`),
    });
    const start = (name: string, env: Record<string, string>): Promise<string> =>
      world().okWith({ env }, 'instance', 'start', world().image(), name);

    test('stays behind the last instance for that time, and no longer', async () => {
      const env = policy('1s');
      // The second start is that of a remembered plan.
      for (const name of ['one', 'two']) await start(name, env);
      const { pid, until, afterUseSeconds } = await holder(world());
      expect([until, afterUseSeconds]).toEqual([null, 1]);
      expect(await world().ok('image', 'list')).toContain('1s after use');
      await world().ok('instance', 'stop', 'one');
      await new Promise((done) => setTimeout(done, 1_500));
      expect(isAlive(pid)).toBe(true);
      const begin = Date.now();
      await world().ok('instance', 'stop', 'two');
      await expect.poll(() => isAlive(pid)).toBe(false);
      expect(Date.now() - begin).toBeGreaterThanOrEqual(1_000);
      await expectCold(world());
    });

    test('a killed keeper counts as an end; no time at all is the default', async () => {
      await start('one', policy('1s'));
      const { pid } = await holder(world());
      process.kill((await world().listed('one')).keeperPid, 'SIGKILL');
      await expect.poll(() => isAlive(pid)).toBe(false);
      await start('one', {});
      expect(await kept(world())).toHaveLength(isRoot ? 0 : 1);
      await world().ok('instance', 'stop', 'one');
      await expectCold(world());
    });

    test('another policy than yesterday’s is that of the next start', async () => {
      await start('one', policy('1h'));
      await start('two', policy('1s'));
      expect((await holder(world())).afterUseSeconds).toBe(1);
      await world().ok('instance', 'stop', '--all');
      await expect.poll(async () => await kept(world())).toEqual([]);
      await expectCold(world());
    });

    test('a single command leaves nothing behind', async () => {
      await world().okWith({ env: policy('1h') }, 'exec', world().image(), 'true');
      await expectCold(world());
    });

    test('the next instance finds it; cool ends it at once', async () => {
      await start('one', policy('1h'));
      await world().ok('instance', 'stop', 'one');
      const { pid, serverPid } = await holder(world());
      await start('two', policy('1h'));
      expect((await world().listed('two')).serverPid).toBe(serverPid);
      expect((await holder(world())).pid).toBe(pid);
      await world().ok('instance', 'stop', 'two');
      await world().ok('image', 'cool', world().image());
      await expectCold(world());
    });

    test('a time that is none is an error of the configuration', async () => {
      const { status, stderr } = await world().davitWith({ env: policy('often') }, 'exec', world().image(), 'true');
      expect([status, stderr]).toEqual([255, expect.stringMatching(/davit.conf:1: "warm images" takes a time/)]);
    });
  });
});
