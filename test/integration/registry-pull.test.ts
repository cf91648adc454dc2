/** Images from registries, layouts, archives and web servers, pulled to files and launched directly. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, isRoot } from './support/capabilities';
import { makeImage, REGISTRY } from './support/pulled-image';
import { type RegistryServer, useRoom } from './support/registry';
import { type Front, startFront } from './support/unruly-server';
import { type World, withWorld } from './support/world';

/** Temporary directories are made where they can be seen. */
function temporary(world: World): { env: Record<string, string> } {
  return { env: { DAVIT_TMPDIR: world.makeDirectory('tmp') } };
}

const driver = isRoot ? ([] as const) : (['userns', 'fuse', 'squashfuse_ll'] as const);

describeWith([...REGISTRY, ...driver], 'images of registries', () => {
  let registry: RegistryServer;
  /** Counts what is asked for when it is asked; the registry's own log may be behind. */
  let front: Front;
  let layout: string;
  let uri: string;
  const room = useRoom(async (made) => {
    layout = makeImage(made);
    registry = await made.start();
    made.push(layout, registry, 't/tool:1');
    front = await startFront(registry.host);
    made.onClose(front.close);
    uri = `docker://${front.host}/t/tool:1`;
  });

  withWorld('pull', (world) => {
    const motd = async (image: string): Promise<string> => await world().ok('exec', image, 'cat', '/etc/motd');

    test('a docker:// image becomes a SIF with the name that users expect', async () => {
      const result = await world().davit('pull', '--no-https', uri);
      expect(result).toMatchObject({ status: 0, stdout: '' });
      expect(result.stderr).toContain('INFO:    Converting OCI blobs to SIF format\nINFO:    Starting build...\n');
      const path = world().path('work/tool_1.sif');
      expect(statSync(path).mode & 0o777).toBe(0o755);
      expect(await motd(path)).toBe('of the upper layer\n');
    });

    test('the command, arguments and environment are those of the image', async () => {
      expect(await world().ok('run', 'tool_1.sif')).toBe('from the image\n');
      expect(await world().ok('run', 'tool_1.sif', 'something', 'else')).toBe('something else\n');
      expect(await world().ok('exec', 'tool_1.sif', 'sh', '-c', 'echo $GREETING')).toBe('hello\n');
    });

    test('an existing file is not overwritten, unless that is asked for', async () => {
      expect(await world().davit('pull', '--no-https', uri)).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}Image file already exists: "tool_1\.sif" - will not overwrite\n/),
      });
      const { status, stderr } = await world().davit('pull', '--no-https', '--force', uri);
      expect({ status, stderr }).toEqual({ status: 0, stderr: 'INFO:    Using cached SIF image\n' });
    });

    test('--name, --dir and a name of its own', async () => {
      await world().ok('pull', '--no-https', '--name', 'named.sif', uri);
      await world().ok('pull', '--no-https', 'given.sif', uri);
      await world().ok('pull', '--no-https', '--dir', world().makeDirectory('elsewhere'), uri);
      for (const name of ['work/named.sif', 'work/given.sif', 'elsewhere/tool_1.sif']) {
        expect(existsSync(world().path(name)), name).toBe(true);
      }
      expect(await world().davit('pull', '--no-https', '--dir', 'nosuch', uri)).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('there is no directory "nosuch"'),
      });
    });

    test('--disable-cache keeps nothing, and fetches again', async () => {
      const before = front.blobRequests().length;
      const options = { env: { DAVIT_CACHEDIR: world().path('no-cache'), ...temporary(world()).env } };
      await world().okWith(options, 'pull', '--no-https', '--disable-cache', 'uncached.sif', uri);
      expect(front.blobRequests()).toHaveLength(before + 3);
      expect(existsSync(world().path('no-cache'))).toBe(false);
      expect(readdirSync(world().path('tmp'))).toEqual([]);
      expect(await motd(world().path('work/uncached.sif'))).toBe('of the upper layer\n');
    });

    test('--tmpdir holds what is on its way, and is left empty', async () => {
      const missing = await world().davit('pull', '--no-https', '--disable-cache', '--tmpdir', '/nosuch', 'x.sif', uri);
      expect(missing).toMatchObject({ status: 255, stderr: expect.stringContaining('"/nosuch"') });
      expect(existsSync(world().path('work/x.sif'))).toBe(false);
    });

    test('--sandbox makes a directory', async () => {
      await world().ok('pull', '--no-https', '--sandbox', 'sandbox', uri);
      expect(readFileSync(world().path('work/sandbox/etc/motd'), 'utf8')).toBe('of the upper layer\n');
      expect(await motd(world().path('work/sandbox'))).toBe('of the upper layer\n');
    });

    test('without --no-https a registry without https is refused', async () => {
      expect(await world().davit('pull', 'secure.sif', uri)).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(
          /^FATAL: {3}While making image from oci registry: error fetching image to cache: failed to get checksum for docker:\/\/\S+: pinging container registry \S+: Get "https:\/\/\S+: http: server gave HTTP response to HTTPS client\n/,
        ),
      });
    });

    test('what is not there is said in the words of the registry', async () => {
      const result = await world().davit('pull', '--no-https', `docker://${registry.host}/t/tool:2`);
      expect(result).toMatchObject({
        status: 255,
        stderr: `FATAL:   While making image from oci registry: error fetching image to cache: failed to get checksum for docker://${registry.host}/t/tool:2: reading manifest 2 in ${registry.host}/t/tool: manifest unknown\n`,
      });
      expect(await world().davit('pull', 'shub://a/b')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}While pulling shub image: shub:\/\/ images are gone/),
      });
      expect(await world().davit('pull', 'notauri')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}No transport type URI supplied\n/),
      });
    });

    test('layouts and archives, by the same rule for names', async () => {
      const [directory] = layout.split(':') as [string];
      room().copy(`oci:${layout}`, `oci-archive:${world().path('work/layout.tar')}:it`);
      room().copy(`oci:${layout}`, `docker-archive:${world().path('work/saved.tar')}:tool:3`);
      const names = {
        [`oci:${directory}:it`]: 'layout_it.sif',
        [`oci-archive:layout.tar`]: 'layout.tar_latest.sif',
        [`docker-archive:saved.tar`]: 'saved.tar_latest.sif',
        [`docker-archive:saved.tar:tool:3`]: 'saved.tar_tool.sif',
      };
      for (const [source, name] of Object.entries(names)) {
        await world().ok('pull', source);
        expect(await motd(world().path('work', name)), source).toBe('of the upper layer\n');
      }
      expect(await world().davit('pull', 'oci-archive:nosuch.tar')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('open nosuch.tar: no such file or directory'),
      });
      // The image has no platforms to choose from: it would be pulled with a warning.
      expect(await world().davit('pull', '--arch', 'x86_64', 'arch.sif', 'oci-archive:layout.tar')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('arch: x86_64 is not valid, supported archs are: [arm arm64 amd64 386 '),
      });
    });

    test('docker-daemon: asks the daemon that is named', async () => {
      const archive = readFileSync(world().path('work/saved.tar'));
      const asked: string[] = [];
      const socket = world().path('docker.sock');
      const daemon = createServer((request, response) => {
        asked.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`);
        if (request.url?.includes('tool')) response.end(archive);
        else response.writeHead(404).end('{"message":"No such image: nosuch:1"}');
      });
      await new Promise<void>((done) => daemon.listen(socket, done));
      try {
        await world().ok('pull', '--docker-host', `unix://${socket}`, 'docker-daemon:tool:3');
        expect(asked).toEqual(['GET /images/tool:3/get']);
        expect(await motd(world().path('work/tool_3.sif'))).toBe('of the upper layer\n');
        const result = await world().davitWith(
          { env: { DOCKER_HOST: `unix://${socket}` } },
          'pull',
          'docker-daemon:nosuch:1',
        );
        expect(result).toMatchObject({ status: 255, stderr: expect.stringContaining('No such image: nosuch:1') });
      } finally {
        daemon.close();
      }
    });
  });

  describe('other servers', () => {
    withWorld('http and oras', (world) => {
      let web: Server;
      let address: string;
      let files: Map<string, Buffer>;
      const authorizations: (string | undefined)[] = [];

      beforeAll(async () => {
        files = new Map();
        web = createServer((request, response) => {
          const bytes = files.get(request.url ?? '');
          authorizations.push(request.headers.authorization);
          if (bytes === undefined) response.writeHead(404).end();
          else response.writeHead(200, { 'content-length': bytes.length, etag: '"1"' }).end(bytes);
        });
        await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
        address = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
      });
      afterAll(() => web.close());

      test('a file of a web server keeps its name', async () => {
        files.set('/images/tool.sif', readFileSync(world().image()));
        await world().ok('pull', `${address}/images/tool.sif`);
        expect(readFileSync(world().path('work/tool.sif')).equals(readFileSync(world().image()))).toBe(true);
        expect(await world().davit('pull', `${address}/nosuch.sif`)).toMatchObject({
          status: 255,
          stderr: expect.stringContaining('the requested image was not found'),
        });
        expect(await world().ok('exec', `${address}/images/tool.sif`, 'echo', 'web')).toBe('web\n');
      });

      test('the working directory is no target, whatever a URI ends in', async () => {
        files.set('/images/', readFileSync(world().image()));
        const before = readdirSync(world().path('work'));
        for (const words of [[`${address}/images/`], ['', uri], ['--force', '--sandbox', `${address}/images/`]]) {
          expect(await world().davit('pull', ...words), words.join(' ')).toMatchObject({
            status: 255,
            stderr: expect.stringContaining('does not say what the file is to be called'),
          });
        }
        expect(readdirSync(world().path('work'))).toEqual(before);
      });

      test('user and password of a URL are for its server, and for nobody else', async () => {
        files.set('/images/tool.sif', readFileSync(world().image()));
        authorizations.length = 0;
        const url = address.replace('//', '//me:s%65cret@');
        await world().ok('build', 'mine.sif', `${url}/images/tool.sif`);
        expect(new Set(authorizations)).toEqual(new Set([`Basic ${Buffer.from('me:secret').toString('base64')}`]));
        expect(await world().ok('inspect', '--all', 'mine.sif')).not.toMatch(/s%65cret|secret/);
        const missing = await world().davit('pull', 'missing.sif', `${url}/nosuch.sif`);
        expect(missing).toMatchObject({ status: 255, stderr: expect.not.stringContaining('s%65cret') });
        const noName = await world().davit('pull', `${url}/images/`);
        expect(noName).toMatchObject({ status: 255, stderr: expect.not.stringContaining('s%65cret') });
        const verbose = await world().davit('-v', 'pull', 'verbose.sif', `${url}/images/tool.sif`);
        expect(verbose).toMatchObject({ status: 0, stderr: expect.stringMatching(/^VERBOSE: Pulled /m) });
        expect(verbose.stderr).not.toContain('s%65cret');
        const words = ['-rlE', 's%65cret|secret', world().path('work'), world().path('home')];
        expect(spawnSync('grep', words, { encoding: 'utf8' }).stdout).toBe('');
      });

      test('what is pushed by oras:// is pulled byte for byte', async () => {
        const target = `oras://${registry.host}/t/pushed:2`;
        expect(await world().davit('push', world().image(), target)).toMatchObject({
          status: 0,
          stderr: expect.stringContaining('INFO:    Upload complete\n'),
        });
        await world().ok('pull', target);
        expect(readFileSync(world().path('work/pushed_2.sif')).equals(readFileSync(world().image()))).toBe(true);
        expect(await world().ok('exec', target, 'echo', 'oras')).toBe('oras\n');
        const docker = await world().davit('pull', '--no-https', 'new.sif', `docker://${registry.host}/t/pushed:2`);
        expect(docker).toMatchObject({ status: 255, stderr: expect.stringContaining('oras://') });
        const oras = await world().davit('pull', `oras://${registry.host}/t/tool:1`);
        expect(oras).toMatchObject({ status: 255, stderr: expect.stringContaining('this is no SIF image') });
      });

      test('only SIF files are pushed, and only to oras://', async () => {
        const target = `oras://${registry.host}/t/other:1`;
        expect(await world().davit('push', '/etc/passwd', target)).toMatchObject({
          status: 255,
          stderr: expect.stringMatching(
            /^FATAL: {3}Unable to push image to oci registry: could not open image \/etc\/passwd/,
          ),
        });
        expect(await world().davit('push', world().image(), `docker://${registry.host}/t/other:1`)).toMatchObject({
          status: 255,
          stderr: 'FATAL:   Unsupported transport type: docker\n',
        });
        expect(await world().davit('push', '-D', 'of mine', world().image(), target)).toMatchObject({
          status: 0,
          stderr: expect.stringMatching(/^WARNING: Description is not supported for push to oras\. Ignoring it\.\n/),
        });
      });
    });

    withWorld('launches', (world) => {
      test('run, exec and shell take URIs, and fetch once', async () => {
        expect(await world().ok('run', '--no-https', uri, 'to', 'you')).toBe('to you\n');
        const before = front.blobRequests().length;
        const { stdout, stderr } = await world().davit('exec', '--no-https', uri, 'cat', '/etc/motd');
        expect({ stdout, stderr }).toEqual({
          stdout: 'of the upper layer\n',
          stderr: 'INFO:    Using cached SIF image\n',
        });
        const shell = await world().davitWith({ input: 'echo in $0\n' }, 'shell', '--no-https', uri);
        expect(shell).toMatchObject({ status: 0, stdout: expect.stringContaining('in ') });
        expect(front.blobRequests()).toHaveLength(before);
      });

      test('instances, too', async () => {
        await world().ok('instance', 'start', '--no-https', uri, 'tool');
        expect(await world().ok('exec', 'instance://tool', 'cat', '/etc/motd')).toBe('of the upper layer\n');
        await world().ok('instance', 'stop', 'tool');
      });

      test('--disable-cache runs from a file that nobody sees', async () => {
        const options = { env: { DAVIT_CACHEDIR: world().path('no-cache'), ...temporary(world()).env } };
        const script = 'cat /etc/motd; ls /proc/self/fd';
        const uncached = ['--no-https', '--disable-cache'];
        for (const more of [[], ['--pid'], ['--userns']]) {
          const out = await world().okWith(options, 'exec', ...uncached, ...more, uri, 'sh', '-c', script);
          expect(out).toBe('of the upper layer\n0\n1\n2\n3\n');
        }
        await world().okWith(options, 'instance', 'start', ...uncached, uri, 'uncached');
        expect(readdirSync(world().path('tmp'))).toEqual([]);
        expect(await world().ok('exec', 'instance://uncached', 'cat', '/etc/motd')).toBe('of the upper layer\n');
        await world().ok('instance', 'stop', 'uncached');
        const failing = await world().davitWith(options, 'exec', ...uncached, '--cwd', '/nosuch', uri, 'true');
        expect(failing.status).toBe(255);
        const bad = await world().davitWith(options, 'exec', ...uncached, '--bind', '/nosuch', uri, 'true');
        expect(bad.status).toBe(255);
        const dry = await world().davitWith(options, 'exec', ...uncached, '--dry-run', uri, 'true');
        expect(dry.status).toBe(0);
        expect(readdirSync(world().path('tmp'))).toEqual([]);
        expect(existsSync(world().path('no-cache'))).toBe(false);
      });

      test('what cannot be fetched is no launch', async () => {
        expect(await world().davit('exec', '--no-https', `docker://${registry.host}/t/tool:9`, 'true')).toMatchObject({
          status: 255,
          stderr: `FATAL:   Unable to handle docker://${registry.host}/t/tool:9 uri: failed to get checksum for docker://${registry.host}/t/tool:9: reading manifest 9 in ${registry.host}/t/tool: manifest unknown\n`,
        });
        expect(await world().davit('exec', 'shub://a/b', 'true')).toMatchObject({
          status: 255,
          stderr: expect.stringContaining('shub:// images are gone'),
        });
        expect(await world().davit('exec', 'foo://bar', 'true')).toMatchObject({
          status: 255,
          stderr: expect.stringMatching(/^FATAL: {3}Unsupported transport type: foo\n/),
        });
      });
    });
  });
});
