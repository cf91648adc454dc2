import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { Descriptor } from '../../../src/formats/oci/manifest';
import { dockerArchiveImage } from '../../../src/runtime/image/oci/docker-archive';
import { dockerDaemonImage } from '../../../src/runtime/image/oci/docker-daemon';
import type { OciImage } from '../../../src/runtime/image/oci/image';
import { layoutImage } from '../../../src/runtime/image/oci/layout';
import { ociArchiveImage } from '../../../src/runtime/image/oci/oci-archive';
import { block, type Files, fetchContext, lay, layoutFiles, sampleImage, tarball } from './images';
import { scratch, sha256 } from './support';

const one = sampleImage();
const two = sampleImage('arm64');

const contexts: ReturnType<typeof fetchContext>[] = [];
afterEach(() => {
  for (const { temporary } of contexts.splice(0)) temporary.remove();
});
function context(options = {}): ReturnType<typeof fetchContext> {
  const made = fetchContext(options);
  contexts.push(made);
  return made;
}

async function layerOf(image: OciImage): Promise<Buffer> {
  return readFileSync((await image.blob(image.manifest.layers[0] as Descriptor, 'layer')).path);
}

describe('oci:', () => {
  test('the only image, or the one that is named', async () => {
    const alone = lay(layoutFiles({ latest: one }));
    expect((await layoutImage(alone, context())).digest).toBe(one.digest);
    const both = lay(layoutFiles({ a: one, b: two }));
    const image = await layoutImage(`${both}:b`, context());
    expect(image.digest).toBe(two.digest);
    expect((await layerOf(image)).equals(two.layer)).toBe(true);
  });

  test('refuses to guess', async () => {
    const both = lay(layoutFiles({ a: one, b: two }));
    await expect(layoutImage(both, context())).rejects.toMatchObject({
      message: 'more than one image in oci, choose an image',
      hint: expect.stringContaining('there are a, b'),
    });
    await expect(layoutImage(`${both}:c`, context())).rejects.toThrow('no descriptor found for reference "c"');
  });

  test('chooses by architecture', async () => {
    const { sampleIndex } = await import('./images');
    const index = sampleIndex({ amd64: one, arm64: two });
    const files = layoutFiles({ a: one, b: two });
    files[`blobs/sha256/${sha256(index).slice(7)}`] = index;
    const entry = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: sha256(index), size: index.length };
    files['index.json'] = JSON.stringify({ schemaVersion: 2, manifests: [entry] });
    const directory = lay(files);
    expect((await layoutImage(directory, context())).digest).toBe(one.digest);
    expect((await layoutImage(directory, context({ arch: 'arm64' }))).digest).toBe(two.digest);
    await expect(layoutImage(directory, context({ arch: 's390x' }))).rejects.toMatchObject({ code: 'IMAGE_ARCH' });
  });

  test('damage is found', async () => {
    await expect(layoutImage('/nosuch', context())).rejects.toMatchObject({
      code: 'IMAGE_OPEN',
      message: 'open /nosuch/index.json: no such file or directory',
    });
    const directory = lay(layoutFiles({ latest: one }));
    writeFileSync(join(directory, 'blobs/sha256', one.digest.slice(7)), `${one.manifest.toString()} `);
    await expect(layoutImage(directory, context())).rejects.toMatchObject({ code: 'INTEGRITY' });
    rmSync(join(directory, 'blobs/sha256', one.digest.slice(7)));
    await expect(layoutImage(directory, context())).rejects.toMatchObject({ code: 'IMAGE_OPEN', errno: 'ENOENT' });
  });
});

describe('indexes', () => {
  test('that lead back to themselves, or never end, are refused', async () => {
    const { resolveManifest } = await import('../../../src/runtime/image/oci/image');
    const indexOf = (digest: string): Buffer => {
      const platform = { os: 'linux', architecture: 'amd64' };
      const entry = { mediaType: 'application/vnd.oci.image.index.v1+json', digest, size: 1, platform };
      return Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    };
    const same = sha256('same');
    const loop = { bytes: indexOf(same), digest: same };
    await expect(resolveManifest(loop, { arch: 'amd64' }, async () => loop)).rejects.toThrow('leads back to itself');
    let depth = 0;
    const deeper = async () => ({ bytes: indexOf(sha256(`${++depth}`)), digest: sha256(`found ${depth}`) });
    await expect(resolveManifest(await deeper(), { arch: 'amd64' }, deeper)).rejects.toThrow('more than 8 indexes');
  });
});

