import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hostArch } from '../../../src/runtime/image/arch';
import { openImage } from '../../../src/runtime/image/open';
import type { Image } from '../../../src/runtime/image/types';
import { findUnpacked, unpackedKey, unpackedRootfs } from '../../../src/runtime/image/unpack';
import { loadAddon } from '../../../src/workers/shared/image-addon';
import buildSif from '../../../src/workers/build-sif';
import unpackRootfs, { type UnpackTask } from '../../../src/workers/unpack-rootfs';
import { addonBuilt, addonPath, makeDriver } from '../../fixtures/image-addon';

const FILES = 400;
let dir: string;
let sif: string;
let driver: string;

beforeAll(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'davit-unpack-')));
  if (!addonBuilt) return;
  const tree = join(dir, 'tree');
  for (let i = 0; i < FILES; i++) {
    mkdirSync(join(tree, `d${i % 20}`), { recursive: true });
    writeFileSync(join(tree, `d${i % 20}`, `f${i}`), `file ${i} `.repeat(2000));
  }
  mkdirSync(join(tree, 'closed'));
  writeFileSync(join(tree, 'closed/file'), 'x');
  chmodSync(join(tree, 'closed'), 0o555);
  sif = join(dir, 'image.sif');
  const reply = buildSif({
    addonPath,
    source: { kind: 'directory', path: tree },
    target: sif,
    allRoot: true,
    compressor: 6,
    level: 1,
    workers: 2,
    timeMs: 1700000000_000,
    id: Buffer.alloc(16),
    version: '0',
    from: 'tree',
    hostArch: hostArch(),
    carried: {},
  });
  expect(reply).not.toHaveProperty('error');
  driver = await makeDriver(join(dir, 'davit'), ['runtime/image/open', 'runtime/image/unpack']);
});
afterAll(() => {
  chmodSync(join(dir, 'tree/closed'), 0o755);
  rmSync(dir, { recursive: true, force: true });
}, 60_000); // thousands of files, on a machine that may be busy

const faithful = process.geteuid?.() === 0;

function task(image: Image, directory: string): UnpackTask {
  const { path, dev, ino, sizeBytes, mtimeMs, ctimeMs, squashfs } = image;
  const { offsetBytes, sizeBytes: squashfsBytes } = squashfs as NonNullable<Image['squashfs']>;
  const identity = { path, dev, ino, sizeBytes, mtimeMs, ctimeMs, offsetBytes, squashfsBytes };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const key = unpackedKey(image, faithful);
  return { addonPath, image: identity, directory, key, partial: `${key}.own.partial`, faithful };
}

/** A process that unpacks the image into the cache and prints where. */
function unpackElsewhere(cache: string) {
  const script = `
    const { openImage, unpackedRootfs } = require(${JSON.stringify(driver)});
    unpackedRootfs(openImage(${JSON.stringify(sif)}), ${JSON.stringify(cache)}).then(
      (path) => { console.log(path); process.exit(0); },
      (error) => { console.error(error.message); process.exit(1); },
    );`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(output.trim())));
  return { child, ended };
}

/** The children of a process, once they wait for a lock. */
async function waiters(pid: number): Promise<number[]> {
  return await vi.waitFor(
    () => {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      const pids = children.split(' ').filter(Boolean).map(Number);
      const waiting = pids.filter((child) => blockedOnLock(child));
      expect(waiting).toHaveLength(1);
      return waiting;
    },
    { timeout: 30_000, interval: 20 },
  );
}

/** Whether the process is there; a zombie is dead, for as long as whoever inherits it takes to see that. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** proc_locks(5): who waits for a lock stands below it, marked by an arrow. */
function blockedOnLock(pid: number): boolean {
  const lines = readFileSync('/proc/locks', 'utf8').split('\n');
  return lines.some((line) => line.includes('->') && line.includes(` ${pid} `));
}

