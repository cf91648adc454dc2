import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { asRoot, asUser, isRoot, testWith } from './support/capabilities';
import { withWorld, type World } from './support/world';

const { uid } = userInfo();
const kinds = ['mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup', 'user'] as const;

/** Which namespaces of a payload are not the caller's. */
async function ownNamespaces(world: World, ...options: string[]): Promise<string[]> {
  const script = `for ns in ${kinds.join(' ')}; do readlink /proc/self/ns/$ns; done`;
  const inside = (await world.inside(options, script)).split('\n');
  const outside = (await world.command('sh', ['-c', script])).stdout.trim().split('\n');
  return kinds.filter((_, i) => inside[i] !== outside[i]);
}

const always = isRoot ? ['mnt'] : ['mnt', 'user'];

withWorld('namespaces', (world) => {
  test.each([
    [[], []],
    [['--pid'], ['pid']],
    [['-p'], ['pid']],
    [['--ipc'], ['ipc']],
    [['-i'], ['ipc']],
    [['--uts'], ['uts']],
    [['--hostname', 'x'], ['uts']],
    [['--net', '--network', 'none'], ['net']],
    [['-n', '--network', 'none'], ['net']],
    [['--network=none'], ['net']],
    [['--containall'], ['pid', 'ipc']],
    [['--containall', '--no-pid'], ['ipc']],
    [['--pid', '--no-pid'], []],
  ])('of %j', async (options, expected) => {
    const found = await ownNamespaces(world(), ...options);
    expect(found.sort()).toEqual([...always, ...expected].sort());
  });

  testWith(['userns'], 'of --userns', async () => {
    for (const flag of ['--userns', '-u']) expect((await ownNamespaces(world(), flag)).sort()).toEqual(['mnt', 'user']);
  });

  test('--hostname is the name inside, in /etc/hostname too, and must be one', async () => {
    expect(await world().inside(['--hostname', 'my.host-1'], 'hostname; cat /etc/hostname')).toBe(
      'my.host-1\nmy.host-1',
    );
    expect((await world().command('hostname', [])).stdout).not.toContain('my.host-1');
    expect(await world().davit('exec', '--hostname', 'bad_host!', world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('bad_host! is not a valid hostname'),
    });
  });

  test('--net --network none has loopback alone, and it is up', async () => {
    const text = await world().inside(['--net', '--network', 'none'], 'ip -o addr');
    expect(text).toContain('127.0.0.1/8');
    expect(new Set(text.split('\n').map((line) => line.split(/\s+/)[1]))).toEqual(new Set(['lo']));
  });

  test('--pid has init as process 1, --no-init the payload itself', async () => {
    expect((await world().inside(['--pid'], 'cat /proc/1/comm; echo $$')).split('\n')).toEqual(['davit-init', '2']);
    expect(await world().inside(['--pid', '--no-init'], 'echo $$')).toBe('1');
    expect(
      await world().okWith(
        { env: { APPTAINER_NOSHIMINIT: '1' } },
        'exec',
        '--pid',
        world().image(),
        'sh',
        '-c',
        'echo $$',
      ),
    ).toBe('1\n');
  });

  test('init reaps orphans', async () => {
    // They end, or stay as zombies that have no command line.
    const script = `(sleep 0.05 & ) ; (sleep 0.05 & ); sleep 0.3
while ps -o args | grep -q '^sleep 0\\.05'; do usleep 20000; done
for i in $(seq 200); do ps -o stat | grep -q Z || break; usleep 20000; done
ps -o stat | grep -c Z`;
    expect(await world().davit('exec', '--pid', world().image(), 'sh', '-c', script)).toMatchObject({ stdout: '0\n' });
  });

  test('--pid ends with its payload, whatever that has left running', async () => {
    const marker = `98765${process.pid}`;
    const since = Date.now();
    await world().inside(['--pid'], `sleep ${marker} & exit 0`);
    expect(Date.now() - since).toBeLessThan(90_000); // world.ts gives up at 100 s
    expect(
      world()
        .processes()
        .filter(({ commandLine }) => commandLine.includes(marker)),
    ).toEqual([]);
  });
});

