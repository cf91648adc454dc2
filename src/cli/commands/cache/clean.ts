/** `davit cache clean`. */
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { cleanCache } from '../../../runtime/image/cache/clean';
import { cleanUnpacked } from '../../../runtime/image/cache/unpacked';
import { kindsNamed } from '../../../runtime/image/cache/list';
import type { CommandContext } from '../../command-line/command';
import { cleanPlans } from '../../launch/plan-cache';
import { askLine } from '../../terminal/prompt';
import { imageCacheDirectory, unknownKind } from './directory';

/** Plans of launches are kept beside the instances, not with the images. */
const PLAN = 'plan';
/** Containers may run in them: they are removed when they are named, and not by "all". */
const ROOTFS = 'rootfs';

export function run(context: CommandContext): number {
  const { options, env, terminal } = context;
  const types = options.list('type');
  const kinds = kindsNamed(types.filter((word) => word !== PLAN && word !== ROOTFS));
  if ('unknown' in kinds) throw unknownKind(kinds.unknown);
  const dryRun = options.flag('dryRun');
  if (dryRun) terminal.out('User requested a dry run. Not actually deleting any data!\n');
  else if (!options.flag('force') && !confirmed(context)) {
    terminal.info('Handle cleanup canceled');
    return 0;
  }
  const days = options.number('days') ?? 0;
  const all = types.includes('all') || (types.length === 0 && days === 0);
  if (!dryRun && (types.includes(PLAN) || all)) cleanPlans(env);
  const request = {
    directory: imageCacheDirectory(env),
    olderThanDays: days,
    dryRun,
    tryLock: (path: string) => native().tryLockFile(path),
    onInfo: (text: string) => terminal.info(text),
  };
  if (types.includes(ROOTFS)) cleanUnpacked(request);
  if (types.length === 0 || types.some((word) => word !== PLAN && word !== ROOTFS)) cleanCache({ ...request, kinds });
  return 0;
}

function confirmed({ options, terminal }: CommandContext): boolean {
  const days = options.number('days') ?? 0;
  const types = options.list('type');
  const what =
    types.length === 0 || types.includes('all') ? 'containers from all sources and OCI blobs' : types.join(', ');
  const older = days > 0 ? ` older than ${days} days` : '';
  terminal.out(`This will delete everything in your cache (${what})${older}.\n`);
  terminal.out('Hint: You can see exactly what would be deleted by canceling and using the --dry-run option.\n');
  const answer = askLine(terminal, 'Do you want to continue? [y/N] ');
  if (answer !== undefined) return /^y(es)?$/i.test(answer.trim());
  throw new RuntimeError('OPTION', "Handle clean failed: could not prompt user: could not read user's input: EOF", {
    hint: '--force asks nothing',
  });
}
