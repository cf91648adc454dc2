import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RuntimeError } from '../../../src/errors';
import { FsType } from '../../../src/formats/sif/constants';
import { canRun, hostArch } from '../../../src/runtime/image/arch';
import { inspectImage, openImage } from '../../../src/runtime/image/open';
import { imageScheme } from '../../../src/runtime/image/uri';
import { asNobody } from '../../fixtures/nobody';
import { definition, partition, sifBytes, superblock } from '../../fixtures/sif-bytes';

let dir: string;
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'davit-open-')));
  chmodSync(dir, 0o755);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, bytes: Buffer | string): string {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

function refusal(path: string): RuntimeError {
  try {
    openImage(path);
  } catch (error) {
    expect((error as RuntimeError).exitCode).toBe(255);
    return error as RuntimeError;
  }
  throw new Error('was opened');
}

/** An architecture that this machine does not run. */
const FOREIGN = ['riscv64', 's390x', 'mips64le'].find((arch) => !canRun(arch)) as string;

describe('opens', () => {
  it('a SIF, with identity and the place of the squashfs', () => {
    const bytes = sifBytes([definition(), partition({ arch: hostArch() })]);
    const path = file('a.sif', bytes);
    const stat = statSync(path);
    expect(openImage(path)).toEqual({
      given: path,
      path,
      kind: 'sif',
      dev: stat.dev,
      ino: stat.ino,
      sizeBytes: bytes.length,
      mtimeMs: stat.mtimeMs,
      ctimeMs: stat.ctimeMs,
      arch: hostArch(),
      squashfs: { offsetBytes: 32768, sizeBytes: 4096, compressor: 'zstd' },
    });
  });

  it('a SIF whose table lies beyond the first read', () => {
    const bytes = sifBytes();
    const moved = Buffer.concat([bytes, bytes.subarray(4096, 4096 + 28080)]);
    moved.fill(0, 4096, 32176);
    moved.writeBigInt64LE(BigInt(bytes.length), 96);
    expect(inspectImage(file('far.sif', moved)).sif?.descriptors).toHaveLength(2);
  });

  it('a bare squashfs, also behind a launch line', () => {
    expect(openImage(file('a.sqfs', superblock({ compressor: 1 })))).toMatchObject({
      kind: 'squashfs',
      squashfs: { offsetBytes: 0, sizeBytes: 4096, compressor: 'gzip' },
    });
    const launched = Buffer.concat([Buffer.from('#!/usr/bin/env run-singularity\n'), superblock()]);
    expect(openImage(file('l.sqfs', launched)).squashfs).toMatchObject({ offsetBytes: 31, sizeBytes: 4096 });
  });

  it('a directory that may be searched but not listed', () => {
    const path = join(dir, 'unlisted');
    mkdirSync(path);
    chmodSync(path, 0o711);
    expect(asNobody(() => openImage(path))).toMatchObject({ kind: 'sandbox', path });
  });

  it('a directory, and names the place a link leads to', () => {
    mkdirSync(join(dir, 'sandbox'));
    symlinkSync('sandbox', join(dir, 'link'));
    expect(openImage(join(dir, 'link'))).toMatchObject({ kind: 'sandbox', path: join(dir, 'sandbox') });
  });

  it('a file whose name has a colon', () => {
    expect(openImage(file('docker:name.sif', sifBytes([partition({ arch: hostArch() })]))).kind).toBe('sif');
    expect(['a:b', 'docker:x', '/x/docker://y', ':x'].map(imageScheme)).toEqual(Array(4).fill(undefined));
  });

  it('for inspection also what cannot be run', () => {
    expect(inspectImage(file('arch.sif', sifBytes([partition({ arch: FOREIGN })]))).image.arch).toBe(FOREIGN);
    expect(inspectImage(file('lzma.sqfs', superblock({ compressor: 2 }))).image.squashfs?.compressor).toBe('lzma');
  });
});

describe('refuses', () => {
  it('a missing file, naming the first missing component', () => {
    const path = join(dir, 'no', 'such.sif');
    expect(refusal(path)).toMatchObject({ code: 'IMAGE_OPEN', errno: 'ENOENT', path });
    expect(refusal(path).message).toBe(
      `could not open image ${path}: failed to retrieve path for ${path}: lstat ${dir}/no: no such file or directory`,
    );
  });

  it('a relative name by its absolute path', () => {
    expect(refusal('nosuch.sif').message).toMatch(/^could not open image \/.*\/nosuch\.sif: failed to retrieve path/);
  });

  it.each([
    ['text', 'hello\n', /image format not recognized: it is neither/],
    ['empty', '', /image format not recognized: the file is empty/],
    ['launch', '#!/usr/bin/env run-singularity\n\0SIF_MAGIX', /begins like a SIF image/],
    ['cut', sifBytes().subarray(0, 9000), /reading descriptors: unexpected EOF/],
  ])('a file that is no image: %s', (name, bytes, message) => {
    const path = file(`bad-${name}.sif`, bytes);
    expect(refusal(path)).toMatchObject({ code: 'IMAGE_FORMAT', path });
    expect(refusal(path).message.startsWith(`could not open image ${path}: `)).toBe(true);
    expect(refusal(path).message).toMatch(message);
  });

  it('another architecture, naming both', () => {
    const error = refusal(file('foreign.sif', sifBytes([partition({ arch: FOREIGN })])));
    expect(error.code).toBe('IMAGE_ARCH');
    expect(error.message).toContain(`(${FOREIGN}) could not run on the host's (${hostArch()})`);
  });

  it('an encrypted partition, ext3, and lzma', () => {
    const encrypted = sifBytes([partition({ fsType: FsType.encryptedSquashfs })]);
    expect(refusal(file('e.sif', encrypted)).message).toMatch(/encrypted/);
    const ext3 = Buffer.alloc(2048);
    ext3.writeUInt16LE(0xef53, 1080);
    expect(refusal(file('e.img', ext3))).toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    expect(refusal(file('old.sqfs', superblock({ compressor: 2 }))).message).toMatch(/compressor lzma/);
  });

  it('a squashfs that does not fit its partition', () => {
    const bytes = sifBytes([partition({ arch: hostArch() }, superblock({ bytesUsed: 5000 }))]);
    expect(refusal(file('fit.sif', bytes)).message).toMatch(/squashfs of 5000 bytes in a space of 4096/);
    const tiny = sifBytes([partition({ arch: hostArch() }, superblock().subarray(0, 50))]);
    expect(refusal(file('tiny.sif', tiny)).message).toMatch(/squashfs is cut short/);
  });

  it('the host root, also by another name', () => {
    expect(refusal('/')).toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    expect(refusal('/usr/..')).toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    expect(refusal('/proc/self/root').message).toMatch(/root directory of the host/);
  });

  it('a FIFO and a device, without waiting for them', () => {
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    expect(refusal(join(dir, 'fifo')).message).toMatch(/neither a file nor a directory/);
    expect(refusal('/dev/null').message).toMatch(/neither a file nor a directory/);
  });

  it('a file that may not be read', () => {
    const path = file('secret.sif', sifBytes());
    chmodSync(path, 0);
    const error = asNobody(() => refusal(path));
    expect(error).toMatchObject({ code: 'IMAGE_OPEN', errno: 'EACCES' });
    expect(error.message).toBe(`could not open image ${path}: open ${path}: permission denied`);
  });

  it('an empty name', () => {
    expect(refusal('').code).toBe('IMAGE_OPEN');
  });

  it.each(['docker://alpine', 'library://a/b', 'oras://x', 'oci:dir', 'docker-archive:a.tar', 'https://x/y.sif'])(
    'the URI %s, with a way out',
    (uri) => {
      const error = refusal(uri);
      expect(error.code).toBe('IMAGE_UNSUPPORTED');
      expect(error.message).toMatch(/is an address, not an image file/);
      expect(error.hint).toContain(uri);
    },
  );

  it('shub, which is gone, and instances, which are no images', () => {
    expect(refusal('shub://a/b').message).toMatch(/shut down/);
    expect(refusal('instance://web').message).toMatch(/running instance/);
  });
});

describe('architectures', () => {
  it('of this machine run', () => {
    expect(canRun(hostArch())).toBe(true);
    expect(canRun('vax')).toBe(false);
  });
  it('of 32 bits run on amd64', { skip: hostArch() !== 'amd64' }, () => {
    expect(canRun('386')).toBe(true);
  });
});
