import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TreeEntry } from '../../../src/formats/container/tree';
import { decodeConfig } from '../../../src/formats/oci/config';
import type * as Api from '../../../src/runtime/build/packing/convert-layers';
import type * as OciSif from '../../../src/runtime/build/packing/oci-sif';
import type { ProgressEvent } from '../../../src/runtime/image/source/progress';
import { loadAddon } from '../../../src/workers/shared/image-addon';
import { addonBuilt, addonPath, makeDriver } from '../../fixtures/image-addon';
import { digestOf, tarOf, type TarItem } from '../../fixtures/tar';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const OFFSET_BYTES = 36864;
const CONFIG = decodeConfig(
  Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'),
);

let dir: string;
let api: typeof Api;
let count = 0;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'davit-layers-'));
  const home = join(dir, 'driver');
  mkdirSync(home);
  api = createRequire(__filename)(await makeDriver(home, ['runtime/build/packing/convert-layers.ts']));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function layer(items: TarItem[], changes: Partial<Api.LayerFile> = {}): Api.LayerFile {
  const tar = tarOf(items);
  const blob = gzipSync(tar, { level: 1 });
  const path = join(dir, `layer-${count++}`);
  writeFileSync(path, blob);
  return { path, mediaType: GZIP, digest: digestOf(blob), diffId: digestOf(tar), ...changes };
}

function request(layers: Api.LayerFile[], changes: Partial<Api.ConvertLayersRequest> = {}): Api.ConvertLayersRequest {
  const path = join(dir, `out-${count++}`);
  writeFileSync(path, '');
  return {
    layers,
    generated: [],
    output: { path, offsetBytes: OFFSET_BYTES },
    compression: { name: 'zstd' },
    owners: 'keep',
    timeS: 1_700_000_000,
    ...changes,
  };
}

/** What lies at and below a name in the root of the new file system. */
function listed({ output }: Api.ConvertLayersRequest, { sizeBytes }: Api.ConvertedLayers, name: string): TreeEntry[] {
  const { path, offsetBytes } = output;
  const source = loadAddon(addonPath).scanSquashfs(path, { offsetBytes, sizeBytes, xattrs: true, name: path });
  return loadAddon(addonPath).list(source, [name], 1000);
}

function text(entries: TreeEntry[], path: string): string | undefined {
  const content = entries.find((entry) => entry.path === path)?.content;
  return content && Buffer.from(content).toString();
}

const lower = [
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/hosts', content: 'lower' },
  { name: 'etc/gone', content: 'lower' },
];
const upper = [
  { name: 'etc/hosts', content: 'upper', mode: 0o4755, uid: 1000 },
  { name: 'etc/.wh.gone' },
  { name: 'etc/null', type: '3', mode: 0o666 },
];

