import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Descriptor } from '../../../src/formats/oci/manifest';
import { ImageCache } from '../../../src/runtime/image/cache/cache';
import { dockerImage } from '../../../src/runtime/image/oci/docker';
import { fetchContext, registryFiles, registryHandler, sampleImage, sampleIndex, type TestContext } from './images';
import { scratch, serve, sha256, type TestServer } from './support';

const amd64 = sampleImage();
const arm64 = sampleImage('arm64');
const index = sampleIndex({ amd64, arm64 });
const layer = { digest: sha256(amd64.layer), sizeBytes: amd64.layer.length, mediaType: 'x', annotations: {} };

const contexts: TestContext[] = [];
afterEach(() => {
  for (const { temporary } of contexts.splice(0)) temporary.remove();
});
function context(...args: Parameters<typeof fetchContext>): TestContext {
  const made = fetchContext(...args);
  contexts.push(made);
  return made;
}

/** A registry with team/tool:1 for two architectures, and team/tool:plain without an index. */
async function registry(change: (files: Map<string, Buffer>) => void = () => undefined): Promise<TestServer> {
  const files = registryFiles('team/tool', { 1: index, plain: amd64.manifest }, [amd64, arm64]);
  files.set(`team/tool/manifests/${sha256(index)}`, index);
  change(files);
  return await serve(registryHandler(files));
}

const blobRequests = ({ log }: TestServer): string[] => log.filter((line) => line.includes('/blobs/'));

describe('which image', () => {
  test.each([
    ['1', {}, amd64.digest],
    ['1', { arch: 'arm64' }, arm64.digest],
    ['plain', { arch: 'arm64' }, amd64.digest],
  ])('the tag %s with %j', async (tag, options, digest) => {
    const { host } = await registry();
    const image = await dockerImage(`${host}/team/tool:${tag}`, context(options));
    expect([image.digest, image.name]).toEqual([digest, `${host}/team/tool:${tag}`]);
  });

  test('by digest, of an index or an image', async () => {
    const { host } = await registry();
    expect((await dockerImage(`${host}/team/tool@${arm64.digest}`, context())).digest).toBe(arm64.digest);
    expect((await dockerImage(`${host}/team/tool@${sha256(index)}`, context())).digest).toBe(amd64.digest);
  });

  test('none for that architecture', async () => {
    const { host } = await registry();
    await expect(dockerImage(`${host}/team/tool:1`, context({ arch: 's390x' }))).rejects.toMatchObject({
      code: 'IMAGE_ARCH',
      message: 'no image found in image index for architecture "s390x", variant "", OS "linux"',
    });
  });

  test('an entry of the index that is not what it was announced as', async () => {
    const { host } = await registry((files) => files.set(`team/tool/manifests/${amd64.digest}`, arm64.manifest));
    await expect(dockerImage(`${host}/team/tool:1`, context())).rejects.toMatchObject({ code: 'INTEGRITY' });
  });

  test('nobody there', async () => {
    const { host, server } = await registry();
    await new Promise((done) => server.close(done));
    await expect(dockerImage(`${host}/team/tool:1`, context({ noHttps: false }))).rejects.toMatchObject({
      message: `pinging container registry ${host}: Get "https://${host}/v2/team/tool/manifests/1": dial tcp ${host}: connect: connection refused`,
    });
  });
});

