/** State that cannot lie: machines that lack something, or share too much. */
import { mkdirSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isRoot, testWith } from './support/capabilities';
import { davitPath, type Outcome, type World } from './support/world';
import { expectRecovery, withFaults } from './fault/truth';

interface Place {
  /** Words of unshare(1). */
  flags: string[];
  script: string;
}

/** A shell script in namespaces of its own; it knows `davit`, $IMAGE, and the directory $PLACE. */
function inside(world: World, { flags, script }: Place): Promise<Outcome> {
  const davit = `davit() { "${davitPath}" "$@"; }`;
  return world.command('unshare', [...flags, 'sh', '-c', `${davit}\n${script}`], {
    env: { IMAGE: world.image(), PLACE: world.makeDirectory('place') },
  });
}

/** Root stays the root of the host in its own namespace; a plain user becomes root of a user namespace. */
const own = isRoot ? ['-m'] : ['-Urm'];
const needs = isRoot ? (['squashfs'] as const) : (['fuse', 'squashfuse_ll', 'userns'] as const);

/** A small /dev without what `missing` names. */
function devWithout(...missing: string[]): string {
  return `mkdir -p "$PLACE/dev" && mount -t tmpfs none "$PLACE/dev"
    for name in null zero full tty random urandom fuse loop-control loop0 loop1; do
      case " ${missing.join(' ')} " in *" $name "*) continue ;; esac
      [ -e "/dev/$name" ] || continue
      : > "$PLACE/dev/$name"; mount --bind "/dev/$name" "$PLACE/dev/$name"
    done
    mkdir "$PLACE/dev/shm" "$PLACE/dev/pts"; ln -s /proc/self/fd "$PLACE/dev/fd"
    mount --rbind "$PLACE/dev" /dev`;
}

const listCount = `davit -q instance list --json | grep -c '"instance":'`;

withFaults('devices', (world) => {
  testWith(['userns', 'fuse'], 'no /dev/fuse: an unpacked copy is used, and INFO says why', async () => {
    const userns = isRoot ? '--userns' : '';
    const { status, stdout, stderr } = await inside(world(), {
      flags: own,
      script: `${devWithout('fuse')}
        davit instance start ${userns} "$IMAGE" web || exit 10
        davit -q instance list --json | grep -o '"driver": "[^"]*"'
        davit exec instance://web echo inside
        davit -q instance stop web
        ${listCount}`,
    });
    expect([status, stdout]).toEqual([1, '"driver": "unpacked"\ninside\n0\n']);
    expect(stderr).toMatch(/INFO: .*\/dev\/fuse is missing/);
    await expectRecovery(world());
  });

  testWith(['userns', 'fuse'], '/dev/fuse is another device: the start fails and says so', async () => {
    const { status, stdout, stderr } = await inside(world(), {
      flags: own,
      script: `${devWithout('fuse')}
        : > /dev/fuse; mount --bind /dev/null /dev/fuse
        davit instance start ${isRoot ? '--userns' : ''} "$IMAGE" web; echo "start $?"
        ${listCount}`,
    });
    expect([status, stdout]).toEqual([1, 'start 255\n0\n']);
    expect(stderr).toMatch(/FATAL.*mount fuse.*hint: .*--unsquash/s);
    await expectRecovery(world());
  });

  if (isRoot) {
    test('no loop devices: the start fails and names the ways out, which work', async () => {
      const { status, stdout, stderr } = await inside(world(), {
        flags: own,
        script: `${devWithout('loop-control', 'loop0', 'loop1')}
          davit instance start "$IMAGE" web; echo "start $?"
          ${listCount}
          davit -q instance start --unsquash "$IMAGE" web && davit exec instance://web echo unpacked && davit -q instance stop web
          davit -q instance start --userns "$IMAGE" web && davit exec instance://web echo fuse && davit -q instance stop web`,
      });
      expect([status, stdout]).toEqual([0, 'start 255\n0\nunpacked\nfuse\n']);
      expect(stderr).toMatch(/FATAL.*loop-control.*ENOENT.*hint:.*--userns.*--unsquash/s);
      await expectRecovery(world());
    });
  }
});

withFaults('namespaces', (world) => {
  testWith(
    ['userns'],
    'max_user_namespaces = 0: the start fails and names the setting; list and stop work',
    async () => {
      const { status, stdout, stderr } = await inside(world(), {
        flags: ['-Urm'],
        // An image of its own: launches of one image share the namespace in which it is mounted.
        script: `cp "$IMAGE" "$IMAGE.first" && davit -q instance start "$IMAGE.first" first || exit 10
        echo 0 > /proc/sys/user/max_user_namespaces || exit 11
        davit instance start "$IMAGE" web; echo "start $?"
        davit exec "$IMAGE" true; echo "exec $?"
        davit exec --pid "$IMAGE" true; echo "child $?"
        ${listCount}
        davit exec instance://first echo inside
        davit -q instance stop first
        rm "$IMAGE.first"
        ${listCount}
        echo 1000 > /proc/sys/user/max_user_namespaces
        davit -q instance start "$IMAGE" web && davit -q instance stop web; echo "again $?"`,
      });
      expect([status, stdout]).toEqual([0, 'start 255\nexec 255\nchild 255\n1\ninside\n0\nagain 0\n']);
      expect(stderr.match(/make the namespaces: (ENOSPC|EUSERS|EPERM)/g)).toHaveLength(3);
      expect(stderr.match(/hint: .*user\.max_user_namespaces/g)).toHaveLength(3);
      await expectRecovery(world());
    },
  );

  testWith(['userns'], 'room for one user namespace only: what needs a second one says so', async () => {
    const { status, stdout, stderr } = await inside(world(), {
      flags: ['-Um', '--map-current-user'],
      script: `for count in 1 2 3; do
          echo $count > /proc/sys/user/max_user_namespaces || exit 11
          davit instance start "$IMAGE" web 2>> "$PLACE/err" && davit -q instance stop web
          ${listCount}
        done
        cat "$PLACE/err" >&2`,
    }).catch(() => ({ status: 11, stdout: '', stderr: '' }));
    // Only a process with CAP_SYS_RESOURCE over the namespace may write the limit: not everywhere.
    if (status !== 11) expect(stdout, stderr).toBe('0\n0\n0\n');
    await expectRecovery(world());
  });
});

