/** Other places than a reference names: mirrors, registries.conf, libraries; and the user guide's commands by them. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { makeImage, REGISTRY } from './support/pulled-image';
import { type RegistryServer, useRoom } from './support/registry';
import { type Outcome, type World, withWorld } from './support/world';

const MOTD = 'of the upper layer\n';

interface Library {
  url: string;
  asked: string[];
  close(): void;
}

/** A library server (REST, version 1) with one image of which everybody knows the name, and the endpoint that names it. */
async function startLibrary(file: string): Promise<Library> {
  const bytes = readFileSync(file);
  const hash = `sha256.${createHash('sha256').update(bytes).digest('hex')}`;
  const asked: string[] = [];
  const names = ['alpine:latest', 'sylabs/doc-examples/url-to-pdf:latest'];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    asked.push(url.pathname);
    const name = names.find((one) => url.pathname.endsWith(`/${one}`));
    if (url.pathname === '/assets/config/config.prod.json') {
      response.end(JSON.stringify({ libraryAPI: { uri: `http://${request.headers.host}/library` } }));
    } else if (name === undefined) {
      response.writeHead(404).end('{"error":{"code":404,"message":"not found"}}');
    } else if (url.pathname === `/library/v1/images/${name}` && url.searchParams.get('arch') === 'amd64') {
      response.end(JSON.stringify({ data: { id: '1', hash, size: bytes.length, uploaded: true, signed: false } }));
    } else if (url.pathname === `/library/v1/imagefile/${name}`) {
      response.end(bytes);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked, close: () => server.close() };
}

describeWith(REGISTRY, 'places', () => {
  let registry: RegistryServer;
  useRoom(async (room) => {
    const layout = makeImage(room);
    registry = await room.start();
    for (const name of ['library/nginx:latest', 't/tool:1']) room.push(layout, registry, name);
  });
  let count = 0;
  const pull = (world: World, uri: string, ...more: string[]): Promise<Outcome> =>
    world.davit('pull', '--disable-cache', ...more, `image-${count++}.sif`, uri);
  const motd = (world: World): Promise<string> => world.ok('exec', `image-${count - 1}.sif`, 'cat', '/etc/motd');

  withWorld('registries.conf', (world) => {
    const write = (text: string): string => world().write('home/.config/containers/registries.conf', text);

    test('mirrors come first, and give way', async () => {
      write(`[[registry]]
prefix = "docker.io"
location = "registry.invalid"
[[registry.mirror]]
location = "127.0.0.1:1"
[[registry.mirror]]
location = "${registry.host}"
insecure = true
`);
      expect(await pull(world(), 'docker://nginx')).toMatchObject({ status: 0 });
      expect(await motd(world())).toBe(MOTD);
    });

    test('another location, and the longest prefix', async () => {
      write(`[[registry]]
prefix = "registry.test"
location = "127.0.0.1:1"
[[registry]]
prefix = "registry.test/team"
location = "${registry.host}/t"
insecure = true
`);
      expect(await pull(world(), 'docker://registry.test/team/tool:1')).toMatchObject({ status: 0 });
      expect(await pull(world(), 'docker://registry.test/tea/tool:1')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('127.0.0.1:1'),
      });
    });

    test('blocked registries, and files that are wrong', async () => {
      const path = write(`[[registry]]\nlocation = "${registry.host}"\nblocked = true\n`);
      expect(await pull(world(), `docker://${registry.host}/t/tool:1`, '--no-https')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining(`registry ${registry.host} is blocked in ${path}`),
      });
      write('[[registry]\n');
      expect(await pull(world(), `docker://${registry.host}/t/tool:1`, '--no-https')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining(`read "${path}": `),
      });
    });

    test('files of registries.conf.d', async () => {
      write('# nothing here\n');
      const text = `[[registry]]\nprefix = "*.test"\nlocation = ""\nblocked = true\n`;
      const path = world().write('home/.config/containers/registries.conf.d/50-test.conf', text);
      expect(await pull(world(), 'docker://some.where.test/a')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining(`registry some.where.test is blocked in ${path}`),
      });
    });
  });

  withWorld('the user guide', (world) => {
    test('docker images, through the mirror of davit’s configuration', async () => {
      const file = world().write('davit.conf', `registry mirror = docker.io=http://${registry.host}\n`);
      await world().ok('--config', file, 'pull', 'docker://nginx');
      expect(await world().ok('exec', 'nginx_latest.sif', 'cat', '/etc/motd')).toBe(MOTD);
      await world().ok('--config', file, 'build', 'built.sif', 'docker://nginx');
      expect(await world().ok('exec', 'built.sif', 'cat', '/etc/motd')).toBe(MOTD);
    });

    test('library images, by the endpoint of remote.yaml', async () => {
      const library = await startLibrary(world().image());
      try {
        world().write(
          'home/.apptainer/remote.yaml',
          `Active: site\nRemotes:\n    site:\n        URI: ${library.url}\n        System: false\n        Exclusive: false\n        Insecure: true\n`,
        );
        expect(await world().davit('pull', 'library://alpine')).toMatchObject({
          status: 0,
          stderr: expect.stringContaining('INFO:    Downloading library image\n'),
        });
        expect(await world().ok('exec', 'alpine_latest.sif', 'echo', 'library')).toBe('library\n');
        await world().ok('pull', 'url-to-pdf.sif', 'library://sylabs/doc-examples/url-to-pdf:latest');
        expect(readFileSync(world().path('work/url-to-pdf.sif')).equals(readFileSync(world().image()))).toBe(true);
        expect(library.asked.filter((path) => path.includes('imagefile'))).toHaveLength(1);
        const named = `${library.url}/library`;
        expect(await world().ok('exec', '--disable-cache', `library://alpine`, 'echo', 'again')).toBe('again\n');
        await world().ok('pull', '--library', named, 'other.sif', 'library://alpine');
        expect(await world().davit('pull', 'library://nosuch')).toMatchObject({
          status: 255,
          stderr: expect.stringContaining('image does not exist in the library: nosuch:latest (amd64)'),
        });
        expect(existsSync(world().path('work/nosuch_latest.sif'))).toBe(false);
      } finally {
        library.close();
      }
    });

    test('without a library it is said', async () => {
      world().write('home/.apptainer/remote.yaml', '');
      expect(await world().davit('pull', '--force', 'library://alpine')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('Unable to get library client configuration: remote has no library client'),
      });
    });
  });
});
