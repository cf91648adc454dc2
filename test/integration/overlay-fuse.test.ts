/** ext3 overlays in a user namespace: by fuse2fs and fuse-overlayfs, whose end is that of the container, however it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { asRoot, asUser, describeWith, FUSE_OVERLAY, isRoot, testWith, uid } from './support/capabilities';
import { liveProcesses } from './support/processes';
import { outcome, withWorld, type World } from './support/world';

/** Root with --userns takes the same way: what it has in common with a plain user is not tested twice. */
const testAsUser = (title: string, body: () => Promise<void>): void => asUser(() => test(title, body));
const MIB = 1 << 20;
/** Root takes the way of a plain user only when asked. */
const USERNS = isRoot ? ['--userns'] : [];

async function makeOverlay(world: World, name: string, ...options: string[]): Promise<string> {
  const image = world.path(name);
  await world.ok('overlay', 'create', '--sparse', ...options, image);
  return image;
}

/** The file system is whole, and was unmounted. */
async function expectClean(world: World, image: string): Promise<void> {
  const checked = await world.command('e2fsck', ['-fn', image]);
  expect(checked, checked.stdout).toMatchObject({ status: 0 });
  const header = await world.command('dumpe2fs', ['-h', image]);
  expect(header.stdout).toMatch(/^Filesystem state: +clean$/m);
}

async function start(world: World, overlay: string): Promise<void> {
  await world.ok('instance', 'start', ...USERNS, '--overlay', overlay, world.image(), 'kept');
}

function inInstance(world: World, script: string) {
  return world.davit('exec', 'instance://kept', 'sh', '-c', script);
}

/** The server of that program which this world runs. */
function server(world: World, program: string): number {
  const found = world.processes().filter(({ name }) => name === program);
  expect(found.map(({ name }) => name)).toEqual([program]);
  return (found[0] as { pid: number }).pid;
}

