/** What registries hold, and what networks do to it: platforms, media types, redirects, broken connections, proxies. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { makeImage, REGISTRY } from './support/pulled-image';
import {
  makeLayout,
  makeTree,
  PASSWORD,
  type RegistryRoom,
  type RegistryServer,
  USER,
  useRoom,
} from './support/registry';
import { startFront, startProxy } from './support/unruly-server';
import { type Outcome, type World, withWorld } from './support/world';

const MOTD = 'of the upper layer\n';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Pushes an index of images that differ in /etc/motd. */
async function pushIndex(room: RegistryRoom, registry: RegistryServer, platforms: [arch: string, variant?: string][]) {
  const manifests: object[] = [];
  for (const [architecture, variant] of platforms) {
    const name = [architecture, variant].filter(Boolean).join('-');
    const tree = makeTree(room, `tree-${name}`, { 'etc/motd': `for ${name}\n` });
    const config = [`--architecture=${architecture}`];
    room.push(makeLayout(room, `layout-${name}`, { layers: [tree], config }), registry, `t/many:${name}`);
    const url = `http://${registry.host}/v2/t/many/manifests/${name}`;
    const bytes = Buffer.from(await (await fetch(url, { headers: { accept: MANIFEST } })).arrayBuffer());
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const platform = { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
    manifests.push({ mediaType: MANIFEST, digest, size: bytes.length, platform });
  }
  const body = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
  const headers = { 'content-type': INDEX };
  const answer = await fetch(`http://${registry.host}/v2/t/many/manifests/1`, { method: 'PUT', headers, body });
  if (answer.status !== 201) throw new Error(await answer.text());
}

describeWith(REGISTRY, 'the client of registries', () => {
  let registry: RegistryServer;
  let guarded: RegistryServer;
  let secure: RegistryServer;
  /** skopeo takes layers that a registry has, however they are compressed: this one has none. */
  let empty: RegistryServer;
  let layout: string;
  const room = useRoom(async (made) => {
    layout = makeImage(made);
    registry = await made.start();
    guarded = await made.start({ htpasswd: true });
    secure = await made.start({ tls: made.authority });
    empty = await made.start({ apart: true });
    made.push(layout, registry, 't/tool:1');
  });
  let count = 0;

  /** Pulls into a directory and returns what is in /etc/motd, or the whole outcome when it fails. */
  async function pulled(world: World, uri: string, ...more: string[]): Promise<string | Outcome> {
    return pulledWith(world, {}, uri, ...more);
  }
  async function pulledWith(world: World, env: Record<string, string>, uri: string, ...more: string[]) {
    const target = `sandbox-${count++}`;
    const result = await world.davitWith(
      { env },
      'pull',
      '--no-https',
      '--disable-cache',
      '--sandbox',
      ...more,
      target,
      uri,
    );
    return result.status === 0 ? readFileSync(world.path('work', target, 'etc/motd'), 'utf8') : result;
  }

  withWorld('finds its way', (world) => {
    test('through an index to the platform', async () => {
      await pushIndex(room(), registry, [['amd64'], ['arm64', 'v8'], ['arm', 'v6'], ['arm', 'v7'], ['ppc64le']]);
      const uri = `docker://${registry.host}/t/many:1`;
      expect(await pulled(world(), uri, '--arch', 'amd64')).toBe('for amd64\n');
      expect(await pulled(world(), uri, '--arch', 'arm64')).toBe('for arm64-v8\n');
      expect(await pulled(world(), uri, '--arch', 'arm')).toBe('for arm-v7\n');
      expect(await pulled(world(), uri, '--arch', 'arm', '--arch-variant', '6')).toBe('for arm-v6\n');
      expect(await pulled(world(), uri, '--arch', 'ppc64le')).toBe('for ppc64le\n');
      expect(await pulled(world(), uri, '--arch', 's390x')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(
          /no image found in image index for architecture "s390x".*\n +hint: there are images for amd64, arm\/v6/,
        ),
      });
    });

    test('in Docker’s media types, and through zstd and plain layers', async () => {
      const plain = room().path('plain');
      room().push(layout, registry, 't/tool:docker', '--format', 'v2s2');
      room().copy(`oci:${layout}`, `dir:${room().path('dir')}`, '--dest-decompress');
      room().copy(`dir:${room().path('dir')}`, `oci:${plain}:it`, '--dest-oci-accept-uncompressed-layers');
      const zstd = ['--format', 'oci', '--dest-compress-format', 'zstd', '--dest-compress-level', '3'];
      room().copy(`dir:${room().path('dir')}`, `docker://${empty.host}/t/zstd:1`, ...zstd);
      const types = (path: string): string => readFileSync(path, 'utf8');
      const index = JSON.parse(types(`${plain}/index.json`));
      const digest = index.manifests[0].digest.replace(':', '/');
      const kinds = JSON.parse(types(`${plain}/blobs/${digest}`)).layers.map(
        (layer: { mediaType: string }) => layer.mediaType,
      );
      expect(kinds).toEqual(new Array(2).fill('application/vnd.oci.image.layer.v1.tar'));
      expect(await pulled(world(), `oci:${plain}:it`)).toBe(MOTD);
      expect(await pulled(world(), `docker://${registry.host}/t/tool:docker`)).toBe(MOTD);
      expect(await pulled(world(), `docker://${empty.host}/t/zstd:1`)).toBe(MOTD);
      const manifest = await fetch(`http://${empty.host}/v2/t/zstd/manifests/1`, {
        headers: { accept: MANIFEST },
      });
      expect(await manifest.text()).toContain('tar+zstd');
    });

    test('by digest', async () => {
      const answer = await fetch(`http://${registry.host}/v2/t/tool/manifests/1`, { headers: { accept: MANIFEST } });
      const digest = answer.headers.get('docker-content-digest');
      expect(await pulled(world(), `docker://${registry.host}/t/tool@${digest}`)).toBe(MOTD);
    });
  });

  withWorld('does not give up', (world) => {
    test('when blobs lie elsewhere, which is not told who asks', async () => {
      const storage = await startFront(registry.host);
      const front = await startFront(guarded.host, (request, response) => {
        const blob = request.method === 'GET' && request.url?.includes('/blobs/') && request.headers.authorization;
        if (!blob) return false;
        const location = `${storage.url.replace('127.0.0.1', 'localhost')}${request.url}?signature=1`;
        response.writeHead(307, { location }).end();
        return true;
      });
      try {
        const login = ['--docker-username', USER, '--docker-password', PASSWORD];
        expect(await pulled(world(), `docker://${front.host}/t/tool:1`, ...login)).toBe(MOTD);
        expect(front.requests.some(({ headers }) => headers.authorization !== undefined)).toBe(true);
        expect(storage.blobRequests()).toHaveLength(3);
        expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined, undefined]);
      } finally {
        front.close();
        storage.close();
      }
    });

    test('when connections break: it goes on where they did', async () => {
      const cut = (request: IncomingMessage): number =>
        request.url?.includes('/blobs/') ? 300_000 : Number.POSITIVE_INFINITY;
      const front = await startFront(registry.host, () => false, cut);
      try {
        expect(await pulled(world(), `docker://${front.host}/t/tool:1`)).toBe(MOTD);
        const ranges = front.blobRequests().flatMap(({ headers }) => headers.range ?? []);
        expect(ranges.length).toBeGreaterThan(1);
        for (const range of ranges) expect(range).toMatch(/^bytes=[1-9]\d*-$/);
        expect(new Set(ranges).size).toBe(ranges.length);
      } finally {
        front.close();
      }
    });

    test('when the registry is busy: as long as it asks for, or a little', async () => {
      const times: number[] = [];
      let refusals = 0;
      const front = await startFront(registry.host, (request, response) => {
        if (!request.url?.includes('/manifests/')) return false;
        times.push(Date.now());
        refusals += 1;
        if (refusals === 1) response.writeHead(429, { 'retry-after': '1' }).end();
        else if (refusals === 2) response.writeHead(503).end();
        return refusals <= 2;
      });
      try {
        expect(await pulled(world(), `docker://${front.host}/t/tool:1`)).toBe(MOTD);
        expect(times).toHaveLength(3);
        // Two clocks that count milliseconds differ by one or two.
        expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(990);
        expect((times[2] as number) - (times[1] as number)).toBeGreaterThanOrEqual(200);
      } finally {
        front.close();
      }
    });

    test('but a rate limit of hours is said at once', async () => {
      const front = await startFront(registry.host, (request, response) => {
        if (!request.url?.includes('/manifests/')) return false;
        const body = '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}';
        response.writeHead(429, { 'retry-after': '7200' }).end(body);
        return true;
      });
      try {
        expect(await pulled(world(), `docker://${front.host}/t/tool:1`)).toMatchObject({
          status: 255,
          stderr: expect.stringMatching(/You have reached your pull rate limit\.\n +hint: try again in 120 min/),
        });
        expect(front.requests.filter(({ url }) => url?.includes('/manifests/'))).toHaveLength(1);
      } finally {
        front.close();
      }
    });

    test('and content that is not what was announced is refused', async () => {
      const front = await startFront(registry.host, (request, response) => {
        const length = request.method === 'GET' && request.url?.includes('/blobs/') ? 600 : 0;
        if (length === 0) return false;
        response.end(Buffer.alloc(length, 'x'));
        return true;
      });
      try {
        const result = await pulled(world(), `docker://${front.host}/t/tool:1`);
        expect(result).toMatchObject({ status: 255, stderr: expect.stringMatching(/were announced|has the digest/) });
      } finally {
        front.close();
      }
    });
  });

  withWorld('goes through proxies', (world) => {
    test('plain http by their own request, https by a tunnel', async () => {
      const proxy = await startProxy((host, tunnel) => {
        if (tunnel) return host.startsWith('secure.') ? undefined : secure.host;
        return registry.host;
      });
      try {
        const env = { http_proxy: proxy.url, https_proxy: proxy.url };
        expect(await pulledWith(world(), env, 'docker://secure.test/t/tool:1')).toBe(MOTD);
        expect(proxy.asked[0]).toBe('CONNECT secure.test:443');
        expect(proxy.asked).toContain('GET http://secure.test/v2/t/tool/manifests/1');
        proxy.asked.length = 0;
        const trusting = { ...env, NODE_EXTRA_CA_CERTS: room().authority.caFile };
        const tunnel = await world().davitWith(
          { env: trusting },
          'pull',
          '--disable-cache',
          'x.sif',
          'docker://registry.test/t/tool:1',
        );
        expect(tunnel).toMatchObject({ status: 0 });
        expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT registry.test:443']));
      } finally {
        proxy.close();
      }
    });

    test('but not to hosts of no_proxy, nor to this machine', async () => {
      const proxy = await startProxy(() => registry.host);
      try {
        const env = { http_proxy: proxy.url, https_proxy: proxy.url, no_proxy: '.test' };
        expect(await pulledWith(world(), env, 'docker://x.registry.test/t/tool:1')).toMatchObject({ status: 255 });
        expect(await pulledWith(world(), env, `docker://${registry.host}/t/tool:1`)).toBe(MOTD);
        expect(proxy.asked).toEqual([]);
      } finally {
        proxy.close();
      }
    });
  });
});
