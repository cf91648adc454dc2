import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  compile,
  FUSE,
  KERNEL,
  kinds,
  mountList,
  rootCaller,
  SANDBOX,
  sandboxImage,
  sifImage,
  stepsOf,
  userCaller,
  warnings,
} from './support';

describe('layers', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'davit-layers-'));
    mkdirSync(`${dir}/a`);
    mkdirSync(`${dir}/b/upper`, { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** What only the launcher looks into is told by its magic number. */
  const ext3 = (name: string): string => {
    const bytes = Buffer.alloc(2048);
    bytes.writeUInt16LE(0xef53, 1080);
    writeFileSync(`${dir}/${name}`, bytes);
    return `${dir}/${name}`;
  };

  it('--writable-tmpfs puts changes into the session', () => {
    expect(stepsOf(compile({ writableTmpfs: true }), 'rootfs')).toMatchObject([
      { sessionUpper: true, writable: false, userXattr: true },
    ]);
    expect(stepsOf(compile({ compat: true }, { caller: rootCaller() }), 'rootfs')).toMatchObject([
      { sessionUpper: true, userXattr: false },
    ]);
  });

  it('--overlay DIR keeps changes below DIR', () => {
    const plan = compile({ overlay: [`${dir}/a`] });
    expect(stepsOf(plan, 'rootfs')).toMatchObject([
      { upperDir: `${dir}/a/upper`, workDir: `${dir}/a/work`, sessionUpper: false },
    ]);
  });

  it('--overlay DIR:ro lays DIR, or DIR/upper, over the image, the last one uppermost', () => {
    const plan = compile({ overlay: [`${dir}/b:ro,${dir}/a:ro`] });
    expect(kinds(plan).slice(2, 6)).toEqual(['mountFuse', 'mountDirectory', 'mountDirectory', 'rootfs']);
    expect(stepsOf(plan, 'mountDirectory')).toEqual([{ path: `${dir}/b/upper` }, { path: `${dir}/a` }]);
  });

  it.each([
    [() => ({ overlay: [`${dir}/none`] }), 'no such file or directory'],
    [() => ({ overlay: [`${dir}/a`, `${dir}/b`] }), "can't specify more than one writable overlay"],
    [
      () => ({ overlay: [`${dir}/a`], writableTmpfs: true }),
      "can't specify --writable-tmpfs with another writable overlay",
    ],
    [() => ({ overlay: [`${dir}/a`], writable: true }), 'cannot use --overlay in conjunction with --writable'],
    [() => ({ overlay: ['/etc/passwd'] }), 'failed to open overlay image /etc/passwd: image format not recognized'],
  ])('refuses contradictions and what is not there (%#)', (asked, message) => {
    expect(() => compile(asked(), { image: sandboxImage(dir), choice: SANDBOX })).toThrow(message);
  });

  it('--overlay FILE is mounted for root: writable for the changes, with :ro as a layer', () => {
    const overlay = [`${ext3('lower')}:ro`, ext3('changes')];
    const plan = compile({ overlay }, { caller: rootCaller(), choice: KERNEL });
    expect(kinds(plan).slice(2, 6)).toEqual(['mountSquashfs', 'mountExt3', 'mountExt3', 'rootfs']);
    const place = { offsetBytes: 0, sizeBytes: 0 };
    expect(stepsOf(plan, 'mountExt3')).toMatchObject([
      { image: `${dir}/lower`, writable: false, ...place },
      { image: `${dir}/changes`, writable: true, ...place },
    ]);
    expect(stepsOf(plan, 'rootfs')).toMatchObject([{ writable: false, sessionUpper: false }]);
  });

  it('an overlay partition is a layer, and with --writable takes the changes', () => {
    const image = {
      ...sifImage(),
      path: `${dir}/a.sif`,
      overlays: [{ fsType: 'ext3', offsetBytes: 4096, sizeBytes: 512 }],
    };
    writeFileSync(image.path, '');
    for (const writable of [false, true]) {
      const plan = compile(
        { writable },
        { image: image as ReturnType<typeof sifImage>, caller: rootCaller(), choice: KERNEL },
      );
      expect(stepsOf(plan, 'mountExt3')).toMatchObject([
        { image: image.path, offsetBytes: 4096, sizeBytes: 512, writable, embedded: true },
      ]);
      expect(stepsOf(plan, 'rootfs')).toMatchObject([{ writable: false }]);
    }
  });

  it('--writable takes the sandbox itself, and makes no mount point: what may be missing is left out', () => {
    const plan = compile({ writable: true }, { image: sandboxImage(dir), choice: SANDBOX });
    expect(stepsOf(plan, 'rootfs')).toMatchObject([{ writable: true, sessionUpper: false }]);
    expect(stepsOf(plan, 'file').every(({ optional }) => optional)).toBe(true);
    expect(warnings(plan)).toEqual([
      'warning: Skipping the home directory: the image has no "/tmp", and --writable leaves no layer to make it in',
    ]);
  });

  it('--writable lays a directory over the parent of a home that the sandbox lacks', () => {
    mkdirSync(`${dir}/tmp`);
    const user = { name: 'hpc', gecos: '', home: '/tmp/hpc', shell: '/bin/sh' };
    const list = mountList(
      compile({ writable: true }, { image: sandboxImage(dir), choice: SANDBOX, caller: userCaller({ user }) }),
    );
    expect(list).toContain('sessionDirectory /tmp');
    expect(list.indexOf('sessionDirectory /tmp')).toBeLessThan(list.indexOf('sessionDirectory /tmp/hpc'));
  });

  it('--writable refuses a SIF, in the words of the original', () => {
    const image = sifImage({ path: dir });
    expect(() => compile({ writable: true }, { image })).toThrow(`no SIF writable overlay partition found in ${dir}`);
    expect(() => compile({ writable: true }, { image: sifImage({ path: '/no/such.sif' }) })).toThrow(
      "could not use /no/such.sif for writing, you don't have write permissions",
    );
  });

  it('--writable wins over --writable-tmpfs, with a warning', () => {
    mkdirSync(`${dir}/tmp`);
    const plan = compile({ writable: true, writableTmpfs: true }, { image: sandboxImage(dir), choice: SANDBOX });
    expect(warnings(plan)).toContain('warning: Disabling --writable-tmpfs flag, mutually exclusive with --writable');
  });

  it("keeps root's own accounts where changes are kept", () => {
    const files = (asked: object) =>
      stepsOf(compile(asked, { caller: rootCaller(), choice: KERNEL }), 'file').map(({ target }) => target);
    expect(files({})).toContain('/etc/passwd');
    expect(files({ writableTmpfs: true })).toEqual(['/etc/resolv.conf']);
    expect(stepsOf(compile({ writableTmpfs: true }, { choice: FUSE }), 'file').map(({ target }) => target)).toContain(
      '/etc/passwd',
    );
  });
});