/** A command in a container that says when it is there, and then waits for a line. */
async function waiting(world: World, overlay: string, script: string) {
  const args = ['exec', ...USERNS, '--overlay', overlay, world.image(), 'sh', '-c', `echo up; read x; ${script}`];
  const child = world.spawn(args, { stdio: ['pipe', 'pipe', 'pipe'] });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

describeWith([...FUSE_OVERLAY, 'mkfs_ext3'], 'by FUSE servers', () => {
  withWorld('an ext3 overlay', (world) => {
    afterEach(() => world().stopAll());

    test('is whole when the command or `stop` has returned', async () => {
      const overlay = await makeOverlay(world(), 'a.img');
      for (const mode of [[], ['--pid'], ['--containall']]) {
        await world().inside([...USERNS, ...mode, '--overlay', overlay], 'echo one >> /kept; rm -f /etc/keep');
        await expectClean(world(), overlay);
      }
      await start(world(), overlay);
      expect(await inInstance(world(), 'echo two >> /kept; mkdir /d; mv /d /e; ln -s e /f')).toMatchObject({
        status: 0,
      });
      await world().ok('instance', 'stop', 'kept');
      await expectClean(world(), overlay);
      expect(world().leftovers()).toEqual([]);
      expect(await world().inside([...USERNS, '--overlay', overlay], 'uniq /kept; readlink /f; ls /e')).toBe(
        'one\ntwo\ne',
      );
    });

    testAsUser('passes on what the command ends with, and its input', async () => {
      const overlay = await makeOverlay(world(), 'status.img');
      const run = (script: string, input?: string) =>
        world().davitWith({ input }, 'exec', ...USERNS, '-o', overlay, world().image(), 'sh', '-c', script);
      expect(await run('exit 7')).toMatchObject({ status: 7, stderr: '' });
      expect(await run('kill -TERM $$')).toMatchObject({ code: 128 + 15 });
      expect(await run('cat', 'given')).toMatchObject({ status: 0, stdout: 'given' });
      const child = await waiting(world(), overlay, 'true');
      child.kill('SIGTERM');
      expect(await outcome(child)).toMatchObject({ code: 128 + 15 });
      await expectClean(world(), overlay);
    });

    testAsUser('shows the caller as the owner of what the caller made', async () => {
      const overlay = await makeOverlay(world(), 'owner.img');
      const options = [...USERNS, '--overlay', overlay];
      await world().inside(options, 'echo x > /mine; mkdir /dir; echo y >> /etc/keep; chmod 640 /mine');
      for (const spec of [overlay, `${overlay}:ro`]) {
        const seen = await world().inside([...USERNS, '--overlay', spec], 'stat -c "%u %a" /mine /dir /etc/keep');
        expect(seen).toBe(`${uid} 640\n${uid} 755\n${uid} 644`);
      }
    });

    testAsUser('shows with :ro nothing of what was removed, nor how that is marked', async () => {
      const overlay = await makeOverlay(world(), 'removed.img');
      await world().inside(
        [...USERNS, '--overlay', overlay],
        'rm /etc/keep; rm -r /home; mkdir /home; echo n > /home/n',
      );
      const list = 'ls -a /etc /home | grep -e keep -e wh -e "^n$"';
      for (const options of [[], ['--writable-tmpfs'], ['--overlay', world().makeDirectory('over')]]) {
        expect(await world().inside([...USERNS, '--overlay', `${overlay}:ro`, ...options], list)).toBe('n');
      }
    });

    testAsUser('lies over a directory as well', async () => {
      const overlay = await makeOverlay(world(), 'sandbox.img');
      const sandbox = world().path('sandbox');
      await world().ok('build', '--sandbox', sandbox, world().image());
      const options = [...USERNS, '--overlay', overlay];
      await world().inside(options, 'echo changed > /etc/keep; echo new > /new', sandbox);
      expect(await world().inside(options, 'cat /etc/keep /new', sandbox)).toBe('changed\nnew');
      expect(await world().inside(USERNS, 'cat /etc/keep; ls /new 2>&1 || true', sandbox)).not.toContain('new\n');
    });

    testAsUser('is as full as the image is', async () => {
      const overlay = await makeOverlay(world(), 'full.img');
      truncateSync(overlay, 0);
      truncateSync(overlay, 16 * MIB);
      await world().command('mkfs.ext3', ['-q', '-F', '-E', 'root_owner', overlay]);
      const fill =
        'dd if=/dev/zero of=/big bs=64k 2>&1 | grep -o "No space left on device"; rm /big; echo z > /z; cat /z';
      expect(await world().inside([...USERNS, '--overlay', overlay], fill)).toBe('No space left on device\nz');
      await expectClean(world(), overlay);
    });

    testAsUser('is used again by a remembered launch', async () => {
      const overlay = await makeOverlay(world(), 'again.img');
      const args = [
        'exec',
        ...USERNS,
        '--overlay',
        overlay,
        world().image(),
        'sh',
        '-c',
        'echo x >> /kept; wc -l < /kept',
      ];
      await new Promise((done) => setTimeout(done, 3_100)); // what was changed just now is not relied upon
      expect(await world().ok(...args)).toBe('1\n');
      const env = { DAVIT_NODE: '/nonexistent/node' };
      expect(await world().davitWith({ env }, ...args)).toMatchObject({ status: 0, stdout: '2\n' });
      expect(await world().davitWith({ env }, ...args)).toMatchObject({ status: 0, stdout: '3\n' });
    });

    test.each(['fuse2fs', 'fuse-overlayfs', 'davit-overlay'])(
      'loses %s: the instance ends, what was synced stays',
      async (name) => {
        const overlay = await makeOverlay(world(), `${name}.img`);
        await start(world(), overlay);
        expect(await inInstance(world(), 'echo synced > /kept; sync')).toMatchObject({ status: 0 });
        process.kill(server(world(), name), 'SIGKILL');
        await expect.poll(() => world().list()).toEqual([]);
        await world().expectNothingLeft();
        const log = await world()
          .ok('instance', 'logs', '--err', 'kept')
          .catch(() => '');
        expect(log).toMatch(/^$|a FUSE server of the overlay ended/);
        expect(await world().inside([...USERNS, '--overlay', overlay], 'cat /kept')).toBe('synced');
        await expectClean(world(), overlay);
      },
    );

    asRoot(() =>
      test('ends with its container, and no complaint, though something delays the end of process 1', async () => {
        const overlay = await makeOverlay(world(), 'delayed.img');
        await start(world(), overlay);
        const { pid } = await world().listed('kept');
        const errors = () => world().ok('instance', 'logs', '--err', 'kept');
        const { length } = await errors();
        // A process in there with a parent outside that does not reap it: process 1 has given up its mounts, and waits.
        const child = spawn('nsenter', ['-t', String(pid), '-p', 'sleep', '1000000'], { stdio: 'ignore' });
        const ended = outcome(child);
        const inside = () => liveProcesses().some(({ parent, name }) => parent === child.pid && name === 'sleep');
        await expect.poll(inside).toBe(true);
        child.kill('SIGSTOP');
        const stopped = world().davit('instance', 'stop', '--timeout', '60', 'kept');
        const served = () =>
          world()
            .processes()
            .some(({ name }) => name === 'davit-overlay');
        await expect.poll(served).toBe(false);
        await new Promise((done) => setTimeout(done, 1_000));
        child.kill('SIGCONT');
        expect(await stopped).toMatchObject({ status: 0, stderr: expect.not.stringContaining('Killing') });
        await ended;
        expect((await errors()).slice(length)).not.toContain('davit:');
        await expectClean(world(), overlay);
      }),
    );

    testAsUser('is an error, not a hang, to a command whose server was killed', async () => {
      const overlay = await makeOverlay(world(), 'lost.img');
      const child = await waiting(world(), overlay, 'echo lost 2>&1 > /kept || exit 9');
      process.kill(server(world(), 'fuse2fs'), 'SIGKILL');
      child.stdin?.end('\n');
      expect((await outcome(child)).code).not.toBe(0); // even its shell cannot be read any more
      await world().expectNothingLeft();
      expect(await world().inside([...USERNS, '--overlay', overlay], 'ls /kept 2>&1 || echo none')).toContain('none');
    });

    test('is released and whole when launcher, keeper or init is killed', async () => {
      const overlay = await makeOverlay(world(), 'killed.img');
      const child = await waiting(world(), overlay, 'true');
      child.kill('SIGKILL');
      await world().expectNothingLeft();
      await expectClean(world(), overlay);
      for (const victim of ['keeperPid', 'pid'] as const) {
        await start(world(), overlay);
        await inInstance(world(), `echo ${victim} > /${victim}`);
        process.kill((await world().listed('kept'))[victim], 'SIGKILL');
        await expect.poll(() => world().processes()).toEqual([]);
        expect(await world().list()).toEqual([]);
        await expectClean(world(), overlay);
      }
      expect(await world().inside([...USERNS, '--overlay', overlay], 'cat /pid /keeperPid')).toBe('pid\nkeeperPid');
    });

    testAsUser('stays with what a command leaves behind', async () => {
      const overlay = await makeOverlay(world(), 'behind.img');
      const go = world().path('go');
      const script = `(while [ ! -e ${go} ]; do sleep 0.1; done; echo late > /late) & echo main`;
      const args = ['exec', ...USERNS, '--overlay', overlay, world().image(), 'sh', '-c'];
      const child = world().spawn([...args, `(${script}) > /dev/null 2>&1`]);
      expect(await outcome(child)).toMatchObject({ status: 0, stderr: expect.stringContaining('still running') });
      expect((await world().davit(...args, 'true')).stderr).toContain('currently in use by another process');
      writeFileSync(go, '');
      await world().expectNothingLeft();
      expect(await world().inside([...USERNS, '--overlay', overlay], 'cat /late')).toBe('late');
    });

    testAsUser('is mended when it was not unmounted', async () => {
      const overlay = await makeOverlay(world(), 'crashed.img');
      await world().inside([...USERNS, '--overlay', overlay], 'echo there > /note');
      const debugfs = (request: string) => world().command('debugfs', ['-w', '-R', request, overlay]);
      await debugfs('feature needs_recovery');
      expect(await world().davit('exec', ...USERNS, '-o', `${overlay}:ro`, world().image(), 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/mount the overlay image .*recovery.*\n.*\n.*hint: .*use it once without ":ro"/),
      });
      expect(await world().inside([...USERNS, '-o', overlay], 'cat /note')).toBe('there');
      await debugfs('ssv state 0');
      await debugfs('ssv free_blocks_count 7');
      expect(await world().inside([...USERNS, '-o', overlay], 'cat /note')).toBe('there');
      await expectClean(world(), overlay);
    });

    testAsUser('that is not worth mounting is said to be so', async () => {
      const overlay = await makeOverlay(world(), 'damaged.img');
      await world().command('debugfs', ['-w', '-R', 'sif <2> mode 0100644', overlay]);
      await world().command('debugfs', ['-w', '-R', 'ssv state 0', overlay]);
      expect(await world().davit('exec', ...USERNS, '-o', overlay, world().image(), 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/mend the overlay image .* by .*e2fsck: .*\n.*mountExt3\n +hint: .*e2fsck -f/),
      });
      const foreign = world().path('foreign.img');
      writeFileSync(foreign, '');
      truncateSync(foreign, 16 * MIB);
      await world().command('mkfs.ext3', ['-q', '-F', '-E', 'root_owner=12345:12345', foreign]);
      expect(await world().davit('exec', ...USERNS, '-o', foreign, world().image(), 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/"\/upper" of the overlay image .*EACCES.*\n.*\n +hint: .*--fakeroot/),
      });
      expect(world().leftovers()).toEqual([]);
    });

    test('holds no right that it does not need, and no terminal', async () => {
      const overlay = await makeOverlay(world(), 'rights.img');
      await start(world(), overlay);
      for (const [name, rights] of [
        ['fuse2fs', 1n << 21n],
        ['fuse-overlayfs', 0x8800001bn],
      ] as const) {
        const pid = server(world(), name);
        const { stdout } = await world().command('cat', [`/proc/${pid}/status`]);
        const field = (key: string) => new RegExp(`^${key}:\\s*(\\S+)`, 'm').exec(stdout)?.[1];
        expect(field('NoNewPrivs')).toBe('1');
        for (const set of ['CapPrm', 'CapEff', 'CapBnd']) expect(BigInt(`0x${field(set)}`)).toBe(rights);
        expect(readlinkSync(`/proc/${pid}/fd/0`)).toBe('/dev/null');
        expect(readlinkSync(`/proc/${pid}/ns/mnt`)).not.toBe(readlinkSync('/proc/self/ns/mnt'));
      }
      await world().ok('instance', 'stop', 'kept');
    });
  });

  asUser(() => {
    withWorld('an ext3 overlay with --fakeroot', (world) => {
      testWith(['subuid'], 'keeps owners', async () => {
        const overlay = await makeOverlay(world(), 'fakeroot.img', '--fakeroot');
        const options = ['--fakeroot', '--overlay', overlay];
        const script = 'echo x > /file; chown 5:6 /file; chown 1 /etc/keep; stat -c "%u %g" /file /etc/keep';
        expect(await world().inside(options, script)).toBe('5 6\n1 0');
        expect(await world().inside(options, 'stat -c "%u %g" /file /etc/keep')).toBe('5 6\n1 0');
        await expectClean(world(), overlay);
      });
    });
  });

  withWorld('an overlay partition of a SIF', (world) => {
    test('is seen by every launch, and written to with --writable', async () => {
      const image = world().image();
      chmodSync(image, 0o755);
      await world().ok('overlay', 'create', '--sparse', image);
      await world().inside([...USERNS, '--writable'], 'echo kept > /kept', image);
      expect(await world().inside(USERNS, 'cat /kept', image)).toBe('kept');
      const written = await world().davit('exec', ...USERNS, image, 'touch', '/x');
      expect(written).toMatchObject({ status: 1, stderr: expect.stringContaining('Read-only file system') });
      await world().ok('instance', 'start', ...USERNS, '--writable', image, 'kept');
      expect(await inInstance(world(), 'cat /kept; echo more >> /kept')).toMatchObject({ stdout: 'kept\n' });
      expect((await world().davit('exec', ...USERNS, image, 'true')).stderr).toContain('currently in use for writing');
      await world().ok('instance', 'stop', 'kept');
      expect(await world().inside([...USERNS, '--writable-tmpfs'], 'cat /kept; rm /kept', image)).toBe('kept\nmore');
      expect(await world().ok('sif', 'list', image)).toContain('Ext3');
    });
  });
});