describe('blobs', () => {
  /** As the kernel's locks, for one process. */
  const held = new Set<string>();
  const cacheIn = (directory: string, warnings: string[] = []): ImageCache =>
    new ImageCache({
      directory,
      onWarning: (text) => warnings.push(text),
      tryLock: (path) => {
        if (held.has(path)) return -1;
        held.add(path);
        const fd = openSync(path, 'a');
        const timer = setInterval(() => {
          try {
            readFileSync(`/proc/self/fdinfo/${fd}`);
          } catch {
            held.delete(path);
            clearInterval(timer);
          }
        }, 1);
        return fd;
      },
    });

  test('are fetched once, and found again', async () => {
    const server = await registry();
    const cache = cacheIn(scratch());
    const image = await dockerImage(`${server.host}/team/tool:1`, context({}, { cache }));
    const blobs = await Promise.all(Array.from({ length: 8 }, () => image.blob(layer, 'layer')));
    const paths = blobs.map(({ path }) => path);
    expect(new Set(paths)).toEqual(new Set([cache.blobPath(layer.digest)]));
    expect(readFileSync(paths[0] as string).equals(amd64.layer)).toBe(true);
    expect(blobRequests(server)).toHaveLength(1);
    expect(readdirSync(join(cache.directory, 'partial'))).toEqual([]);
  });

  test('damaged ones are fetched again', async () => {
    const server = await registry();
    const cache = cacheIn(scratch());
    const image = await dockerImage(`${server.host}/team/tool:1`, context({}, { cache }));
    const { path } = await image.blob(layer, 'layer');
    writeFileSync(path, Buffer.alloc(amd64.layer.length));
    expect(readFileSync((await image.blob(layer, 'layer')).path).equals(amd64.layer)).toBe(true);
    expect(blobRequests(server)).toHaveLength(2);
  });

  test('without a cache they are temporary', async () => {
    const server = await registry();
    const here = context();
    const image = await dockerImage(`${server.host}/team/tool:1`, here);
    expect((await image.blob(layer, 'layer')).path.startsWith(here.temporary.path())).toBe(true);
  });

  test('a cache that cannot be written to is done without', async () => {
    const server = await registry();
    const warnings: string[] = [];
    const file = join(scratch(), 'file');
    closeSync(openSync(file, 'w'));
    const here = context({}, { cache: cacheIn(file, warnings) });
    const image = await dockerImage(`${server.host}/team/tool:1`, here);
    for (let round = 0; round < 2; round++) {
      expect((await image.blob(layer, 'layer')).path.startsWith(here.temporary.path())).toBe(true);
    }
    expect(warnings).toEqual([expect.stringMatching(/cannot be written to .*going on without it/)]);
  });

  test('wrong ones are refused', async () => {
    const name = `team/tool/blobs/${layer.digest}`;
    const server = await registry((files) => files.set(name, Buffer.alloc(amd64.layer.length)));
    const image = await dockerImage(`${server.host}/team/tool:1`, context());
    await expect(image.blob(layer, 'layer')).rejects.toMatchObject({ code: 'INTEGRITY' });
    const shorter: Descriptor = { ...layer, sizeBytes: 5 };
    await expect(image.blob(shorter, 'layer')).rejects.toMatchObject({ code: 'INTEGRITY' });
    const missing: Descriptor = { ...layer, digest: sha256('missing') };
    await expect(image.blob(missing, 'layer')).rejects.toMatchObject({ code: 'REGISTRY' });
  });
});

describe('mirrors', () => {
  const settings = (...registryMirrors: string[]) => ({ settings: { ...fetchContext().settings, registryMirrors } });

  test('are asked first, with a path of their own', async () => {
    const mirror = await serve(registryHandler(registryFiles('hub/library/x', { latest: amd64.manifest }, [amd64])));
    const here = context({}, settings(`docker.io=${mirror.url}hub`, 'other.test=http://unused.test'));
    const image = await dockerImage('x', here);
    expect(image.digest).toBe(amd64.digest);
    await image.blob(layer, 'layer');
    expect(mirror.log).toEqual([
      'GET /v2/hub/library/x/manifests/latest',
      `GET /v2/hub/library/x/blobs/${layer.digest}`,
    ]);
  });

  test('give way to the registry when they fail', async () => {
    const broken = await serve((_, response) => response.writeHead(404).end());
    const origin = await registry();
    const here = context({}, settings(`${origin.host}=${broken.url}`));
    const image = await dockerImage(`${origin.host}/team/tool:1`, here);
    expect(readFileSync((await image.blob(layer, 'layer')).path).equals(amd64.layer)).toBe(true);
    expect(broken.log).toEqual(['GET /v2/team/tool/manifests/1']);
  });

  test('that lack a blob, too', async () => {
    const files = registryFiles('team/tool', { 1: amd64.manifest }, [amd64]);
    files.delete(`team/tool/blobs/${layer.digest}`);
    const mirror = await serve(registryHandler(files));
    const origin = await registry();
    const image = await dockerImage(
      `${origin.host}/team/tool:1`,
      context({}, settings(`${origin.host}=${mirror.url}`)),
    );
    expect(readFileSync((await image.blob(layer, 'layer')).path).equals(amd64.layer)).toBe(true);
  });

  test('get no password that was given for the registry', async () => {
    const mirror = await serve((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic' }).end());
    const origin = await registry();
    const options = { dockerUsername: 'me', dockerPassword: 'secret' };
    await dockerImage(`${origin.host}/team/tool:1`, context(options, settings(`${origin.host}=${mirror.url}`)));
    expect(mirror.requests.map(({ headers: { authorization } }) => authorization)).toEqual([undefined]);
  });

  test('must be URLs', async () => {
    await expect(dockerImage('x', context({}, settings('docker.io=')))).rejects.toMatchObject({ code: 'CONFIG' });
  });
});
