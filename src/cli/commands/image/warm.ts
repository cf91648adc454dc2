/** `davit image warm|cool|list`: images that are kept mounted between instances. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { loadConfig } from '../../../runtime/config/config';
import { formatDuration, parseDuration } from '../../../runtime/config/duration';
import { type KeptImage, keptImages, letGo } from '../../../runtime/instance/kept-images';
import { prepareImage } from '../../../runtime/instance/prepare-image';
import { SILENT_OUTPUT, spawnPlan } from '../../../runtime/instance/spawn';
import { readCaller } from '../../../runtime/launch/caller';
import { defaultLaunchOptions } from '../../../runtime/launch/options';
import { compileWarm } from '../../../runtime/launch/warm';
import { stateDirectory } from '../../../runtime/state-directory';
import type { CommandContext, CommandModule } from '../../command-line/command';

const DEFAULT_TIME = '10m';
/** An unused holder ends at once; one that is used ends with its last user, and is not waited for. */
const END_WAIT_MS = 1000;

/** `davit image warm IMAGE [--for TIME]` */
export const warm: CommandModule = {
  async run(context) {
    const { args, options, env, terminal } = context;
    const text = options.text('for') ?? DEFAULT_TIME;
    const forMs = parseDuration(text);
    if (forMs === undefined) {
      throw new RuntimeError('OPTION', `--for takes a time, not "${text}"`, { hint: 'for example 90s, 10m or 1h30m' });
    }
    if (forMs === 0) return await cool.run(context);
    native().defaultSignals();
    const file = options.text('config');
    const { config, warnings } = loadConfig({ env, ...(file === undefined ? {} : { file }) });
    for (const warning of warnings) terminal.warning(warning);
    const stateDir = checkedStateDirectory(context);
    const caller = readCaller(env);
    const request = { options: defaultLaunchOptions(), caller, config };
    const prepared = await prepareImage({ ...request, given: args[0] as string, dryRun: true });
    const plan = compileWarm({ ...request, ...prepared, stateDir, output: SILENT_OUTPUT }, forMs);
    const { report, exitStatus } = await spawnPlan(plan, native(), { env: {}, stdio: [-1, -1, -1] });
    if (report === undefined) {
      throw new RuntimeError(
        'LAUNCH_STEP',
        `keep "${prepared.image.path}" mounted: the launcher ended with ${exitStatus}`,
      );
    }
    terminal.info(`${prepared.image.path} is kept mounted for ${formatDuration(forMs)} (PID=${report.pid})`);
    return 0;
  },
};

/** `davit image cool IMAGE` */
export const cool: CommandModule = {
  async run(context) {
    const { args, terminal } = context;
    const path = pathOf(args[0] as string);
    const addon = native();
    const kept = keptImages(checkedStateDirectory(context), addon).filter(({ image }) => image === path);
    for (const image of kept) letGo(image);
    const left = addon.waitProcesses(
      kept.map(({ pid, startTime }) => ({ pid, startTime })),
      END_WAIT_MS,
    );
    if (kept.length === 0) terminal.info(`${path} was not kept mounted`);
    else if (left.length > 0) terminal.info(`${path} is mounted as long as it is used`);
    else terminal.info(`${path} is not kept mounted any more`);
    return 0;
  },
};

/** `davit image list` */
export const list: CommandModule = {
  async run(context) {
    const { options, terminal } = context;
    const images = keptImages(checkedStateDirectory(context), native());
    if (options.flag('json')) {
      terminal.out(`${JSON.stringify({ images: images.map(asJson) }, null, '\t')}\n`);
      return 0;
    }
    const rows = images.map((kept) => [String(kept.pid), keptFor(kept), kept.image]);
    for (const [pid = '', time = '', image = ''] of [['PID', 'KEPT', 'IMAGE'], ...rows]) {
      terminal.out(`${pid.padEnd(10)}${time.padEnd(18)}${image}\n`);
    }
    return 0;
  },
};

function asJson({ image, pid, serverPid, untilMs, afterUseMs }: KeptImage): object {
  const until = untilMs > Date.now() ? new Date(untilMs).toISOString() : null;
  return { image, pid, serverPid, until, afterUseSeconds: afterUseMs / 1000 };
}

function keptFor({ untilMs, afterUseMs }: KeptImage): string {
  const left = untilMs - Date.now();
  if (left > 0) return formatDuration(left);
  return afterUseMs > 0 ? `${formatDuration(afterUseMs)} after use` : 'while used';
}

/** As the holder names it; of an image that is gone as it was named. */
function pathOf(given: string): string {
  try {
    return realpathSync(given);
  } catch {
    return resolve(given);
  }
}

/** @throws RuntimeError STATE when it is not the caller's own */
function checkedStateDirectory({ env }: CommandContext): string {
  const stateDir = stateDirectory(process.getuid?.() ?? 0, env);
  const problem = native().ensureStateDir(stateDir);
  if (problem === null) return stateDir;
  throw new RuntimeError('STATE', problem.message, {
    path: stateDir,
    errno: problem.errno,
    hint: 'correct it, or set DAVIT_STATE_DIR to a directory of your own',
  });
}