function archive(files: Files, compress = false): string {
  const path = join(scratch(), 'image.tar');
  writeFileSync(path, compress ? gzipSync(tarball(files)) : tarball(files));
  return path;
}

describe('oci-archive:', () => {
  test.each([false, true])('reads a layout in an archive (compressed: %s)', async (compress) => {
    const files = Object.entries(layoutFiles({ latest: one }));
    const path = archive(Object.fromEntries(files.map(([name, content]) => [`./${name}`, content])), compress);
    const image = await ociArchiveImage(path, context());
    expect(image.digest).toBe(one.digest);
    expect((await layerOf(image)).equals(one.layer)).toBe(true);
  });
});

describe('docker-archive:', () => {
  const saved = (changes: Files = {}, tags: (string[] | null)[] = [['t/x:1']]): Files => ({
    'manifest.json': JSON.stringify(
      tags.map((list) => ({ Config: 'c.json', RepoTags: list, Layers: ['a/layer.tar'] })),
    ),
    'c.json': one.config,
    'a/layer.tar': one.layer,
    ...changes,
  });

  test('reads what docker save writes', async () => {
    for (const text of ['', ':t/x:1', ':docker.io/t/x:1', ':@0']) {
      const image = await dockerArchiveImage(archive(saved()) + text, context());
      expect(image.digest).toBe(sha256(one.config));
      expect((await layerOf(image)).equals(one.layer)).toBe(true);
      expect(readFileSync((await image.blob(image.manifest.config, 'config')).path).equals(one.config)).toBe(true);
    }
  });

  test('of one kind named as the other: says which it is', async () => {
    const path = archive(saved());
    await expect(ociArchiveImage(path, context())).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      hint: `that is an image for docker-archive:${path}`,
    });
    const layout = archive({ 'oci-layout': '{}', 'index.json': '{}' });
    await expect(dockerArchiveImage(layout, context())).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      hint: `that is an image for oci-archive:${layout}`,
    });
  });

  test('layers that are links, compressed, or have long names', async () => {
    const long = `${'directory/'.repeat(15)}layer.tar`;
    const layers = (name: string): Files => ({
      'manifest.json': JSON.stringify([{ Config: 'c.json', RepoTags: null, Layers: [name] }]),
    });
    const linked = saved({ ...layers('b/layer.tar'), 'b/layer.tar': '-> ../a/layer.tar' });
    expect((await layerOf(await dockerArchiveImage(archive(linked), context()))).equals(one.layer)).toBe(true);
    const named = saved({ ...layers(long), [long]: one.layer });
    expect((await layerOf(await dockerArchiveImage(archive(named), context()))).equals(one.layer)).toBe(true);
    const zipped = saved({ 'a/layer.tar': gzipSync(one.layer) });
    const image = await dockerArchiveImage(archive(zipped), context());
    const layer = image.manifest.layers[0] as Descriptor;
    expect(layer.mediaType).toBe('application/vnd.docker.image.rootfs.diff.tar.gzip');
    expect((await image.blob(layer, 'layer')).digest).toBe(sha256(gzipSync(one.layer)));
  });

  test('refuses to guess', async () => {
    const both = archive(saved({}, [['a:1'], ['b:1', 'b:2'], null]));
    await expect(dockerArchiveImage(both, context())).rejects.toMatchObject({
      message: expect.stringContaining('choose an image'),
      hint: 'there are a:1; b:1, b:2; @2',
    });
    await expect(dockerArchiveImage(`${both}:c:1`, context())).rejects.toThrow('no image "c:1" in');
    expect((await dockerArchiveImage(`${both}:b:2`, context())).digest).toBe(sha256(one.config));
    await expect(dockerArchiveImage(`${both}:@3`, context())).rejects.toThrow('no image "@3"');
  });

  test.each<[string, Files, RegExp]>([
    ['no list', { 'manifest.json': '{}' }, /is no list/],
    ['no JSON', { 'manifest.json': '[' }, /is no list/],
    ['no configuration', { 'manifest.json': '[{"Layers":[]}]' }, /names no configuration/],
    ['layers that are missing', { 'manifest.json': '[{"Config":"c.json","Layers":["z"]}]' }, /no file "z"/],
    ['too few layers', { 'manifest.json': '[{"Config":"c.json","Layers":[]}]' }, /has 0 layers, its configuration 1/],
    ['a link in a circle', { 'a/layer.tar': '-> ../b', b: '-> a/layer.tar' }, /no file "a\/layer.tar"/],
    ['a link to outside', { 'a/layer.tar': '-> ../../../../etc/passwd' }, /no file "a\/layer.tar"/],
  ])('refuses an archive with %s', async (_, changes, message) => {
    await expect(dockerArchiveImage(archive(saved(changes)), context())).rejects.toThrow(message);
  });

  test('refuses what is no archive', async () => {
    const file = (bytes: Uint8Array): string => {
      const path = join(scratch(), 'x');
      writeFileSync(path, bytes);
      return path;
    };
    const refusal = async (bytes: Uint8Array) =>
      await dockerArchiveImage(file(bytes), context()).catch((error: Error) => error.message);
    expect(await refusal(Buffer.alloc(600, 1))).toMatch(/no tar archive/);
    expect(await refusal(tarball(saved()).subarray(0, 550))).toMatch(/cut off/);
    expect(await refusal(gzipSync('x').subarray(0, 15))).toMatch(/^decompress "/);
    expect(await refusal(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))).toMatch(/compressed by zstd/);
    expect(await refusal(Buffer.alloc(0))).toMatch(/no file "manifest.json"/);
    const absurd = block('a', '0', 0);
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).copy(absurd, 124);
    absurd.fill(0x20, 148, 156);
    absurd.write(
      absurd
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0'),
      148,
    );
    absurd[154] = 0;
    expect(await refusal(absurd)).toMatch(/absurd size/);
    await expect(dockerArchiveImage('/nosuch.tar', context())).rejects.toThrow(
      'open /nosuch.tar: no such file or directory',
    );
    await expect(dockerArchiveImage('/etc', context())).rejects.toMatchObject({ errno: 'EISDIR' });
  });
});

