/** One FUSE server for all of a plain user's instances of an image, whatever comes to an end first. */
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
import { eventually } from './support/patience';
import { davitPath, isAlive, withWorld, type World } from './support/world';

/** The holder's PID, as the file in the state directory names it, behind two times. */
function holders(world: World): number[] {
  const directory = join(world.stateDir, 'fuse');
  return readdirSync(directory).map((name) => {
    const pid = Number(readFileSync(join(directory, name), 'utf8').split(' ')[2]);
    // kill(2): 0 would be this very process group.
    expect(pid).toBeGreaterThan(1);
    return pid;
  });
}

async function servers(world: World): Promise<number[]> {
  return [...new Set((await world.list()).map(({ serverPid }) => serverPid))];
}

async function start(world: World, ...names: string[]): Promise<void> {
  const all = names.map((name) => world.ok('instance', 'start', world.image(), name, 'sleep', '1000'));
  await Promise.all(all);
}

async function expectDead(...pids: number[]): Promise<void> {
  await eventually(() => expect(pids.filter(isAlive)).toEqual([]));
}

describe.skipIf(isRoot)('plain user', () => {
  withWorld('shared image', (world) => {
    test('instances started at once share one server, which ends with the last of them', async () => {
      await start(world(), 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
      const [server, ...others] = await servers(world());
      expect(others).toEqual([]);
      const [holder] = holders(world());
      await world().ok('instance', 'stop', '[a-g]');
      expect(await world().ok('exec', 'instance://h', 'ls', '/bin/busybox')).toBe('/bin/busybox\n');
      expect(isAlive(server as number)).toBe(true);
      await world().ok('instance', 'stop', 'h');
      await expectDead(server as number, holder as number);
      expect(holders(world())).toEqual([]);
    });

    test('a single command reads through the server that is there, and leaves none behind', async () => {
      await world().ok('exec', world().image(), 'true');
      await start(world(), 'web');
      const [server] = await servers(world());
      const names = (): string[] =>
        world()
          .processes()
          .map(({ name }) => name)
          .sort();
      const instance = ['davit-image', 'davit-init', 'davit-keeper', 'sleep', 'squashfuse_ll'];
      await expect.poll(names).toEqual(instance);
      const command = world().spawn(['exec', world().image(), 'sh', '-c', 'echo up; read x; ls /bin/busybox'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await new Promise((done) => command.stdout?.once('data', done));
      await expect.poll(names).toEqual([...instance, 'sh'].sort());
      // It goes on when every instance has ended, and the server with it.
      await world().ok('instance', 'stop', 'web');
      expect(isAlive(server as number)).toBe(true);
      const said = new Promise((done) => command.stdout?.once('data', (text) => done(String(text))));
      command.stdin?.end('\n');
      expect(await said).toBe('/bin/busybox\n');
      await expectDead(server as number);
    });

    test('whoever gets above the root, or takes it off, finds the image and nothing of the host', async () => {
      const image = world().image('static');
      const climb = async (target: string): Promise<void> => {
        const text = await world().ok('exec', target, '/service', 'climb');
        const named = (what: string): string[] => text.split('\n').filter((line) => line.startsWith(`${what}: `));
        expect(named('unmount')).toEqual(['unmount: Invalid argument']);
        const own = new Set(named('own').map((line) => line.replace('own', 'found')));
        expect(own).toContain('found: service');
        expect(named('found').length).toBeGreaterThan(0);
        expect(named('found').filter((line) => !own.has(line))).toEqual([]);
      };
      await climb(image);
      await world().ok('instance', 'start', image, 'one');
      await world().ok('instance', 'start', image, 'more-[1-2]');
      for (const target of [image, 'instance://one', 'instance://more-2']) await climb(target);
      await world().ok('instance', 'stop', '--all');
    });

    test('payloads of two instances cannot reach into each other', async () => {
      await start(world(), 'a', 'b');
      const script =
        'nsenter -t 1 -U true 2>/dev/null && echo entered; grep CapEff /proc/self/status; ls /proc | grep -c "^[0-9]"';
      const said = await world().ok('exec', 'instance://a', 'sh', '-c', script);
      expect(said).toMatch(/^CapEff:\t0000000000000000\n[4-6]\n$/);
      await world().ok('instance', 'stop', '--all');
    });

    test('a killed server ends its instances; the next start has a new one', async () => {
      await start(world(), 'a', 'b');
      const [server] = await servers(world());
      process.kill(server as number, 'SIGKILL');
      await eventually(async () => expect(await world().list()).toEqual([]));
      await start(world(), 'a');
      const [next] = await servers(world());
      expect(next).not.toBe(server);
      await world().ok('instance', 'stop', 'a');
    });

    test('a killed server whose holder has not noticed: the next starts have a new one', async () => {
      await start(world(), 'a');
      const [server] = await servers(world());
      const [holder] = holders(world());
      process.kill(holder as number, 'SIGSTOP');
      process.kill(server as number, 'SIGKILL');
      await eventually(async () => expect(await world().list()).toEqual([]));
      expect(holders(world())).toEqual([holder]);
      await world().ok('exec', world().image(), 'true');
      await start(world(), 'b', 'm-[1-3]');
      const [next, ...others] = await servers(world());
      expect(others).toEqual([]);
      expect(next).not.toBe(server);
      // When it comes to life it takes nothing of theirs away.
      process.kill(holder as number, 'SIGCONT');
      await expectDead(holder as number);
      await start(world(), 'c');
      expect(await servers(world())).toEqual([next]);
      await world().ok('instance', 'stop', '--all');
      await expectDead(next as number);
    });

    test('a killed holder takes nothing away; later instances have a new one', async () => {
      await start(world(), 'a');
      const [server] = await servers(world());
      const [holder] = holders(world());
      process.kill(holder as number, 'SIGKILL');
      await expectDead(holder as number);
      await start(world(), 'b', 'c');
      expect(await world().ok('exec', 'instance://a', 'ls', '/bin/busybox')).toBe('/bin/busybox\n');
      const now = await servers(world());
      expect(now).toHaveLength(2);
      expect(now).toContain(server);
      await world().ok('instance', 'stop', '--all');
      await expectDead(...now);
    });

    test('those of one command hold the server, each until its end', async () => {
      await start(world(), 'm-[1-6]');
      const [server, ...others] = await servers(world());
      expect(others).toEqual([]);
      await world().ok('instance', 'stop', 'm-[1-5]');
      expect(await world().ok('exec', 'instance://m-6', 'ls', '/bin/busybox')).toBe('/bin/busybox\n');
      await start(world(), 'single');
      expect(await servers(world())).toEqual([server]);
      const [holder] = holders(world());
      await world().ok('instance', 'stop', 'single');
      expect([server, holder].every((pid) => isAlive(pid as number))).toBe(true);
      await world().ok('instance', 'stop', 'm-6');
      await expectDead(server as number, holder as number);
      expect(holders(world())).toEqual([]);
    });

    test('a server that is killed while many start: the later ones have a new one', async () => {
      const many = world().davit('instance', 'start', '--jobs=2', world().image(), 'k-[1-500]', 'sleep', '1000');
      await eventually(() => expect(existsSync(join(world().stateDir, 'instances/k-10'))).toBe(true));
      const [first] = await servers(world());
      process.kill(first as number, 'SIGKILL');
      await many;
      const isLast = ({ instance }: { instance: string }): boolean => instance === 'k-500';
      await eventually(async () => expect(await servers(world())).not.toContain(first));
      const up = await world().list();
      expect(up.filter(isLast)).toHaveLength(1);
      expect(await servers(world())).toHaveLength(1);
      expect(await world().ok('exec', 'instance://k-500', 'ls', '/bin/busybox')).toBe('/bin/busybox\n');
      await world().ok('instance', 'stop', '--all');
    });

    test('an image that was replaced is not read through the old one’s server', async () => {
      await start(world(), 'old');
      copyFileSync(world().image(), `${world().image()}.new`);
      renameSync(`${world().image()}.new`, world().image());
      await start(world(), 'new');
      expect(await servers(world())).toHaveLength(2);
      await world().ok('instance', 'stop', '--all');
    });

    test('other limits of the user, another server', async () => {
      await start(world(), 'a');
      const start4000 = ['--nproc=4000:', davitPath, 'instance', 'start', world().image(), 'b', 'sleep', '9'];
      const limited = await world().command('prlimit', start4000);
      expect(limited).toMatchObject({ status: 0 });
      expect(await servers(world())).toHaveLength(2);
      await world().ok('instance', 'stop', '--all');
    });
  });
});