function complete(path: string): boolean {
  const files = readdirSync(path)
    .filter((name) => /^d\d/.test(name))
    .flatMap((name) => readdirSync(join(path, name)).map((file) => join(path, name, file)));
  return files.length === FILES && files.every((file) => readFileSync(file, 'utf8').startsWith('file '));
}

describe('the key of an unpacked image', () => {
  const image: Image = {
    given: 'x',
    path: '/x',
    kind: 'sif',
    dev: 1,
    ino: 2,
    sizeBytes: 3,
    mtimeMs: 4,
    ctimeMs: 5,
    squashfs: { offsetBytes: 6, sizeBytes: 7, compressor: 'zstd' },
  };
  it('differs for every difference of identity, and for root', () => {
    const squashfs = { offsetBytes: 60, sizeBytes: 7, compressor: 'zstd' } as const;
    const changes: Partial<Image>[] = [
      {},
      { dev: 9 },
      { ino: 9 },
      { sizeBytes: 9 },
      { mtimeMs: 4.001 },
      { ctimeMs: 9 },
      { squashfs },
    ];
    const keys = changes.flatMap((change) => [true, false].map((root) => unpackedKey({ ...image, ...change }, root)));
    expect(new Set(keys).size).toBe(keys.length);
    expect(unpackedKey({ ...image, given: 'y', path: '/y' }, true)).toBe(keys[0]);
    for (const key of keys) expect(key).toMatch(/^[a-z0-9-]+$/);
  });
});

describe.skipIf(!addonBuilt)('unpacking (needs the image addon)', () => {
  it('makes a complete directory once', () => {
    const given = task(openImage(sif), join(dir, 'once/rootfs'));
    const first = unpackRootfs(given);
    expect(first).toEqual({ value: { path: join(given.directory, given.key), notes: [] } });
    const path = (first as { value: { path: string } }).value.path;
    expect(complete(path)).toBe(true);
    const { ino } = statSync(path);
    expect(unpackRootfs(given)).toEqual(first);
    expect(statSync(path).ino).toBe(ino);
    expect(readdirSync(given.directory).sort()).toEqual([given.key, `${given.key}.lock`]);
    expect(findUnpacked(openImage(sif), join(dir, 'once'))).toBe(path);
  });

  it('never uses what a killed process left half done', () => {
    const given = task(openImage(sif), join(dir, 'half/rootfs'));
    const left = [given.partial, `${given.key}.other.partial`].map((name) => join(given.directory, name));
    for (const partial of left) mkdirSync(join(partial, 'd0/not-of-the-image'), { recursive: true });
    expect(findUnpacked(openImage(sif), join(dir, 'half'))).toBeUndefined();
    const path = (unpackRootfs(given) as { value: { path: string } }).value.path;
    expect(complete(path)).toBe(true);
    for (const partial of left) expect(existsSync(partial)).toBe(false);
  });

  it('refuses an image that was changed since it was opened', () => {
    const image = { ...openImage(sif), mtimeMs: 1 };
    const given = task(image, join(dir, 'changed/rootfs'));
    expect(unpackRootfs(given)).toMatchObject({
      error: { code: 'IMAGE_OPEN', message: expect.stringMatching(/was changed/) },
    });
    expect(readdirSync(given.directory)).toEqual([`${given.key}.lock`]);
  });

  it('leaves nothing of a damaged image', () => {
    const bytes = readFileSync(sif);
    const { offsetBytes } = openImage(sif).squashfs as NonNullable<Image['squashfs']>;
    bytes.fill(0xa5, offsetBytes + 2000, offsetBytes + 3000);
    const damaged = join(dir, 'damaged.sif');
    writeFileSync(damaged, bytes);
    const given = task(openImage(damaged), join(dir, 'damaged/rootfs'));
    expect(unpackRootfs(given)).toMatchObject({ error: { code: 'IMAGE_FORMAT' } });
    expect(readdirSync(given.directory)).toEqual([`${given.key}.lock`]);
  });

  it('drops set-id bits and device nodes for a plain user, and keeps directories removable', () => {
    const given = { ...task(openImage(sif), join(dir, 'plain/rootfs')), faithful: false, key: 'plain' };
    const { path } = (unpackRootfs(given) as { value: { path: string } }).value;
    expect(statSync(join(path, 'closed')).mode & 0o777).toBe(0o755);
    expect(statSync(join(path, 'closed')).uid).toBe(process.getuid?.());
  });

  it('happens once when eight processes want it at the same time', async () => {
    const cache = join(dir, 'crowd');
    const paths = await Promise.all(Array.from({ length: 8 }, () => unpackElsewhere(cache).ended));
    expect(new Set(paths).size).toBe(1);
    expect(complete(paths[0] as string)).toBe(true);
    expect(readdirSync(join(cache, 'rootfs'))).toHaveLength(2); // the directory and its lock
  });

  it('removes nothing of another process when its caller is killed', async () => {
    const cache = join(dir, 'waiting');
    const given = task(openImage(sif), join(cache, 'rootfs'));
    const lock = loadAddon(addonPath).lockFile(join(given.directory, `${given.key}.lock`));
    const { child, ended } = unpackElsewhere(cache);
    const [host] = await waiters(child.pid as number);
    const others = ['', '.other'].map((mark) => join(given.directory, `${given.key}${mark}.partial`));
    for (const other of others) mkdirSync(other);
    child.kill('SIGKILL');
    await ended;
    await vi.waitFor(() => expect(isAlive(host as number)).toBe(false), { timeout: 30_000, interval: 20 });
    for (const other of others) expect(existsSync(other)).toBe(true);
    closeSync(lock);
  });

  it('survives being killed at any time', async () => {
    const cache = join(dir, 'killed');
    for (const delayMs of [0, 60, 90, 110, 130, 150, 180, 220]) {
      const { child, ended } = unpackElsewhere(cache);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill('SIGKILL');
      await ended;
      const found = findUnpacked(openImage(sif), cache);
      if (found !== undefined) expect(complete(found)).toBe(true);
    }
    expect(complete(await unpackElsewhere(cache).ended)).toBe(true);
    expect(readdirSync(join(cache, 'rootfs'))).toHaveLength(2);
  });

  it('gives a changed image a directory of its own', async () => {
    const cache = join(dir, 'twice');
    const first = await unpackElsewhere(cache).ended;
    utimesSync(sif, new Date(), new Date());
    const second = await unpackElsewhere(cache).ended;
    expect(second).not.toBe(first);
    expect(complete(first) && complete(second)).toBe(true);
  });
});

