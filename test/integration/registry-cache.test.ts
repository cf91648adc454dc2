/** The image cache under many processes, damage, and disks that do not want to. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { asRoot, describeWith, isRoot, testWith } from './support/capabilities';
import { makeImage, REGISTRY } from './support/pulled-image';
import { type RegistryServer, useRoom } from './support/registry';
import { type Front, startFront } from './support/unruly-server';
import { davitPath, type Outcome, type World, withWorld } from './support/world';

const MOTD = 'of the upper layer\n';

describeWith(REGISTRY, 'the cache', () => {
  let registry: RegistryServer;
  /** Counts what is asked for when it is asked; the registry's own log may be behind. */
  let front: Front;
  let uri: string;
  useRoom(async (room) => {
    const layout = makeImage(room);
    registry = await room.start();
    room.push(layout, registry, 't/tool:1');
    front = await startFront(registry.host);
    room.onClose(front.close);
    uri = `docker://${front.host}/t/tool:1`;
  });

  const cacheOf = (world: World): string => join(world.home, '.cache/davit');
  const filesOf = (world: World, kind: string): string[] =>
    readdirSync(join(cacheOf(world), kind))
      .filter((name) => !name.endsWith('.json'))
      .map((name) => join(cacheOf(world), kind, name));
  const pull = (world: World, ...more: string[]): Promise<Outcome> =>
    world.davit('pull', '--no-https', '--force', ...more, uri);
  const blobsAsked = (): number => front.blobRequests().length;

  withWorld('is shared', (world) => {
    test('16 processes that want one image fetch it once', async () => {
      const before = blobsAsked();
      const pulls = Array.from({ length: 16 }, (_, at) => pull(world(), `copy-${at}.sif`));
      const outcomes = await Promise.all(pulls);
      expect(outcomes.map(({ status }) => status)).toEqual(new Array(16).fill(0));
      expect(blobsAsked() - before).toBe(3);
      const first = readFileSync(world().path('work/copy-0.sif'));
      for (let at = 1; at < 16; at++) {
        expect(readFileSync(world().path(`work/copy-${at}.sif`)).equals(first), String(at)).toBe(true);
      }
      expect(await world().ok('exec', 'copy-9.sif', 'cat', '/etc/motd')).toBe(MOTD);
      expect(readdirSync(join(cacheOf(world()), 'partial'))).toEqual([]);
      expect(readdirSync(join(cacheOf(world()), 'locks'))).toEqual([]);
    });
  });

  withWorld('is not believed blindly', (world) => {
    test('a damaged image is made again', async () => {
      expect(await pull(world(), 'a.sif')).toMatchObject({ status: 0 });
      const [image = ''] = filesOf(world(), 'oci-tmp');
      truncateSync(image, 5000);
      const before = blobsAsked();
      expect(await pull(world(), 'b.sif')).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('Starting build'),
      });
      expect(await world().ok('exec', 'b.sif', 'cat', '/etc/motd')).toBe(MOTD);
      expect(blobsAsked()).toBe(before);
    });

    test('a damaged blob is fetched again, and no other', async () => {
      const blobs = filesOf(world(), 'blob/sha256').sort((left, right) => statSync(left).size - statSync(right).size);
      appendFileSync(blobs.at(-1) ?? '', 'x');
      await world().ok('cache', 'clean', '--force', '--type', 'oci');
      const before = blobsAsked();
      expect(await pull(world(), 'c.sif')).toMatchObject({ status: 0 });
      expect(blobsAsked()).toBe(before + 1);
      expect(await world().ok('exec', 'c.sif', 'cat', '/etc/motd')).toBe(MOTD);
    });

    test('not even when its size and times are right', async () => {
      const blobs = filesOf(world(), 'blob/sha256').sort((left, right) => statSync(left).size - statSync(right).size);
      const [layer = ''] = blobs.slice(-1);
      const { atimeMs, mtimeMs } = statSync(layer);
      const bytes = readFileSync(layer);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
      writeFileSync(layer, bytes);
      utimesSync(layer, atimeMs / 1000, mtimeMs / 1000);
      // As if it had rotted on the disk: the facts beside it say what they would say then.
      const facts = JSON.parse(readFileSync(`${layer}.json`, 'utf8'));
      const { mtimeNs, ctimeNs } = statSync(layer, { bigint: true });
      writeFileSync(`${layer}.json`, JSON.stringify({ ...facts, mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) }));
      await world().ok('cache', 'clean', '--force', '--type', 'oci');
      const before = blobsAsked();
      const result = await pull(world(), 'd.sif');
      expect(result).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('The cache is damaged, fetching again'),
      });
      expect(blobsAsked()).toBeGreaterThan(before);
      expect(await world().ok('exec', 'd.sif', 'cat', '/etc/motd')).toBe(MOTD);
    });
  });

  describe('cannot be used', () => {
    const warning = /^WARNING: The cache "\S+" cannot be written to \(.*\); going on without it$/m;

    withWorld('disks', (world) => {
      const capabilities = isRoot ? ([] as const) : (['userns'] as const);

      /** A pull with a cache on a file system of its own. */
      const pullOn = (options: string, target: string): Promise<Outcome> => {
        const cache = world().makeDirectory('disk');
        const script = 'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"';
        const command = [davitPath, 'pull', '--no-https', target, uri];
        const unshare = isRoot ? ['-m', '--propagation', 'private'] : ['-Urm'];
        return world().command('unshare', [...unshare, 'sh', '-c', script, options, cache, ...command], {
          env: { DAVIT_CACHEDIR: cache, DAVIT_TMPDIR: world().makeDirectory('tmp') },
        });
      };

      testWith(capabilities, 'a full one', async () => {
        const result = await pullOn('size=400k,mode=700', 'full.sif');
        expect(result).toMatchObject({ status: 0, stderr: expect.stringMatching(warning) });
        expect(result.stderr).toContain('no space left');
        expect(await world().ok('exec', 'full.sif', 'cat', '/etc/motd')).toBe(MOTD);
        expect(readdirSync(world().path('tmp'))).toEqual([]);
      });

      testWith(capabilities, 'a read-only one', async () => {
        const result = await pullOn('ro,mode=700', 'read-only.sif');
        expect(result).toMatchObject({ status: 0, stderr: expect.stringMatching(warning) });
        expect(await world().ok('exec', 'read-only.sif', 'cat', '/etc/motd')).toBe(MOTD);
      });

      test('none at all, for a launch', async () => {
        const options = { env: { DAVIT_CACHEDIR: '/dev/null/nowhere', DAVIT_TMPDIR: world().makeDirectory('tmp') } };
        const result = await world().davitWith(options, 'exec', '--no-https', uri, 'cat', '/etc/motd');
        expect(result).toMatchObject({ status: 0, stdout: MOTD, stderr: expect.stringMatching(warning) });
        expect(readdirSync(world().path('tmp'))).toEqual([]);
      });

      asRoot(() => {
        test('one that others can write to is not used', async () => {
          const cache = world().makeDirectory('open');
          await world().okWith({ env: { DAVIT_CACHEDIR: cache } }, 'pull', '--no-https', 'x.sif', uri);
          await world().command('chmod', ['-R', '0777', cache]);
          const result = await world().davitWith(
            { env: { DAVIT_CACHEDIR: cache } },
            'pull',
            '--no-https',
            'y.sif',
            uri,
          );
          expect(result).toMatchObject({ status: 0, stderr: expect.stringContaining('is not yours alone') });
        });
      });

      testWith(capabilities, 'a target on a full disk is an error, and nothing is left', async () => {
        await pull(world(), 'first.sif');
        const directory = world().makeDirectory('small');
        const script = `mount -t tmpfs -o size=100k tmpfs "$0" && "$@"; code=$?; ls -A "$0"; exit $code`;
        const command = [davitPath, 'pull', '--no-https', join(directory, 'x.sif'), uri];
        const unshare = isRoot ? ['-m', '--propagation', 'private'] : ['-Urm'];
        const result = await world().command('unshare', [...unshare, 'sh', '-c', script, directory, ...command]);
        expect(result).toMatchObject({
          status: 255,
          stdout: '',
          stderr: expect.stringContaining('no space left on device'),
        });
        expect(result.stderr).not.toContain('fault of davit');
      });
    });
  });

  withWorld('list and clean', (world) => {
    beforeAll(async () => {
      await pull(world(), 'tool.sif');
      await world().ok('push', world().image(), `oras://${registry.host}/t/sif:1`);
      await world().ok('pull', 'sif.sif', `oras://${registry.host}/t/sif:1`);
    });

    const sizes = '\\d+\\.\\d\\d [KM]iB';

    test('list counts', async () => {
      expect(await world().ok('cache', 'list')).toMatch(
        new RegExp(
          `^There are 2 container file\\(s\\) using ${sizes} and 3 oci blob file\\(s\\) using ${sizes} of space\nTotal space used: ${sizes}\n$`,
        ),
      );
      expect(await world().ok('cache', 'list', '--type', 'blob')).toMatch(/^There are 3 oci blob file\(s\) using /);
      expect(await world().davit('cache', 'list', '--type', 'nonsense')).toMatchObject({ status: 255 });
    });

    test('list -v names each', async () => {
      const [heading, ...lines] = (await world().ok('cache', 'list', '-v')).split('\n');
      expect(heading).toBe('NAME                     DATE CREATED           SIZE             TYPE');
      const row = new RegExp(
        `^[0-9a-z:]{22} {3}\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d {4}${sizes} +(blob|oci-tmp|oras)$`,
      );
      const rows = lines.slice(0, 5);
      expect(rows.filter((line) => row.test(line))).toEqual(rows);
      expect(rows.map((line) => line.split(' ').at(-1))).toEqual(['blob', 'blob', 'blob', 'oci-tmp', 'oras']);
    });

    test('clean asks, and a dry run removes nothing', async () => {
      const asked =
        'This will delete everything in your cache (containers from all sources and OCI blobs).\n' +
        'Hint: You can see exactly what would be deleted by canceling and using the --dry-run option.\n' +
        'Do you want to continue? [y/N] ';
      expect(await world().davitWith({ input: 'n\n' }, 'cache', 'clean')).toEqual(
        expect.objectContaining({ status: 0, stdout: asked, stderr: 'INFO:    Handle cleanup canceled\n' }),
      );
      expect(await world().davit('cache', 'clean')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(
          /^FATAL: {3}Handle clean failed: could not prompt user: could not read user's input: EOF\n/,
        ),
      });
      const dry = await world().davit('cache', 'clean', '--dry-run');
      expect(dry.stdout).toBe('User requested a dry run. Not actually deleting any data!\n');
      expect(dry.stderr.match(/^INFO: {4}Removing (blob|oci-tmp|oras) cache entry: \S+$/gm)).toHaveLength(5);
      expect(dry.stderr).toContain(`INFO:    No cached files to remove at ${cacheOf(world())}/library\n`);
      expect(await world().ok('cache', 'list')).toContain('There are 2 container file(s)');
    });

    test('clean removes by kind and by age', async () => {
      await world().ok('cache', 'clean', '--force', '--days', '1');
      expect(await world().ok('cache', 'list')).toContain('There are 2 container file(s)');
      await world().ok('cache', 'clean', '--force', '--type', 'oras');
      expect(await world().ok('cache', 'list')).toContain('There are 1 container file(s)');
      const old = Date.now() / 1000 - 2 * 24 * 3600;
      for (const path of filesOf(world(), 'oci-tmp')) utimesSync(path, old, old);
      await world().ok('cache', 'clean', '-f', '-D', '1');
      expect(await world().ok('cache', 'list')).toMatch(/^There are 0 container file\(s\) .* and 3 oci blob/);
      await world().davitWith({ input: 'y\n' }, 'cache', 'clean');
      expect(await world().ok('cache', 'list')).toMatch(/and 0 oci blob file\(s\) using 0\.00 KiB of space/);
      expect(existsSync(cacheOf(world()))).toBe(true);
    });
  });
});
