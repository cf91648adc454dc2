import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../../src/formats/oci/authenticate';
import { checkLayerCount, decodeConfig } from '../../../src/formats/oci/config';
import { parseDigest } from '../../../src/formats/oci/digest';
import { printable } from '../../../src/formats/oci/json';
import { decodeManifest, type ImageIndex } from '../../../src/formats/oci/manifest';
import {
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  layerCompression,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../../src/formats/oci/media-types';
import { selectPlatform } from '../../../src/formats/oci/platform';
import { formatReference, parseReference } from '../../../src/formats/oci/reference';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const bytes = (value: unknown): Buffer =>
  Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const descriptor = (changes: object = {}): object => ({ mediaType: 'x/y', digest: DIGEST, size: 7, ...changes });
const manifest = (changes: object = {}): object => ({
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: descriptor(),
  layers: [descriptor()],
  ...changes,
});

describe('references', () => {
  test.each([
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['team/tool', 'docker.io/team/tool:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/team/tool:1', 'docker.io/team/tool:1'],
    ['localhost/a', 'localhost/a:latest'],
    ['localhost:5000/a/b/c:T_1', 'localhost:5000/a/b/c:T_1'],
    ['ghcr.io/a-b/c.d__e:1', 'ghcr.io/a-b/c.d__e:1'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    ['HOST/a', 'HOST/a:latest'],
    [`a@${DIGEST}`, `docker.io/library/a@${DIGEST}`],
    [`reg.test/a:tag@${DIGEST}`, `reg.test/a@${DIGEST}`],
  ])('%s is %s', (text, expected) => expect(formatReference(parseReference(text))).toBe(expected));

  test.each([
    '',
    'a/',
    '/a',
    'a//b',
    'a:',
    'a:b:c',
    'a@b',
    `a@${DIGEST}0`,
    'a b',
    'a/.b',
    '../a',
    'a:..',
    'x.y:99999999/a',
    `${'a/'.repeat(200)}a`,
  ])('refuses %j', (text) =>
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'IMAGE_OPEN' })),
  );

  test('says what is wrong with capital letters', () => {
    expect(() => parseReference('reg.test/BB')).toThrow(/invalid reference format: repository name must be lowercase/);
  });
});

describe('digests', () => {
  test('only what can be verified and be a file name', () => {
    expect(parseDigest(DIGEST)).toEqual({ algorithm: 'sha256', hex: 'a'.repeat(64) });
    expect(parseDigest(`sha512:${'0'.repeat(128)}`)?.algorithm).toBe('sha512');
    for (const wrong of [
      '',
      'sha256:',
      DIGEST.toUpperCase(),
      `md5:${'a'.repeat(32)}`,
      `sha256:../${'a'.repeat(61)}`,
      `${DIGEST}:x`,
      7,
      null,
      `toString:${'a'.repeat(64)}`,
    ]) {
      expect(parseDigest(wrong)).toBeUndefined();
    }
  });
});

describe('manifests', () => {
  test('reads an image', () => {
    const json = manifest({ annotations: { a: 'b', c: 1 }, layers: [descriptor({ annotations: { title: 't' } })] });
    expect(decodeManifest(bytes(json))).toEqual({
      kind: 'manifest',
      config: { mediaType: 'x/y', digest: DIGEST, sizeBytes: 7, annotations: {} },
      layers: [{ mediaType: 'x/y', digest: DIGEST, sizeBytes: 7, annotations: { title: 't' } }],
      annotations: { a: 'b' },
    });
  });

  test('reads an index, and takes the server’s word for the type', () => {
    const entries = [descriptor({ platform: { os: 'linux', architecture: 'arm', variant: 'v6' } }), descriptor()];
    const json = { schemaVersion: 2, manifests: entries };
    for (const type of [undefined, OCI_INDEX, `${DOCKER_INDEX}; charset=utf-8`]) {
      const index = decodeManifest(bytes(json), type) as ImageIndex;
      expect(index.kind).toBe('index');
      expect(index.entries.map(({ platform }) => platform)).toEqual([
        { os: 'linux', architecture: 'arm', variant: 'v6' },
        undefined,
      ]);
    }
  });

  test.each([
    ['not JSON', '{', /not JSON/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not JSON/],
    ['a list', [], /no object/],
    ['nested without end', `${'['.repeat(200_000)}`, /not JSON/],
    ['another version', manifest({ schemaVersion: 3 }), /schema version 3/],
    ['both kinds at once', manifest({ manifests: [] }), /both an index and an image/],
    ['an image that says it is an index', manifest({ mediaType: OCI_INDEX }), /neither an index nor an image/],
    ['nothing of all', { schemaVersion: 2 }, /neither an index nor an image/],
    ['no configuration', manifest({ config: undefined }), /no object/],
    ['layers that are no list', manifest({ layers: {} }), /no list of layers/],
    ['a digest that is a path', manifest({ layers: [descriptor({ digest: '../../x' })] }), /is no sha256/],
    ['a negative size', manifest({ layers: [descriptor({ size: -1 })] }), /claims a size of -1/],
    ['a size beyond all numbers', manifest({ layers: [descriptor({ size: 1e30 })] }), /claims a size/],
    ['a size that is text', manifest({ layers: [descriptor({ size: '7' })] }), /claims a size/],
    ['a layer without a type', manifest({ layers: [descriptor({ mediaType: 1 })] }), /no media type/],
    ['too many layers', manifest({ layers: Array(3000).fill(descriptor()) }), /absurd/],
    ['too many bytes', ' '.repeat((4 << 20) + 1), /limit/],
  ])('refuses %s', (_, json, message) => {
    expect(() => decodeManifest(bytes(json))).toThrow(expect.objectContaining({ code: 'IMAGE_FORMAT' }));
    expect(() => decodeManifest(bytes(json))).toThrow(message);
  });

  test('names Docker’s first format', () => {
    expect(() => decodeManifest(bytes({ schemaVersion: 1 }))).toThrow(/schema 1/);
    const type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    expect(() => decodeManifest(bytes({ schemaVersion: 2 }), type)).toThrow(/schema 1/);
  });

  test('Docker’s own types are manifests too', () => {
    expect(decodeManifest(bytes(manifest({ mediaType: DOCKER_MANIFEST }))).kind).toBe('manifest');
    expect(layerCompression('application/vnd.docker.image.rootfs.diff.tar.gzip')).toBe('gzip');
    expect(layerCompression('application/vnd.oci.image.layer.v1.tar+zstd')).toBe('zstd');
    expect(layerCompression('toString')).toBeUndefined();
  });
});

