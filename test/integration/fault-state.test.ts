/** State that cannot lie: state, log and home directories that are missing, foreign, open, full, read-only or no directories. */
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isRoot, testWith } from './support/capabilities';
import { davitPath, type Outcome, type World } from './support/world';
import { expectRecovery, started, withFaults } from './fault/truth';

/** The place is free again, whatever a test has put there. */
function clear(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function makeWithMode(path: string, mode: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
}

function start(world: World, env: Record<string, string | undefined> = {}, ...args: string[]): Promise<Outcome> {
  return world.davitWith({ env }, 'instance', 'start', ...args, world.image(), 'web');
}

/** Every command that uses the state refuses it, with words that name it and a way out. */
async function expectRefusal(world: World, words: RegExp): Promise<void> {
  const commands = [['start', world.image(), 'web'], ['list'], ['stop', 'web']];
  for (const command of commands) {
    const { status, stderr } = await world.davit('instance', ...command);
    expect([command[0], status, stderr]).toEqual([command[0], 255, expect.stringMatching(words)]);
    expect(stderr).toContain(world.stateDir);
    expect(stderr).toContain('DAVIT_STATE_DIR');
  }
  const { status } = await world.davit('exec', 'instance://web', 'true');
  expect(status).toBe(255);
}

withFaults('state directory', (world) => {
  test('missing: made with mode 0700; list and stop find nothing', async () => {
    clear(world().stateDir);
    expect(await world().list()).toEqual([]);
    expect(existsSync(world().stateDir)).toBe(false);
    expect(await world().davit('instance', 'stop', 'web')).toMatchObject({ status: 1 });
    await started(world());
    expect(lstatSync(world().stateDir).mode & 0o7777).toBe(0o700);
    await world().ok('instance', 'stop', 'web');
    await expectRecovery(world());
  });

  test('its parent missing', async () => {
    const env = { DAVIT_STATE_DIR: world().path('no', 'such', 'directory') };
    const { status, stderr } = await start(world(), env);
    expect([status, stderr]).toEqual([
      255,
      expect.stringMatching(/state directory.*cannot be made.*ENOENT.*hint:.*DAVIT_STATE_DIR/s),
    ]);
    expect(existsSync(world().path('no'))).toBe(false);
  });

  test('removed while nothing runs', async () => {
    await started(world());
    await world().ok('instance', 'stop', 'web');
    clear(world().stateDir);
    await expectRecovery(world());
  });

  const kinds: Record<string, [(path: string) => void, RegExp]> = {
    'a link to a directory': [(path) => symlinkSync('work', path), /link/],
    'a link to nowhere': [(path) => symlinkSync('nowhere', path), /link/],
    'a file': [(path) => writeFileSync(path, ''), /not a directory|file/],
    'of mode 0755': [(path) => makeWithMode(path, 0o755), /0700/],
    'of mode 0770': [(path) => makeWithMode(path, 0o770), /0700/],
    'of mode 1777': [(path) => makeWithMode(path, 0o1777), /0700/],
  };
  for (const [what, [make, words]] of Object.entries(kinds)) {
    test(`${what}: refused, nothing is written there`, async () => {
      clear(world().stateDir);
      make(world().stateDir);
      await expectRefusal(world(), words);
      expect(existsSync(join(world().cwd, 'instances'))).toBe(false);
      clear(world().stateDir);
      await expectRecovery(world());
    });
  }

  test('owned by someone else: refused', async () => {
    const mine = world().stateDir;
    // A plain user cannot give a directory away; root's own is there for all.
    const foreign = isRoot ? mine : '/root';
    clear(mine);
    if (isRoot) {
      mkdirSync(foreign, { mode: 0o700 });
      chownSync(foreign, 12345, 12345);
    }
    const uid = isRoot ? 12345 : 0;
    for (const command of [['start', world().image(), 'web'], ['list'], ['stop', 'web']]) {
      const { status, stderr } = await world().davitWith({ env: { DAVIT_STATE_DIR: foreign } }, 'instance', ...command);
      expect([status, stderr]).toEqual([
        255,
        expect.stringMatching(new RegExp(`belongs to uid ${uid}|cannot be opened`)),
      ]);
    }
    clear(mine);
    await expectRecovery(world());
  });

  for (const inner of ['instances', 'logs', ...(isRoot ? ['loops'] : [])]) {
    test(`${inner} in it is a link`, async () => {
      clear(world().stateDir);
      mkdirSync(world().stateDir, { mode: 0o700 });
      const elsewhere = world().makeDirectory('elsewhere');
      symlinkSync(elsewhere, join(world().stateDir, inner));
      const { status } = await start(world());
      if (inner === 'instances') expect(status).toBe(255);
      await world().stopAll();
      // Logs may be kept elsewhere; what decides about life and death may not.
      if (inner !== 'logs')
        expect(await world().command('find', [elsewhere, '-mindepth', '1'])).toMatchObject({ stdout: '' });
      clear(world().stateDir);
      clear(elsewhere);
      await expectRecovery(world());
    });
  }
});

/** A shell script in a mount namespace of its own, where `$STATE` is the state directory; root there as well. */
async function inNamespace(world: World, script: string): Promise<Outcome> {
  clear(world.stateDir);
  mkdirSync(world.stateDir, { mode: 0o700 });
  const flags = isRoot ? ['-m'] : ['-Urm'];
  const davit = `davit() { "${davitPath}" "$@"; }`;
  return world.command('unshare', [...flags, '--propagation', 'private', 'sh', '-c', `${davit}\n${script}`], {
    env: { STATE: world.stateDir, IMAGE: world.image() },
  });
}

withFaults('file system of the state directory', (world) => {
  const fuse = isRoot ? [] : (['fuse', 'squashfuse_ll'] as const);

  testWith(
    ['userns', ...fuse],
    'full (ENOSPC): the start fails, says so, leaves nothing; space makes it work again',
    async () => {
      const { status, stdout, stderr } = await inNamespace(
        world(),
        `mount -t tmpfs -o size=64k,mode=0700 none "$STATE"
       davit -q instance start "$IMAGE" first || exit 10
       dd if=/dev/zero of="$STATE/ballast" bs=4k 2>/dev/null
       davit instance start "$IMAGE" web; echo "start $?"
       davit -q instance list --json | grep -c '"instance"'
       davit instance stop first; echo "stop $?"
       davit instance list
       ls "$STATE/instances"
       rm "$STATE/ballast"
       davit instance start "$IMAGE" web; echo "again $?"
       davit instance stop web`,
      );
      expect([status, stdout, stderr]).toEqual([
        0,
        expect.stringMatching(/^start 255\n1\nstop 0\nINSTANCE NAME[^\n]*\nagain 0\n$/),
        expect.stringMatching(/FATAL.*ENOSPC/),
      ]);
      await expectRecovery(world());
    },
  );

  testWith(
    ['userns', ...fuse],
    'full when the startscript ends: its status is recorded once there is space',
    async () => {
      const { status, stdout, stderr } = await inNamespace(
        world(),
        `mount -t tmpfs -o size=64k,mode=0700 none "$STATE"
       status() { davit instance list -v | tail -1 | awk '{ print $NF }'; }
       waits='while [ ! -e "$0" ]; do sleep 0.05; done; exit 7'
       davit -q instance start "$IMAGE" web run sh -c "$waits" "$STATE.go" 2>/dev/null || exit 10
       program=$(davit -q instance list --json | sed -n 's/.*"programPid": \\([0-9]*\\).*/\\1/p')
       dd if=/dev/zero of="$STATE/ballast" bs=4k 2>/dev/null
       : >"$STATE.go"
       while [ -e "/proc/$program" ]; do sleep 0.05; done
       sleep 1
       status
       rm "$STATE/ballast" "$STATE.go"
       for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
         [ "$(status)" = 7 ] && break
         sleep 1
       done
       status
       davit -q instance stop web`,
      );
      expect([status, stdout, stderr]).toEqual([0, '-\n7\n', '']);
      await expectRecovery(world());
    },
  );

  testWith(['userns', ...fuse], 'read-only and empty: what is to be written there says so', async () => {
    const { stdout, stderr } = await inNamespace(
      world(),
      `mount -t tmpfs -o mode=0700 none "$STATE"
       mkdir -m 700 "$STATE/plans"
       mount --bind "$STATE" "$STATE"
       mount -o remount,ro,bind "$STATE"
       davit instance start "$IMAGE" web; echo "start $?"
       davit cache clean --force --type=plan; echo "clean $?"`,
    );
    expect(stdout).toBe('start 255\nclean 255\n');
    expect(stderr).toMatch(/claim the instance name "web".*EROFS.*hint: the state directory is read-only/s);
    expect(stderr).toMatch(/FATAL: {3}remove ".*plans": EROFS\n/);
    expect(stderr).not.toContain('fault of davit');
    await expectRecovery(world());
  });

  testWith(['userns', ...fuse], 'read-only: the start fails, what runs is listed, used and stopped', async () => {
    const { status, stdout, stderr } = await inNamespace(
      world(),
      `mount -t tmpfs -o mode=0700 none "$STATE"
       davit -q instance start "$IMAGE" first || exit 10
       mount --bind "$STATE" "$STATE"
       mount -o remount,ro,bind "$STATE"
       davit instance start "$IMAGE" web; echo "start $?"
       davit -q instance list --json | grep '"instance"'
       davit exec instance://first echo inside
       davit instance stop first; echo "stop $?"
       davit -q instance list --json | grep -c '"instance"'
       umount "$STATE"
       davit instance start "$IMAGE" first; echo "again $?"
       davit instance stop first`,
    );
    expect(stderr).toMatch(/FATAL.*EROFS/);
    expect([status, stdout.replace(/.*"instance": /, '')]).toEqual([
      0,
      expect.stringMatching(/^start 255\n\s*"first",\ninside\nstop 0\n0\nagain 0\n$/),
    ]);
    await expectRecovery(world());
  });
});

withFaults('log directory', (world) => {
  const kinds: Record<string, [(path: string) => void, RegExp]> = {
    'a file': [(path) => writeFileSync(path, ''), /open the log.*ENOTDIR/],
    'a link to nowhere': [(path) => symlinkSync('nowhere', path), /open the log.*ENOENT/],
  };
  for (const [what, [make, words]] of Object.entries(kinds)) {
    test(`${what}: the start fails before anything runs`, async () => {
      const path = world().path('logs');
      make(path);
      const { status, stderr } = await start(world(), {}, '--log-dir', path);
      expect([status, stderr]).toEqual([255, expect.stringMatching(words)]);
      expect(stderr).toContain('--log-dir');
      clear(path);
      await expectRecovery(world());
    });
  }

  const logs: Record<string, (path: string) => void> = {
    'a link': (path) => symlinkSync(join(path, '..', 'victim'), path),
    'a directory': (path) => mkdirSync(path),
    'a FIFO': () => undefined,
  };
  for (const [what, make] of Object.entries(logs)) {
    test(`the log itself is ${what}: refused, without waiting`, async () => {
      const directory = world().makeDirectory('logs');
      const path = join(directory, 'web.err');
      writeFileSync(join(directory, 'victim'), 'as it was');
      if (what === 'a FIFO') await world().command('mkfifo', [path]);
      else make(path);
      const { status, stderr } = await start(world(), {}, '--log-dir', directory);
      expect([status, stderr]).toEqual([255, expect.stringContaining(`open the log "${path}"`)]);
      expect(await world().command('cat', [join(directory, 'victim')])).toMatchObject({ stdout: 'as it was' });
      clear(directory);
      await expectRecovery(world());
    });
  }

  testWith(['userns', ...(isRoot ? [] : (['fuse', 'squashfuse_ll'] as const))], 'full or read-only', async () => {
    world().makeDirectory('small');
    const { status, stdout, stderr } = await inNamespace(
      world(),
      `cd ..
       mount -t tmpfs -o size=16k none small
       dd if=/dev/zero of=small/ballast bs=4k 2>/dev/null
       davit instance start --log-dir "$PWD/small" "$IMAGE" web; echo "full $?"
       davit -q instance stop web
       rm -f small/*
       mount -o remount,ro,bind small
       davit instance start --log-dir "$PWD/small" "$IMAGE" web; echo "read-only $?"
       davit -q instance list --json | grep -c '"instance"'
       davit instance start "$IMAGE" web; echo "again $?"
       davit instance stop web`,
    );
    // A file takes no block until something is written to it: whether a full directory takes two more names is its own affair.
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^full (0|255)\nread-only 255\n0\nagain 0\n$/)]);
    expect(stderr).toMatch(/open the log.*EROFS/);
    await expectRecovery(world());
  });
});
