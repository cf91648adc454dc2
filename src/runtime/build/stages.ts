/** The stages of a definition, one after the other, and the image that the last one becomes. */
import type { ComposeFacts } from '../../formats/container/compose';
import { type Definition, headerOf, headerValue, type Stage } from '../../formats/definition/definition';
import { hostArch } from '../image/arch';
import type { BaseImage } from './bootstrap/agent';
import { fillFromImage } from './bootstrap/local-image';
import { lockForWork } from './bundle/abandoned';
import type { Bundle } from './bundle/bundle';
import type { Build, BuildContext } from './bundle/context';
import type { Rights } from './bundle/rights';
import { replaceTarget } from './bundle/target';
import { packSif, placeSandbox } from './packing/pack';
import { type BuildTimes, buildTimes } from './packing/times';
import { detachMounts } from './rootfs/mounts-below';
import { rootArch } from './rootfs/root-arch';
import { buildStage, stageName } from './stage';

/** The file mode creation mask of all that sections and copies make, whatever the caller's is: as Apptainer builds. */
const BUILD_UMASK = 0o002;

/** Builds all stages, here and now, and makes the image of the last one. @throws RuntimeError */
export async function buildStages(
  definition: Definition,
  build: Build,
  { inUserNamespace }: Exclude<Rights, { kind: 'enter' }>,
  bundle: Bundle,
  fakeroot?: BuildContext['fakeroot'],
): Promise<void> {
  if (!build.options.noCleanup) lockForWork(bundle.directory);
  const caller = { ...build.caller, umask: BUILD_UMASK };
  const ctx: BuildContext = { ...build, caller, bundle, inUserNamespace, fakeroot };
  const umask = process.umask(BUILD_UMASK);
  let last: BuiltStage;
  try {
    last = await runStages(definition, ctx, build);
  } finally {
    process.umask(umask);
  }
  await assemble(last, ctx, buildTimes(build.options, build.env, last.base.createdS));
}

interface BuiltStage {
  stage: Stage;
  rootfs: string;
  base: BaseImage;
}

async function runStages({ text, stages }: Definition, ctx: BuildContext, build: Build): Promise<BuiltStage> {
  const roots = new Map<string, string>();
  const built: BuiltStage[] = [];
  for (const [index, stage] of stages.entries()) {
    const rootfs = ctx.bundle.rootfs(index);
    const updates = index === stages.length - 1 && isUpdate(build);
    const base = await buildStage(
      {
        stage,
        text,
        rootfs,
        rootOf: (name) => roots.get(name),
        ...(updates ? { fill: () => fillFromTarget(rootfs, ctx) } : {}),
        facts: (image) => stageFacts(stage, image, rootfs, build),
      },
      ctx,
    );
    if (stageName(stage) !== '') roots.set(stageName(stage), rootfs);
    built.push({ stage, rootfs, base });
  }
  return built.at(-1) as BuiltStage;
}

/** `--update`; with `--force` it is an ordinary build. */
function isUpdate({ options }: Build): boolean {
  return (options.update ?? false) && !options.force;
}

async function fillFromTarget(rootfs: string, ctx: BuildContext): Promise<BaseImage> {
  ctx.onInfo(`Building into existing container: ${ctx.options.target}`);
  return await fillFromImage(ctx.options.target, rootfs, { ...ctx, onInfo: () => undefined });
}

function stageFacts(
  stage: Stage,
  { arch, createdS }: BaseImage,
  rootfs: string,
  { options, env }: Build,
): ComposeFacts {
  const { timeMs } = buildTimes(options, env, createdS);
  return {
    date: new Date(timeMs),
    arch: arch ?? rootArch(rootfs) ?? hostArch(),
    version: options.version,
    from: headerValue(stage, 'from'),
    header: headerOf(stage),
  };
}

async function assemble({ stage, rootfs, base }: BuiltStage, ctx: BuildContext, times: BuildTimes): Promise<void> {
  const { carried, arch } = base;
  const { options, interruption, onInfo, onWarning, onProgress } = ctx;
  detachMounts(rootfs);
  if (options.sandbox) {
    onInfo('Creating sandbox directory...');
    await replaceTarget(options.target, (temporary) => placeSandbox(rootfs, temporary, ctx), interruption);
    return;
  }
  onInfo('Creating SIF file...');
  const request = {
    source: { kind: 'directory' as const, path: rootfs },
    allRoot: false,
    from: headerValue(stage, 'from'),
    arch: arch ?? rootArch(rootfs),
    carried,
    isFinished: true,
    times,
  };
  const notes = await replaceTarget(
    options.target,
    (temporary) => packSif(request, temporary, options, onProgress),
    interruption,
  );
  for (const note of notes) onWarning(note);
}
