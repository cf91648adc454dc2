/** Several instances by one command have the mounts that each would have alone, and none that one could change for another. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
import { withWorld, type World } from './support/world';

/** What is mounted where, and how, without numbers that differ from mount to mount. */
async function mounts(world: World, name: string): Promise<string[]> {
  const table = await world.ok('exec', `instance://${name}`, 'cat', '/proc/self/mountinfo');
  return table
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\d+ \d+ \d+:\d+ /, '').replace(/(\/dev\/loop|\/fd\/)\d+/g, '$1'))
    .sort();
}

const inside = (world: World, name: string, script: string): Promise<string> =>
  world.ok('exec', `instance://${name}`, 'sh', '-c', script);

withWorld('mounts of several instances by one command', (world) => {
  afterEach(async () => void (await world().davit('instance', 'stop', '--all')));

  const cases: [string, (host: string) => string[]][] = [
    ['nothing else', () => []],
    ['a bind', (host) => ['--bind', `${host}:/mnt`]],
    ['a bind below another', (host) => ['--bind', `${host}:/mnt,${host}/file:/mnt/inner/file:ro`]],
    ['a bind on a generated file', (host) => ['--bind', `${host}/file:/etc/passwd`]],
    ['a bind on the directory of the generated files', (host) => ['--bind', `${host}:/etc`]],
    ['a mount point that the image lacks', (host) => ['--bind', `${host}:/new/place`]],
    ['no /proc', () => ['--no-mount', 'proc']],
    ['--contain', () => ['--contain']],
    ['--containall, no capabilities', () => ['--containall', '--no-privs']],
    ['--writable-tmpfs', () => ['--writable-tmpfs']],
    ['--userns', () => ['--userns']],
    ['--fakeroot', () => ['--fakeroot']],
    ['namespaces of network and name', () => ['--uts', '--hostname', 'bulk', '--net', '--network', 'none']],
  ];
  for (const [what, options] of cases) {
    test(`the same as alone: ${what}`, async () => {
      const host = join(world().directory, 'host');
      mkdirSync(join(host, 'inner'), { recursive: true });
      for (const name of ['file', 'inner/file', 'passwd', 'group']) writeFileSync(join(host, name), 'of the host\n');
      const given = [...options(host), world().image()];
      await world().ok('instance', 'start', ...given, 'alone');
      await world().ok('instance', 'start', ...given, 'm-[1-2]');
      if (what !== 'no /proc') {
        const alone = await mounts(world(), 'alone');
        for (const name of ['m-1', 'm-2']) expect(await mounts(world(), name)).toEqual(alone);
      }
      const look =
        'cd /; cat /etc/passwd /etc/group /etc/resolv.conf; ls -a / /etc /mnt /proc/1/ns; id; pwd; hostname;' +
        'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; grep -E "^(Cap|NoNew)" /proc/1/status; umask';
      expect(await inside(world(), 'm-2', look)).toBe(await inside(world(), 'alone', look));
    });
  }

  test('each has namespaces of its own', async () => {
    await world().ok('instance', 'start', '--ipc', '--uts', world().image(), 'm-[1-3]');
    const kinds = ['mnt', 'pid', 'ipc', 'uts', ...(isRoot ? [] : ['user'])];
    const own = await Promise.all(
      ['m-1', 'm-2', 'm-3'].map((name) =>
        inside(world(), name, `cd /proc/self/ns; for kind in ${kinds.join(' ')}; do readlink $kind; done`),
      ),
    );
    const all = own.flatMap((text) => text.trim().split('\n'));
    expect(new Set(all)).toHaveLength(3 * kinds.length);
  });

  test('what one writes to its files, no other has', async () => {
    await world().ok('instance', 'start', world().image(), 'm-[1-3]');
    await inside(world(), 'm-1', 'echo mine > /etc/resolv.conf; echo mine:x:77:77::/:/bin/sh >> /etc/passwd');
    expect(await inside(world(), 'm-1', 'cat /etc/resolv.conf')).toBe('mine\n');
    for (const name of ['m-2', 'm-3'])
      expect(await inside(world(), name, 'cat /etc/resolv.conf /etc/passwd')).not.toMatch(/^mine/m);
    const processes = await inside(world(), 'm-2', 'cat /proc/[0-9]*/comm');
    expect(processes.match(/davit-init/g)).toHaveLength(1);
    await world().ok('instance', 'stop', 'm-1');
    expect(await inside(world(), 'm-3', 'cat /proc/1/comm')).toBe('davit-init\n');
  });
});
