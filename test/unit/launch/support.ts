/** A caller, an image and a launcher that exist on paper; for every test of the compiler. */
import { defaultConfig, type LaunchConfig } from '../../../src/runtime/config/directives';
import type { Image } from '../../../src/runtime/image/types';
import { compileImageLaunch, type ImageLaunchRequest } from '../../../src/runtime/launch/compile';
import type { DriverChoice } from '../../../src/runtime/launch/image-layer';
import { type Caller, defaultLaunchOptions, type LaunchOptions } from '../../../src/runtime/launch/options';
import { type CompiledPlan, type Step, stepKind } from '../../../src/runtime/launch/plan';

export const KERNEL: DriverChoice = { driver: 'squashfs' };
export const FUSE: DriverChoice = { driver: 'squashfuse_ll', server: '/usr/bin/squashfuse_ll' };
export const SANDBOX: DriverChoice = { driver: 'sandbox' };

export function userCaller(overrides: Partial<Caller> = {}): Caller {
  return {
    uid: 2000,
    gid: 2000,
    groups: [2000],
    user: { name: 'hpc', gecos: '', home: '/tmp', shell: '/bin/bash' },
    groupNames: { 2000: 'hpc' },
    cwd: '/',
    physicalCwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    umask: 0o022,
    hostname: 'node1',
    privileged: false,
    ...overrides,
  };
}

export function rootCaller(overrides: Partial<Caller> = {}): Caller {
  const user = { name: 'root', gecos: 'root', home: '/root', shell: '/bin/bash' };
  return userCaller({ uid: 0, gid: 0, groups: [0], user, groupNames: { 0: 'root' }, privileged: true, ...overrides });
}

export function sifImage(overrides: Partial<Image> = {}): Image {
  return {
    given: 'lab.sif',
    path: '/images/lab.sif',
    kind: 'sif',
    dev: 1,
    ino: 2,
    sizeBytes: 1_081_344,
    mtimeMs: 0,
    ctimeMs: 0,
    squashfs: { offsetBytes: 36_864, sizeBytes: 1_044_480, compressor: 'gzip' },
    arch: 'amd64',
    ...overrides,
  };
}

export function sandboxImage(path: string): Image {
  return { given: path, path, kind: 'sandbox', dev: 1, ino: 2, sizeBytes: 0, mtimeMs: 0, ctimeMs: 0 };
}

export function options(overrides: Partial<LaunchOptions> = {}): LaunchOptions {
  return { ...defaultLaunchOptions(), ...overrides };
}

export function config(overrides: Partial<LaunchConfig> = {}): LaunchConfig {
  return { ...defaultConfig(), ...overrides };
}

/** Compiles as a plain user with the FUSE driver, unless told otherwise. */
export function compile(asked: Partial<LaunchOptions> = {}, request: Partial<ImageLaunchRequest> = {}): CompiledPlan {
  const caller = request.caller ?? userCaller();
  return compileImageLaunch({
    action: 'exec',
    image: sifImage(),
    options: options(asked),
    caller,
    args: ['true'],
    choice: caller.privileged ? KERNEL : FUSE,
    config: defaultConfig(),
    stateDir: '/state',
    output: { messageLevel: 1, color: false },
    ...request,
  });
}

export function kinds({ plan }: CompiledPlan): string[] {
  return (plan.steps ?? []).map(stepKind);
}

/** Bodies of the steps of one kind. */
export function stepsOf<K extends keyof Step>({ plan }: CompiledPlan, kind: K): NonNullable<Step[K]>[] {
  return (plan.steps ?? []).flatMap((step) => (step[kind] ? [step[kind] as NonNullable<Step[K]>] : []));
}

/** Everything that is mounted inside, in order, as `kind source -> target`. */
export function mountList({ plan }: CompiledPlan): string[] {
  return (plan.steps ?? []).flatMap((step) => {
    const kind = stepKind(step);
    const body = (step as Record<string, { source?: string; target?: string; text?: string }>)[kind];
    if (body?.target === undefined) return [];
    const source = body.source ?? body.text;
    return [`${kind} ${source !== undefined && source !== body.target ? `${source} -> ` : ''}${body.target}`];
  });
}

export function warnings({ warnings: notes }: CompiledPlan): string[] {
  return notes.map(({ level, text }) => `${level}: ${text}`);
}
