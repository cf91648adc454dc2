/** The end of a build: a tree becomes a SIF, or a directory. */
import { lstatSync, renameSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { errnoOf, RuntimeError } from '../../../errors';
import type { Recipe } from '../../../formats/container/recipe';
import type { BuildSifResult, BuildSifTask } from '../../../workers/build-sif';
import { imageAddonPath, runTask } from '../../../workers/pool';
import { hostArch } from '../../image/arch';
import type { OnProgress } from '../../image/source/progress';
import type { BuildContext } from '../bundle/context';
import type { BuildOptions } from '../bundle/options';
import { exitWords } from '../sections/exit-words';
import { runProgram } from '../sections/host-script';
import { parseCompression } from './compression';
import { whilePacking } from './packing-progress';
import { type BuildTimes, imageId } from './times';

/** Positions in the shared counters. */
const PACKED = 0;
const TO_PACK = 1;
const COUNTERS = 2;

export interface PackRequest {
  source: BuildSifTask['source'];
  /** Every file belongs to root in the image. */
  allRoot: boolean;
  /** What it is built from, for labels and the definition file. */
  from: string;
  header?: Record<string, string>;
  arch?: string;
  carried: Record<string, string>;
  recipe?: Recipe;
  /** The tree describes itself already. */
  isFinished?: boolean;
  times: BuildTimes;
}

/** Packs into a new file. @returns what was left out, in words. @throws RuntimeError IMAGE_BUILD */
export async function packSif(
  request: PackRequest,
  target: string,
  options: BuildOptions,
  onProgress?: OnProgress,
): Promise<string[]> {
  const { times, arch, ...rest } = request;
  const { compressor, level } = parseCompression(options.compression);
  const task: BuildSifTask = {
    addonPath: imageAddonPath(),
    target,
    compressor,
    level,
    workers: availableParallelism(),
    id: imageId(times),
    version: options.version,
    hostArch: hostArch(),
    timeMs: times.timeMs,
    latestS: times.latestS,
    ...rest,
    ...(arch === undefined ? {} : { arch }),
  };
  const amount = (counters: number[]) => ({ doneBytes: counters[PACKED] ?? 0, totalBytes: counters[TO_PACK] ?? 0 });
  return await whilePacking(amount, onProgress, async (onCounters) => {
    const how = { partial: target, counters: COUNTERS, onCounters };
    return (await runTask<BuildSifTask, BuildSifResult>('build-sif', task, how)).notes;
  });
}

/** Moves a finished root to the place of a sandbox; to another file system it is copied. @throws RuntimeError */
export async function placeSandbox(rootfs: string, target: string, ctx: BuildContext): Promise<void> {
  try {
    renameSync(rootfs, target);
    return;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno !== 'EXDEV') {
      throw new RuntimeError('IMAGE_BUILD', `move "${rootfs}" to "${target}": ${errno ?? String(cause)}`, {
        errno,
        cause,
      });
    }
  }
  const { exitStatus, signal } = await runProgram('cp', ['-a', '--', rootfs, target], ctx.caller.env, ctx);
  if (exitStatus === 0 && lstatSync(target).isDirectory()) return;
  throw new RuntimeError('IMAGE_BUILD', `copy "${rootfs}" to "${target}": cp: ${exitWords(exitStatus, signal)}`);
}