describe('docker-daemon:', () => {
  async function daemon(status: number, body: Buffer | string): Promise<{ dockerHost: string; asked: string[] }> {
    const socket = join(scratch(), 'docker.sock');
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(status).end(body);
    });
    await new Promise<void>((done) => server.listen(socket, done));
    server.unref();
    return { dockerHost: `unix://${socket}`, asked };
  }

  test('asks the daemon for an archive', async () => {
    const files = {
      'manifest.json': JSON.stringify([{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['l'] }]),
      'c.json': one.config,
      l: one.layer,
    };
    const { dockerHost, asked } = await daemon(200, tarball(files));
    const image = await dockerDaemonImage('x:1', context({ dockerHost }));
    expect(image.digest).toBe(sha256(one.config));
    expect(asked).toEqual(['/images/x%3A1/get']);
  });

  test('says what the daemon says', async () => {
    const { dockerHost } = await daemon(404, '{"message":"No such image: x:1"}');
    await expect(dockerDaemonImage('x:1', context({ dockerHost }))).rejects.toMatchObject({
      code: 'REGISTRY',
      message: 'loading image from docker engine: No such image: x:1',
    });
  });

  test('says that there is no daemon', async () => {
    await expect(dockerDaemonImage('x', context({ dockerHost: 'unix:///nosuch/docker.sock' }))).rejects.toMatchObject({
      code: 'NETWORK',
      message:
        'loading image from docker engine: Cannot connect to the Docker daemon at unix:///nosuch/docker.sock. Is the docker daemon running?',
      hint: expect.stringContaining('docker-archive:'),
    });
    await expect(dockerDaemonImage('x', context({ dockerHost: 'ssh://x' }))).rejects.toMatchObject({ code: 'OPTION' });
  });
});
