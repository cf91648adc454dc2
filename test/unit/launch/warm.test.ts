import { describe, expect, it } from 'vitest';
import { MODE } from '../../../src/runtime/launch/plan';
import { compileWarm } from '../../../src/runtime/launch/warm';
import {
  compile,
  config,
  FUSE,
  KERNEL,
  options,
  rootCaller,
  SANDBOX,
  sandboxImage,
  sifImage,
  stepsOf,
  userCaller,
} from './support';

const common = {
  options: options(),
  config: config(),
  output: { messageLevel: 1, color: false },
  stateDir: '/run/davit',
};

describe('an image that is kept mounted', () => {
  it('as root is a loop device and nothing else', () => {
    const request = { ...common, image: sifImage(), caller: rootCaller(), choice: KERNEL };
    const { plan } = compileWarm(request, 600_000);
    const image = { image: '/images/lab.sif', offsetBytes: 36_864, sizeBytes: 1_044_480 };
    expect(plan).toMatchObject({ mode: MODE.warm, warmMs: 600_000 });
    expect(plan.steps).toEqual([
      { mountSquashfs: { ...image, loopDir: '/run/davit/loops', shareDir: '/run/davit/warm' } },
    ]);
    expect([plan.program, plan.instance]).toEqual([undefined, undefined]);
  });

  it('of a plain user is what an instance mounts, in the same user namespace', () => {
    const request = { ...common, image: sifImage(), caller: userCaller(), choice: FUSE };
    const { plan } = compileWarm(request, 1000);
    const start = compile({}, { ...request, instanceName: 'web' }).plan;
    expect(plan.steps).toEqual([start.steps?.find(({ mountFuse }) => mountFuse)]);
    expect(plan.namespaces).toEqual(start.namespaces);
    expect(plan.steps?.[0]?.mountFuse).toMatchObject({ shareDir: '/run/davit/fuse', shareMake: true });
  });

  it('is refused where nothing is mounted', () => {
    const request = { ...common, image: sandboxImage('/srv/box'), caller: userCaller(), choice: SANDBOX };
    expect(() => compileWarm(request, 1000)).toThrow(/keep "\/srv\/box" mounted: its launches mount no image file/);
  });
});

describe('the policy "warm images"', () => {
  const warm = { config: config({ warmImagesMs: 60_000 }), stateDir: '/run/davit' };
  const root = { caller: rootCaller(), choice: KERNEL };
  const user = { caller: userCaller(), choice: FUSE };

  it('is for instances', () => {
    const kernel = compile({}, { ...warm, ...root, instanceName: 'web' });
    expect(stepsOf(kernel, 'mountSquashfs')).toMatchObject([{ shareDir: '/run/davit/warm', warmMs: 60_000 }]);
    const fuse = compile({}, { ...warm, ...user, instanceName: 'web' });
    expect(stepsOf(fuse, 'mountFuse')).toMatchObject([{ shareDir: '/run/davit/fuse', warmMs: 60_000 }]);
  });

  it('leaves single commands and temporary images alone', () => {
    for (const request of [root, user]) {
      const { plan } = compile({}, { ...warm, ...request });
      expect(JSON.stringify(plan.steps)).not.toContain('warmMs');
    }
    const image = sifImage({ isTemporary: true });
    const { plan } = compile({}, { ...warm, ...root, image, instanceName: 'web' });
    expect(JSON.stringify(plan.steps)).not.toContain('warm');
  });

  it('is off by default', () => {
    const { plan } = compile({}, { ...root, instanceName: 'web' });
    expect(JSON.stringify(plan.steps)).not.toContain('warm');
  });
});
