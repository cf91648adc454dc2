/** HOME: which directory it is, and what is mounted there. */
import { RuntimeError } from '../../errors';
import { normalizeTarget } from './bind-spec';
import { addBind, type HomePlan, hostPath, isDirectory, type MountContext } from './mount-context';
import type { Caller, LaunchOptions } from './options';

const ROOT_HOME = '/root';

/**
 * `--home SRC[:DEST]`, else the caller's own home; /root when the caller is root inside and only there.
 * @throws RuntimeError OPTION
 */
export function planHome(options: LaunchOptions, caller: Caller, fakeroot: boolean): HomePlan {
  if (options.home === undefined) {
    const { home } = caller.user;
    return { source: home, target: fakeroot ? ROOT_HOME : normalizeTarget(home), explicit: false, custom: false };
  }
  const fields = options.home.split(':');
  if (fields.length > 2 || fields[0] === '') {
    const what =
      fields.length > 2 ? `home argument has incorrect number of elements: ${fields.length}` : 'home argument is empty';
    throw new RuntimeError('OPTION', `While setting home directory: ${what}`, {
      path: '--home',
      hint: 'use --home SRC or --home SRC:DEST',
    });
  }
  const source = hostPath({ caller }, fields[0] as string);
  const target = fields[1] ?? source;
  if (!target.startsWith('/')) {
    throw new RuntimeError('OPTION', `While setting home directory: path ${target} is not an absolute path`, {
      path: '--home',
      hint: 'give the path inside the container from "/"',
    });
  }
  return { source, target: normalizeTarget(target), explicit: fields.length === 2, custom: true };
}

/** The host's home, or an empty one: under --contain, and where the host has none. */
export function addHome(ctx: MountContext): void {
  const { options, config, noMount, home, notes, contained, caller, steps } = ctx;
  if (options.noHome || noMount.has('home')) return;
  if (!config.mountHome && !home.custom) return;
  if (home.custom && !config.userBindControl) {
    throw new RuntimeError(
      'OPTION',
      'custom home directories are disabled by the configuration ("user bind control = no")',
      {
        path: '--home',
        hint: 'leave --home out, or ask the administrator of this site',
      },
    );
  }
  const { target } = home;
  if (target === '/') {
    notes.warning("Skipping impossible home directory mount to '/'");
    return;
  }
  if (ctx.writable && !stageMissingHome(ctx, target)) return;
  if (contained && !home.explicit && options.workdir !== undefined) {
    addBind(ctx, workdirBind(ctx, options.workdir, 'home', target, 0o700));
    return;
  }
  // A home that was asked for is not replaced by an empty one.
  if (contained && !home.custom) {
    steps.push({ sessionDirectory: { target, mode: 0o755 } });
    return;
  }
  const source = home.source ?? caller.user.home;
  if (!isDirectory(source)) steps.push({ sessionDirectory: { target, mode: 0o755 } });
  else addBind(ctx, { source, target, optional: !home.custom, hostUserText: home.custom, origin: 'home' });
}

/**
 * In a writable sandbox no mount point can be made: an empty directory is laid over the nearest parent that exists.
 * @returns false when there is no such parent but the root: then nothing is mounted.
 */
function stageMissingHome({ rootDir, steps, notes }: MountContext, target: string): boolean {
  if (rootDir === undefined || isDirectory(rootDir + target)) return true;
  let parent = target.slice(0, target.lastIndexOf('/'));
  while (parent !== '' && !isDirectory(rootDir + parent)) parent = parent.slice(0, parent.lastIndexOf('/'));
  if (parent === '') {
    notes.warning(
      `Skipping the home directory: the image has no "${target}", and --writable leaves no layer to make it in`,
    );
    return false;
  }
  steps.push({ sessionDirectory: { target: parent, mode: 0o755 } });
  return true;
}

/** A directory below --workdir, made when absent. */
export function workdirBind(
  ctx: Pick<MountContext, 'caller'>,
  workdir: string,
  name: string,
  target: string,
  makeSourceMode: number,
): { source: string; target: string; makeSourceMode: number; origin: string } {
  return { source: `${normalizeTarget(hostPath(ctx, workdir))}/${name}`, target, makeSourceMode, origin: '--workdir' };
}