withFaults('host with "/" shared', (world) => {
  const launches: Record<string, string> = {
    'as it is': '',
    contained: '--contain',
    'with a writable layer of its own': '--writable-tmpfs',
    'contained in everything': '--containall --hostname box',
    'with binds below binds': '--bind "$PLACE/a:/a" --bind "$PLACE/b:/a/b" --bind "$PLACE/c:/a/b/c"',
    'with binds below the home and /tmp': '--bind "$PLACE/b:$HOME/inner" --bind "$PLACE/c:/tmp/davit-fault-point"',
    'with a scratch directory below a bind': '--bind "$PLACE/a:/a" --scratch /a/b',
    'with an overlay directory': '--overlay "$PLACE/over"',
    'in a user namespace': '--userns',
    unpacked: '--unsquash --bind "$PLACE/b:/srv/site"',
  };
  for (const [what, options] of Object.entries(launches)) {
    testWith(needs, `${what}: no mount of ours appears there, and none is left`, async () => {
      for (const name of ['a/b/c', 'b/c', 'c', 'over']) mkdirSync(world().path('place', name), { recursive: true });
      mkdirSync(`${world().home}/inner`, { recursive: true });
      const { status, stdout, stderr } = await inside(world(), {
        // Shared among themselves, and with nobody who mounts something meanwhile.
        flags: [...own, '--propagation', 'private'],
        script: `mount --make-rshared / || exit 11
          mount -t tmpfs none "$PLACE/c" || exit 12
          cat /proc/self/mountinfo > "$PLACE/before"
          same() { cat /proc/self/mountinfo > "$PLACE/after"; cmp "$PLACE/before" "$PLACE/after" || { diff "$PLACE/before" "$PLACE/after" >&2; exit 13; }; }
          davit -q instance start ${options} "$IMAGE" web || exit 14
          same
          davit exec instance://web true || exit 15
          same
          davit exec ${options} "$IMAGE" true || exit 16
          davit exec --pid ${options} "$IMAGE" true || exit 17
          same
          davit -q instance stop web
          same
          echo done`,
      });
      expect([status, stdout, stderr]).toEqual([0, 'done\n', expect.not.stringContaining('FATAL')]);
      rmSync('/tmp/davit-fault-point', { recursive: true, force: true });
      await expectRecovery(world());
    });
  }
});

withFaults('/proc', (world) => {
  testWith(['userns', ...needs], 'mounted with hidepid: everything works', async () => {
    const script = `mount -t proc -o hidepid=2 proc /proc || exit 11
      exec setpriv --bounding-set=-sys_ptrace --inh-caps=-all sh -c '
        davit() { "$DAVIT" "$@"; }
        [ -e /proc/1/stat ] && echo "process 1 is seen"
        davit -q instance start "$IMAGE" web || exit 12
        davit -q instance list --json | grep -c "\\"instance\\":"
        davit exec instance://web echo inside
        davit -q instance stop web || exit 13
        davit instance list | wc -l'`;
    const flags = ['-Urmpf', '--mount-proc'];
    const { status, stdout, stderr } = await world().command('unshare', [...flags, 'sh', '-c', script], {
      env: { IMAGE: world().image(), DAVIT: davitPath },
    });
    expect([status, stdout.replace('process 1 is seen\n', ''), stderr]).toEqual([0, '1\ninside\n1\n', '']);
    await expectRecovery(world());
  });

  testWith(['userns', ...needs], 'not there: every command fails with words, nothing is left', async () => {
    const { stdout, stderr } = await inside(world(), {
      flags: own,
      script: `mkdir "$PLACE/empty"; mount --bind "$PLACE/empty" /proc
        davit instance start "$IMAGE" web; echo "start $?"
        davit exec "$IMAGE" true; echo "exec $?"
        davit exec --pid --contain --writable-tmpfs "$IMAGE" true; echo "child $?"
        ls "$DAVIT_STATE_DIR/instances" 2>/dev/null
        umount /proc`,
    });
    expect(stdout).toMatch(/^start (255|1)\nexec (255|0)\nchild (255|0)\n$/);
    expect(stderr).toMatch(/FATAL|Error/);
    await expectRecovery(world());
  });
});
