import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { ImageCache } from '../../../src/runtime/image/cache/cache';
import { acquireLock } from '../../../src/runtime/image/cache/lock';
import { scratch, sha256 } from './support';

const KEY = 'a'.repeat(64);

/** As the kernel's: one holder a path. The real one is tried by the integration tests. */
function locks() {
  const held = new Map<number, string>();
  return {
    held,
    tryLock: (path: string): number => {
      for (const [fd, other] of held) {
        try {
          statSync(`/proc/self/fd/${fd}`);
        } catch {
          held.delete(fd);
          continue;
        }
        if (other === path && existsSync(path)) return -1;
      }
      const fd = openSync(path, 'a');
      held.set(fd, path);
      return fd;
    },
  };
}

let warnings: string[];
beforeEach(() => {
  warnings = [];
});

function makeCache(directory = join(scratch(), 'cache'), tryLock = locks().tryLock): ImageCache {
  return new ImageCache({ directory, tryLock, onWarning: (text) => warnings.push(text) });
}

/** Puts an image into the cache as a fetch does. */
async function fill(cache: ImageCache, content: string, digest?: string): Promise<string> {
  return await cache.exclusively(KEY, async () => {
    const partial = cache.partialPath(KEY);
    writeFileSync(partial, content);
    const path = cache.imagePath('oras', KEY);
    cache.publish(partial, path, { digest, reference: 'oras://x' });
    return path;
  });
}

describe('images', () => {
  test('are found as long as they are what they were', async () => {
    const cache = makeCache();
    expect(await cache.findImage('oras', KEY)).toBeUndefined();
    const path = await fill(cache, 'image');
    expect(await cache.findImage('oras', KEY)).toBe(path);
    expect(await cache.findImage('net', KEY)).toBeUndefined();
    expect(statSync(join(cache.directory, 'oras')).mode & 0o777).toBe(0o700);
  });

  test.each([
    ['cut off', (path: string) => writeFileSync(path, 'ima')],
    ['longer', (path: string) => appendFileSync(path, 'more')],
    [
      'changed',
      (path: string) => {
        writeFileSync(path, 'IMAGE');
        utimesSync(path, 2, 2); // a clock that is coarse may show two writes of one moment as one
      },
    ],
  ])('a file that is %s is damaged, until it is replaced', async (_, damage) => {
    for (const digest of [undefined, sha256('image')]) {
      const cache = makeCache();
      const path = await fill(cache, 'image', digest);
      damage(path);
      expect(await cache.findImage('oras', KEY)).toBeUndefined();
      await fill(cache, 'image', digest);
      expect(await cache.findImage('oras', KEY)).toBe(path);
      expect(readFileSync(path, 'utf8')).toBe('image');
    }
  });

  test('a file that another process is just publishing stays', async () => {
    const cache = makeCache();
    const path = await fill(cache, 'image');
    const facts = readFileSync(`${path}.json`);
    // It has its name, and nothing is written down yet: whoever looks now waits for the lock, and finds it then.
    rmSync(`${path}.json`);
    expect(await cache.findImage('oras', KEY)).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe('image');
    writeFileSync(`${path}.json`, facts);
    expect(await cache.findImage('oras', KEY)).toBe(path);
  });

  test('a file whose times alone have changed is asked for its digest', async () => {
    const cache = makeCache();
    const path = await fill(cache, 'image', sha256('image'));
    utimesSync(path, 1, 1);
    expect(await cache.findImage('oras', KEY)).toBe(path);
    const facts = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
    expect(facts).toMatchObject({ digest: sha256('image'), reference: 'oras://x', mtimeNs: '1000000000' });
  });

  test('a file without facts, or with nonsense for facts, is damaged', async () => {
    for (const facts of ['', '{}', '[]', '{"sizeBytes":5,"mtimeNs":7}']) {
      const cache = makeCache();
      const path = await fill(cache, 'image');
      writeFileSync(`${path}.json`, facts);
      expect(await cache.findImage('oras', KEY)).toBeUndefined();
    }
  });

  test('a link is not an image', async () => {
    const cache = makeCache();
    const path = await fill(cache, 'image');
    rmSync(path);
    symlinkSync('/etc/passwd', path);
    expect(await cache.findImage('oras', KEY)).toBeUndefined();
  });

  test('keys lead nowhere else', () => {
    const cache = makeCache();
    for (const key of ['../x', '/etc', '', 'a/b', '.hidden']) {
      expect(() => cache.imagePath('oras', key)).toThrow(/is no key of the cache/);
    }
  });
});