describe.skipIf(!addonBuilt)('layers to a squashfs (needs the image addon)', () => {
  it('merges them, puts the generated files on top, and tells how far it is', async () => {
    const events: ProgressEvent[] = [];
    const generated = [
      { path: 'etc/made/by', type: 'file' as const, mode: 0o755, content: 'us', replace: true },
      { path: 'etc/hosts', type: 'file' as const, mode: 0o600, content: 'not taken', replace: false },
    ];
    const layers = [layer(lower), layer(upper)];
    const asked = request(layers, { generated, onProgress: (event) => events.push(event) });
    const made = await api.convertLayers(asked);
    const found = listed(asked, made, 'etc');
    expect(found.map(({ path }) => path)).toEqual(['etc', 'etc/hosts', 'etc/made', 'etc/made/by', 'etc/null']);
    expect(text(found, 'etc/hosts')).toBe('upper');
    expect(text(found, 'etc/made/by')).toBe('us');
    expect(found.find(({ path }) => path === 'etc/hosts')?.mode).toBe(0o4755);
    expect(made.diffIds).toEqual(layers.map(({ diffId }) => diffId));
    expect(made.notes).toEqual([]);
    expect(made.sizeBytes % 4096).toBe(0);
    expect(statSync(asked.output.path).size).toBe(OFFSET_BYTES + made.sizeBytes);
    const totalBytes = layers.reduce((sum, { path }) => sum + statSync(path).size, 0);
    expect(events[0]).toMatchObject({ state: 'start', doneBytes: 0, totalBytes });
    expect(events.at(-1)).toMatchObject({ state: 'end', doneBytes: totalBytes, totalBytes });
  });

  it('leaves device nodes out of images that belong to root altogether', async () => {
    const asked = request([layer(lower), layer(upper)], { owners: 'root' });
    const made = await api.convertLayers(asked);
    expect(listed(asked, made, 'etc').map(({ path }) => path)).toEqual(['etc', 'etc/hosts']);
    expect(made.notes).toEqual(['1 device node left out']);
  });

  it.each([
    ['gzip', 9],
    ['xz', undefined],
    ['lz4', undefined],
    ['zstd', 1],
  ])('compresses with %s', async (name, level) => {
    const asked = request([layer(lower)], { compression: { name, level } });
    expect(text(listed(asked, await api.convertLayers(asked), 'etc'), 'etc/hosts')).toBe('lower');
  });

  it('gives the same bytes for the same layers', async () => {
    const layers = [layer(lower), layer(upper)];
    const digests: string[] = [];
    for (const asked of [request(layers), request(layers)]) {
      await api.convertLayers(asked);
      digests.push(digestOf(readFileSync(asked.output.path)));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('refuses what is not what was announced', async () => {
    const other = digestOf(Buffer.from('other'));
    await expect(api.convertLayers(request([layer(lower, { digest: other })]))).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringContaining(other),
    });
    await expect(api.convertLayers(request([layer(lower), layer(upper, { diffId: other })]))).rejects.toMatchObject({
      code: 'INTEGRITY',
      hint: expect.stringContaining('fetch'),
    });
    const md5 = layer(lower, { digest: 'md5:0123' });
    await expect(api.convertLayers(request([md5]))).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    const encrypted = layer(lower, { mediaType: `${GZIP}+encrypted` });
    await expect(api.convertLayers(request([encrypted]))).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
  });

  it('names damaged layers, missing files and limits', async () => {
    const escaping = layer([{ name: '../etc/passwd', content: 'x' }]);
    await expect(api.convertLayers(request([escaping]))).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      message: expect.stringContaining('../etc/passwd'),
    });
    const missing = layer(lower, { path: join(dir, 'missing') });
    await expect(api.convertLayers(request([missing]))).rejects.toMatchObject({ code: 'IMAGE_BUILD', errno: 'ENOENT' });
    await expect(api.convertLayers(request([missing], { onProgress: () => undefined }))).rejects.toMatchObject({
      code: 'IMAGE_BUILD',
      errno: 'ENOENT',
    });
    const limits = { maxEntries: 2, maxBytes: 1 << 20 };
    await expect(api.convertLayers(request([layer(lower)], { limits }))).rejects.toMatchObject({
      code: 'IMAGE_BUILD',
      message: expect.stringContaining('more than 2 entries'),
      hint: expect.stringContaining('limit'),
    });
    const bomb = layer([{ name: 'zeros', content: Buffer.alloc(8 << 20) }]);
    await expect(api.convertLayers(request([bomb], { limits }))).rejects.toMatchObject({ code: 'IMAGE_BUILD' });
  });

  it('stops when it is told to, and works on afterwards', async () => {
    const large = layer(Array.from({ length: 60 }, (_, i) => ({ name: `f${i}`, content: randomBytes(1 << 20) })));
    await expect(
      api.convertLayers(request([large], { signal: AbortSignal.abort(new Error('before')) })),
    ).rejects.toThrow('before');
    const controller = new AbortController();
    let seen = 0;
    const onProgress = ({ doneBytes }: ProgressEvent) => {
      seen = doneBytes;
      if (doneBytes > 0) controller.abort(new Error('while'));
    };
    const compression = { name: 'zstd', level: 12 };
    const stopped = request([large], { compression, onProgress, signal: controller.signal });
    await expect(api.convertLayers(stopped)).rejects.toThrow('while');
    expect(seen).toBeLessThan(statSync(large.path).size);
    const asked = request([layer(lower)]);
    expect(text(listed(asked, await api.convertLayers(asked), 'etc'), 'etc/hosts')).toBe('lower');
  });

  describe('whose worker', () => {
    const DYING: [string, string, string][] = [
      ['ends', 'module.exports = () => process.exit(3);', 'run worker "convert-layers"'],
      ['crashes', "module.exports = () => process.kill(process.pid, 'SIGSEGV');", 'it was ended by SIGSEGV'],
      ['aborts', "module.exports = () => process.kill(process.pid, 'SIGABRT');", 'it was ended by SIGABRT'],
      ['throws', "module.exports = () => { throw new Error('unforeseen'); };", 'unforeseen'],
      ['is killed, as for want of memory', "module.exports = () => process.kill(process.pid, 'SIGKILL');", 'SIGKILL'],
      [
        'fills its heap',
        'module.exports = () => { for (const all = [];;) all.push(new Array(1e6).fill(1.5)); };',
        'memory',
      ],
    ];

    it.each(DYING)('%s', async (what, script, words) => {
      const home = join(dir, what.replaceAll(/[^a-z]/g, ''));
      mkdirSync(home);
      const driver = await makeDriver(home, [
        'runtime/build/packing/oci-sif.ts',
        'runtime/build/packing/convert-layers.ts',
      ]);
      writeFileSync(join(home, 'dist/workers/convert-layers.cjs'), script);
      const dying: typeof Api & typeof OciSif = createRequire(__filename)(driver);
      const error = { name: 'RuntimeError', code: 'NATIVE', message: expect.stringContaining(words) };
      await expect(dying.convertLayers(request([layer(lower)]))).rejects.toMatchObject(error);
      // What was begun of a SIF is gone.
      const path = join(home, 'image.sif');
      const layers = [layer(lower)].map((made) => ({ ...made, diffId: made.diffId as string }));
      const whole = {
        layers,
        config: CONFIG,
        digest: layers[0]?.digest as string,
        arch: 'amd64',
        path,
        version: '1',
        env: {},
      };
      const header = { bootstrap: 'docker', from: 'image' };
      const limits = api.DEFAULT_LIMITS;
      const asked = dying.writeOciSif({ ...whole, header, limits, onProgress: () => undefined });
      await expect(asked).rejects.toMatchObject(error);
      expect(existsSync(path)).toBe(false);
    });
  });

  it('leaves nothing when the caller is killed', async () => {
    const home = join(dir, 'killed');
    mkdirSync(home);
    const driver = await makeDriver(home, ['runtime/build/packing/convert-layers.ts']);
    const large = layer(Array.from({ length: 60 }, (_, i) => ({ name: `f${i}`, content: randomBytes(1 << 20) })));
    const asked = request([large], { compression: { name: 'xz' } });
    const script = `require(${JSON.stringify(driver)}).convertLayers({
      ...${JSON.stringify(asked)}, onProgress: ({ doneBytes }) => doneBytes > 0 && process.kill(process.pid, 'SIGKILL') })`;
    const { signal } = spawnSync(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit'] });
    expect(signal).toBe('SIGKILL');
    await vi.waitFor(() => expect(existsSync(asked.output.path)).toBe(false), { timeout: 30_000 });
  });
});