withWorld('identity', (world) => {
  test('is the caller’s, with its groups', async () => {
    const outside = (await world().command('id', ['-u'])).stdout + (await world().command('id', ['-g'])).stdout;
    expect(await world().ok('exec', world().image(), 'sh', '-c', 'id -u; id -g')).toBe(outside);
    if (!isRoot) expect(await world().inside([], 'cat /proc/self/uid_map')).toMatch(new RegExp(`^ +${uid} +\\d+ +1$`));
  });

  test('files are made with the ids of the caller', async () => {
    await world().inside([], 'touch made');
    expect((await world().command('stat', ['-c', '%u %g', 'made'])).stdout).toBe(`${uid} ${process.getgid?.()}\n`);
  });

  testWith(['userns'], '--fakeroot is root, at home in /root', async () => {
    for (const flag of ['--fakeroot', '-f']) {
      expect(await world().inside([flag], 'id -u; id -g; echo $HOME; cd; pwd')).toBe('0\n0\n/root\n/root');
    }
    await world().inside(['--fakeroot'], 'touch ~/.davit-test-probe && rm ~/.davit-test-probe');
  });

  testWith(['userns'], '--fakeroot --ignore-subuid maps one id', async () => {
    const map = await world().inside(['--fakeroot', '--ignore-subuid'], 'cat /proc/self/uid_map; touch as-root');
    expect(map.trim().split(/\s+/)).toEqual(['0', String(uid), '1']);
    expect((await world().command('stat', ['-c', '%u', 'as-root'])).stdout).toBe(`${uid}\n`);
  });

  asUser(() => {
    testWith(['userns', 'subuid'], '--fakeroot with sub-ids changes owners', async () => {
      const text = await world().inside(
        ['--fakeroot', '--writable-tmpfs'],
        'cat /proc/self/uid_map | wc -l; touch /f && chown 33:33 /f && stat -c "%u %g" /f; touch mine; chown 7 mine; stat -c %u mine',
      );
      expect(text).toBe('2\n33 33\n7');
      const owner = Number((await world().command('stat', ['-c', '%u', 'mine'])).stdout);
      expect(owner).toBeGreaterThan(65535);
      await world().inside(['--fakeroot'], 'chown 0 mine');
    });

    testWith(['userns', 'subuid'], '--fakeroot works for instances, and exec joins as root', async () => {
      await world().ok('instance', 'start', '--fakeroot', '--writable-tmpfs', world().image(), 'fake');
      expect(
        await world().ok(
          'exec',
          'instance://fake',
          'sh',
          '-c',
          'id -u; echo $HOME; touch /f && chown 5 /f && stat -c %u /f',
        ),
      ).toBe('0\n/root\n5\n');
      expect(await world().listed('fake')).toMatchObject({ fakeroot: true });
    });
  });
});

withWorld('privileges', (world) => {
  const status = ['grep', '-E', '^(Cap|NoNewPrivs)', '/proc/self/status'];

  asRoot(() => {
    test('root has the capabilities of the machine', async () => {
      const outside = (await world().command('grep', status.slice(1))).stdout;
      expect(await world().ok('exec', world().image(), ...status)).toBe(outside);
      expect(await world().ok('exec', '--keep-privs', world().image(), ...status)).toBe(outside);
    });

    test('--no-privs takes them all', async () => {
      const text = await world().ok('exec', '--no-privs', world().image(), ...status);
      expect(text.match(/^Cap\w+:\t0+$/gm)?.length).toBe(5);
      expect(text).toContain('NoNewPrivs:\t1');
    });

    test('--drop-caps takes some', async () => {
      const text = await world().ok('exec', '--drop-caps', 'CAP_CHOWN,net_raw', world().image(), ...status);
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) {
        const mask = BigInt(`0x${new RegExp(`^${set}:\t(\\w+)`, 'm').exec(text)?.[1]}`);
        expect(mask & ((1n << 0n) | (1n << 13n)), set).toBe(0n);
        expect(mask & (1n << 6n), set).not.toBe(0n);
      }
    });

    test('set-user-id programs of the image have no effect, unless allowed', async () => {
      const mount = (await world().inside([], 'grep " / / " /proc/self/mountinfo')).split(' ')[5];
      expect(mount).toContain('nosuid');
      const allowed = (await world().inside(['--allow-setuid'], 'grep " / / " /proc/self/mountinfo')).split(' ')[5];
      expect(allowed).not.toContain('nosuid');
    });
  });

  asUser(() => {
    test('a user has none, and cannot get any', async () => {
      const text = await world().ok('exec', world().image(), ...status);
      expect(text.match(/^Cap\w+:\t0+$/gm)?.length).toBe(5);
      expect(text).toContain('NoNewPrivs:\t1');
    });

    test.each(['--keep-privs', '--allow-setuid'])('%s is for root', async (flag) => {
      expect(await world().davit('exec', flag, world().image(), 'true')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(new RegExp(`^FATAL: {3}.*${flag} requires root privileges`)),
      });
    });

    test('the same holds in instances', async () => {
      await world().ok('instance', 'start', world().image(), 'plain');
      const { programPid, pid } = await world().listed('plain');
      for (const each of [programPid, pid]) {
        const text = (await world().command('cat', [`/proc/${each}/status`])).stdout;
        expect(text).toContain('NoNewPrivs:\t1');
        if (each === programPid) expect(text.match(/^Cap\w+:\t0+$/gm)?.length).toBe(5);
      }
    });
  });
});