describe('blobs', () => {
  const digest = sha256('blob');
  async function withBlob(content: string): Promise<ImageCache> {
    const cache = makeCache();
    await cache.exclusively('x', async () => {
      writeFileSync(cache.partialPath('x'), content);
      cache.publish(cache.partialPath('x'), cache.blobPath(digest), { digest });
    });
    return cache;
  }

  test('are found by digest and size', async () => {
    const cache = await withBlob('blob');
    expect(await cache.findBlob(digest, 4)).toBe(join(cache.directory, 'blob/sha256', digest.slice(7)));
    rmSync(`${cache.blobPath(digest)}.json`);
    expect(await cache.findBlob(digest, 4)).toBeDefined();
  });

  test.each([
    ['BLOB', 4],
    ['blob', 5],
  ])('%s of %i bytes is damaged', async (content, sizeBytes) => {
    const cache = await withBlob('blob');
    writeFileSync(cache.blobPath(digest), content);
    expect(await cache.findBlob(digest, sizeBytes)).toBeUndefined();
    expect(readFileSync(cache.blobPath(digest), 'utf8')).toBe(content);
  });
});

describe('a cache that cannot be used', () => {
  test('a directory that others can write to is not trusted', async () => {
    const cache = makeCache();
    await fill(cache, 'image');
    chmodSync(join(cache.directory, 'oras'), 0o770);
    expect(await cache.findImage('oras', KEY)).toBeUndefined();
    expect(await cache.findImage('oras', KEY)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('is not yours alone; going on without it')]);
    await expect(fill(cache, 'image')).rejects.toMatchObject({ code: 'CACHE' });
  });

  test('a file in the place of the directory', async () => {
    const directory = join(scratch(), 'file');
    writeFileSync(directory, '');
    const cache = makeCache(directory);
    expect(await cache.findImage('oras', KEY)).toBeUndefined();
    await expect(fill(cache, 'image')).rejects.toMatchObject({ code: 'CACHE', errno: 'ENOTDIR' });
    expect(cache.isWritable).toBe(false);
    expect(warnings).toHaveLength(1);
  });

  test.each([
    ['ENOSPC', /no space left/],
    ['EROFS', /read-only/],
    ['EACCES', /permission denied/],
  ])('%s is told once', async (code, words) => {
    const cache = makeCache();
    const failing = () => cache.exclusively('x', () => Promise.reject(Object.assign(new Error(code), { code })));
    for (let round = 0; round < 2; round++) {
      const error = await failing().catch((caught: unknown) => caught);
      expect(cache.trouble(error)).toMatchObject({ code: 'CACHE', errno: code });
    }
    expect(warnings).toEqual([expect.stringMatching(words)]);
    expect(cache.isWritable).toBe(false);
  });

  test('errors of others are not the cache’s', () => {
    const cache = makeCache();
    for (const error of [new Error('x'), new RuntimeError('NETWORK', 'x', { errno: 'ENOENT' }), 'x']) {
      expect(cache.trouble(error)).toBeUndefined();
    }
    expect(cache.trouble(new RuntimeError('IMAGE_BUILD', 'x', { errno: 'ENOSPC' }))).toMatchObject({ code: 'CACHE' });
  });
});

describe('locks', () => {
  test('one at a time', async () => {
    const cache = makeCache();
    let [inside, most] = [0, 0];
    const action = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((done) => setTimeout(done, 5));
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 16 }, () => cache.exclusively('x', action)));
    expect(most).toBe(1);
    expect(readdirSync(join(cache.directory, 'locks'))).toEqual([]);
  });

  test('are given back after an error', async () => {
    const cache = makeCache();
    await expect(cache.exclusively('x', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(await cache.exclusively('x', async () => 'free')).toBe('free');
  });

  test('a long wait is told, and can be cancelled', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const directory = scratch();
    mkdirSync(join(directory, 'locks'));
    const onWait = vi.fn();
    const controller = new AbortController();
    const waiting = acquireLock(join(directory, 'x'), () => -1, { onWait, signal: controller.signal });
    vi.setSystemTime(Date.now() + 5000);
    await vi.waitFor(() => expect(onWait).toHaveBeenCalledTimes(1), { timeout: 20_000 });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    vi.useRealTimers();
  });

  test('a lock on a file that was removed meanwhile does not count', async () => {
    const path = join(scratch(), 'lock');
    let tries = 0;
    const release = await acquireLock(path, () => {
      tries += 1;
      const fd = openSync(path, 'a');
      if (tries === 1) rmSync(path);
      return fd;
    });
    expect(tries).toBe(2);
    release();
    expect(existsSync(path)).toBe(false);
  });

  test('file systems without locks do without', async () => {
    const release = await acquireLock('/x', () => {
      throw Object.assign(new Error('no locks'), { code: 'ENOLCK' });
    });
    release();
    await expect(
      acquireLock('/x', () => {
        throw Object.assign(new Error('no'), { code: 'EACCES' });
      }),
    ).rejects.toThrow('no');
  });

  test('descriptors are closed', async () => {
    const opened: number[] = [];
    const path = join(scratch(), 'lock');
    const release = await acquireLock(path, () => {
      const fd = openSync(path, 'a');
      opened.push(fd);
      return fd;
    });
    release();
    expect(() => closeSync(opened[0] as number)).toThrow('EBADF');
  });
});