describe('the cache directory', () => {
  const image = (): Image => ({
    ...openImage(join(dir, 'x.sqfs')),
    squashfs: { offsetBytes: 0, sizeBytes: 1, compressor: 'zstd' },
  });
  beforeAll(async () => {
    const { superblock } = await import('../../fixtures/sif-bytes');
    writeFileSync(join(dir, 'x.sqfs'), superblock());
  });

  it('is refused when others can write to it, or when it is a link', async () => {
    const open = join(dir, 'open');
    mkdirSync(join(open, 'rootfs'), { recursive: true });
    chmodSync(join(open, 'rootfs'), 0o777);
    await expect(unpackedRootfs(image(), open)).rejects.toMatchObject({ code: 'STATE' });
    expect(findUnpacked(image(), open)).toBeUndefined();
    const linked = join(dir, 'linked');
    mkdirSync(linked);
    symlinkSync(join(dir, 'tree'), join(linked, 'rootfs'));
    await expect(unpackedRootfs(image(), linked)).rejects.toMatchObject({ code: 'STATE' });
  });

  it('is not needed for a sandbox', async () => {
    expect(await unpackedRootfs(openImage(dir), '/nonexistent')).toBe(dir);
  });

  it('that cannot be made says so, with a way out', async () => {
    writeFileSync(join(dir, 'file'), '');
    await expect(unpackedRootfs(image(), join(dir, 'file'))).rejects.toMatchObject({
      code: 'STATE',
      hint: expect.stringContaining('DAVIT_CACHEDIR'),
    });
  });
});