describe('platforms', () => {
  const entry = (architecture: string, variant?: string, os = 'linux'): ImageIndex['entries'][number] => ({
    mediaType: OCI_MANIFEST,
    digest: `${os}/${architecture}/${variant}`,
    sizeBytes: 1,
    annotations: {},
    platform: { os, architecture, variant },
  });
  const choose = (entries: ImageIndex['entries'], arch: string, variant?: string): string =>
    selectPlatform({ kind: 'index', entries }, { arch, variant }).digest;
  const usual = [
    entry('amd64', undefined, 'windows'),
    entry('unknown', undefined, 'unknown'),
    entry('arm', 'v5'),
    entry('arm', 'v7'),
    entry('arm64', 'v8'),
    entry('amd64'),
  ];

  test.each([
    ['amd64', undefined, 'linux/amd64/undefined'],
    ['arm64', undefined, 'linux/arm64/v8'],
    ['arm64', 'v8', 'linux/arm64/v8'],
    ['arm64', '8', 'linux/arm64/v8'],
    ['arm', undefined, 'linux/arm/v7'],
    ['arm', 'v7', 'linux/arm/v7'],
    ['arm', '6', 'linux/arm/v5'],
  ])('%s %s gets %s', (arch, variant, expected) => expect(choose(usual, arch, variant)).toBe(expected));

  test('says what there is when there is nothing', () => {
    expect(() => choose(usual, 's390x')).toThrow(
      expect.objectContaining({
        code: 'IMAGE_ARCH',
        message: 'no image found in image index for architecture "s390x", variant "", OS "linux"',
        hint: 'there are images for amd64, arm/v5, arm/v7, arm64/v8',
      }),
    );
    expect(() => choose([entry('arm', 'v7')], 'arm', 'v6')).toThrow(/variant "v6"/);
  });

  test('a single entry need not say what it is for', () => {
    const single = { ...entry('x'), platform: undefined };
    expect(choose([single], 'amd64')).toBe(single.digest);
    expect(() => choose([single, single], 'amd64')).toThrow(/no image found/);
  });
});

describe('configurations', () => {
  test('reads what runs need, and keeps the object', () => {
    const config = { Env: ['A=1'], Entrypoint: ['/e'], Cmd: null, Labels: { l: 'v', bad: 1 }, User: 'x' };
    const json = { architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: [DIGEST] } };
    expect(decodeConfig(bytes(json))).toMatchObject({
      architecture: 'amd64',
      env: ['A=1'],
      entrypoint: ['/e'],
      cmd: [],
      labels: { l: 'v' },
      diffIds: [DIGEST],
      raw: config,
    });
    expect(decodeConfig(bytes({}))).toMatchObject({ env: [], entrypoint: [], cmd: [], diffIds: [], raw: {} });
  });

  test.each([
    [{ config: { Env: 'A=1' } }, /Env/],
    [{ config: { Cmd: [1] } }, /Cmd/],
    [{ rootfs: { diff_ids: ['x'] } }, /diff_ids/],
  ])('refuses %j', (json, message) => expect(() => decodeConfig(bytes(json))).toThrow(message));

  test('layers and their digests must be as many', () => {
    const config = decodeConfig(bytes({ rootfs: { diff_ids: [DIGEST] } }));
    expect(() => checkLayerCount(config, 1)).not.toThrow();
    expect(() => checkLayerCount(config, 2)).toThrow('the manifest has 2 layers, the image configuration 1');
  });
});

describe('challenges', () => {
  test.each([
    [
      'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull,push"',
      [['bearer', { realm: 'https://auth.test/token', service: 'registry.test', scope: 'repository:a/b:pull,push' }]],
    ],
    ['Basic realm="with \\"quotes\\", and commas"', [['basic', { realm: 'with "quotes", and commas' }]]],
    [
      'Basic realm=plain, Bearer realm = "x" , service=y',
      [
        ['basic', { realm: 'plain' }],
        ['bearer', { realm: 'x', service: 'y' }],
      ],
    ],
    ['Negotiate', [['negotiate', {}]]],
    ['Basic realm="never closed', [['basic', { realm: 'never closed' }]]],
    ['', []],
    [',,,', []],
    ['="', []],
  ])('%s', (header, expected) => {
    expect(parseChallenges(header).map(({ scheme, parameters }) => [scheme, parameters])).toEqual(expected);
  });
});

test('texts of strangers lose what moves cursors', () => {
  expect(printable('a\u001b[2Jb\nc\u202ed')).toBe('a [2Jb c d');
  expect(printable('x'.repeat(500), 10)).toBe(`${'x'.repeat(10)}…`);
});
