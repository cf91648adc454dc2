import { describe, expect, it } from 'vitest';
import type { Image, OverlaySource } from '../../../src/runtime/image/types';
import { Notes } from '../../../src/runtime/launch/notes';
import {
  embeddedSteps,
  type OverlayImageRequest,
  overlayServer,
  overlaySteps,
} from '../../../src/runtime/launch/overlay-images';

const EXT3: OverlaySource = { fsType: 'ext3', offsetBytes: 0, sizeBytes: 0 };
const PARTITION: OverlaySource = { fsType: 'ext3', offsetBytes: 4096, sizeBytes: 512 };
const ALL = ['fuse2fs', 'fuse-overlayfs', 'e2fsck'];

function request(programs: string[], more: Partial<OverlayImageRequest> = {}): OverlayImageRequest {
  const find = (name: string) => (programs.includes(name) ? `/bin/${name}` : undefined);
  return { byKernel: false, find, canUseFuse: () => true, loopDir: '/state/loops', notes: new Notes(), ...more };
}

describe('overlay images in a user namespace', () => {
  it('are served by fuse2fs, writable ones mended before', () => {
    const steps = overlaySteps(request(ALL), '/a.img', [EXT3], true);
    expect(steps).toMatchObject([
      {
        mountExt3: {
          image: '/a.img',
          writable: true,
          serverArgv: ['/bin/fuse2fs', '-f', '-o', 'allow_other,fakeroot', '/proc/self/fd/3'],
          checkArgv: ['/bin/e2fsck', '-p', '/proc/self/fd/3'],
        },
      },
    ]);
    expect(overlayServer(request(ALL), steps)).toBe('/bin/fuse-overlayfs');
  });

  it('are read where they lie within a SIF', () => {
    const options = 'allow_other,fakeroot,ro,offset=4096';
    expect(overlaySteps(request(ALL), '/a.sif', [PARTITION], false)[0]?.mountExt3).toMatchObject({
      writable: false,
      serverArgv: ['/bin/fuse2fs', '-f', '-o', options, '/proc/self/fd/3'],
    });
    expect(overlaySteps(request(ALL), '/a.sif', [PARTITION], true)[0]?.mountExt3?.checkArgv).toEqual([
      '/bin/e2fsck',
      '-p',
      '/proc/self/fd/3?offset=4096',
    ]);
  });

  it('do without e2fsck, and the kernel without all of them', () => {
    const mounted = overlaySteps(request(['fuse2fs', 'fuse-overlayfs']), '/a.img', [EXT3], true)[0]?.mountExt3;
    expect(mounted).toHaveProperty('serverArgv');
    expect(mounted).not.toHaveProperty('checkArgv');
    const byKernel = request([], { byKernel: true, canUseFuse: () => false });
    const steps = overlaySteps(byKernel, '/a.img', [EXT3], true);
    expect(steps[0]?.mountExt3).not.toHaveProperty('serverArgv');
    expect(overlayServer(byKernel, steps)).toBeUndefined();
  });

  it.each([
    [request(['fuse-overlayfs']), EXT3, 'needs fuse2fs, and there is none on PATH', /install the package fuse2fs, or/],
    [request(['fuse2fs']), EXT3, 'needs fuse-overlayfs, and there is none', /install the package fuse-overlayfs, or/],
    [request(ALL, { canUseFuse: () => false }), EXT3, '/dev/fuse is missing or not permitted', /administrator/],
    [request(ALL), { ...EXT3, fsType: 'squashfs' as const }, 'the kernel mounts no squashfs', /use a directory/],
  ])('say what is missing (%#)', (asked, source, message, hint) => {
    let caught: unknown;
    try {
      overlaySteps(asked, '/a.img', [source], false);
    } catch (cause) {
      caught = cause;
    }
    expect(caught).toMatchObject({ code: 'OPTION', message: expect.stringContaining(message) });
    expect(caught).toMatchObject({ hint: expect.stringMatching(hint) });
  });

  it('that belong to the image that is run are left out with a warning, unless they are to be written to', () => {
    const image = { path: '/a.sif', overlays: [PARTITION] } as unknown as Image;
    const asked = request(['fuse2fs']);
    expect(embeddedSteps(asked, image, false)).toEqual([]);
    expect(asked.notes.list).toMatchObject([
      { text: expect.stringMatching(/^The overlay partition of \/a\.sif is left out: .* needs fuse-overlayfs/) },
    ]);
    expect(() => embeddedSteps(asked, image, true)).toThrow('cannot mount /a.sif');
    expect(embeddedSteps(request(ALL), image, false)[0]?.mountExt3).toMatchObject({ embedded: true });
  });
});
