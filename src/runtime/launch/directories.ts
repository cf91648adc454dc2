/** Directories from the host and of the launch's own: configured binds, tmp, scratch, user binds, working directory. */
import { RuntimeError } from '../../errors';
import { statSync } from '../../observed-fs';
import { type BindSpec, normalizeTarget } from './bind-spec';
import { workdirBind } from './home';
import { addBind, hostPath, isDirectory, isWithin, type MountContext } from './mount-context';

/** `bind path` of the configuration; under --contain only the two files that programs expect everywhere. */
const ALWAYS_BOUND = ['/etc/localtime', '/etc/hosts'];

export function addConfiguredBinds(ctx: MountContext): void {
  const { config, noMount, contained, namespaces, writable } = ctx;
  if (noMount.has('bind-paths')) return;
  for (const entry of config.bindPath) {
    const colon = entry.indexOf(':');
    const source = colon < 0 ? entry : entry.slice(0, colon);
    const target = normalizeTarget(colon < 0 ? entry : entry.slice(colon + 1));
    if (noMount.has(target)) continue;
    if (contained && !ALWAYS_BOUND.includes(target)) continue;
    if (contained && target === '/etc/hosts' && namespaces.namespaces.net) {
      ctx.steps.push({ file: { target, bytes: Buffer.from(LOCALHOST_HOSTS), optional: writable } });
      continue;
    }
    addBind(ctx, { source, target, optional: true, origin: 'bind path' });
  }
}

const LOCALHOST_HOSTS = `127.0.0.1   localhost
::1         localhost ip6-localhost ip6-loopback
ff02::1     ip6-allnodes
ff02::2     ip6-allrouters
`;

/**
 * /var/tmp before /tmp: in an image whose /var/tmp is a link to /tmp the second mount covers the first, and is right.
 */
export function addTmp(ctx: MountContext): void {
  const { config, noMount, contained, options, steps } = ctx;
  if (!config.mountTmp || noMount.has('tmp')) return;
  for (const [target, name] of [
    ['/var/tmp', 'var_tmp'],
    ['/tmp', 'tmp'],
  ] as const) {
    if (!contained) addBind(ctx, { source: target, target, optional: true, origin: 'tmp' });
    else if (options.workdir === undefined) steps.push({ sessionDirectory: { target, mode: 0o1777 } });
    else addBind(ctx, workdirBind(ctx, options.workdir, name, target, 0o1777));
  }
}

/** @throws RuntimeError OPTION for a path that is not absolute, or a workdir that is none */
export function addScratch(ctx: MountContext): void {
  const { options, steps } = ctx;
  const paths = options.scratch
    .flatMap((text) => text.split(','))
    .map((path) => path.trim())
    .filter((path) => path !== '');
  if (paths.length > 0 && !userBindsAllowed(ctx, '--scratch')) return;
  for (const path of new Set(paths)) {
    if (!path.startsWith('/')) {
      throw new RuntimeError(
        'OPTION',
        `could not bind scratch directory ${path} into container: destination must be an absolute path`,
        {
          path: '--scratch',
          hint: 'give the path inside the container from "/"',
        },
      );
    }
    const target = normalizeTarget(path);
    if (options.workdir === undefined) steps.push({ sessionDirectory: { target, mode: 0o755 } });
    else addBind(ctx, workdirBind(ctx, options.workdir, `scratch${target}`, target, 0o750));
  }
}

/** @throws RuntimeError OPTION when --workdir is no directory: a launch makes what lies below it, not the place itself */
export function checkWorkdir(ctx: MountContext): void {
  const { workdir, scratch } = ctx.options;
  const used = ctx.contained || scratch.length > 0;
  if (workdir === undefined || !used || isDirectory(hostPath(ctx, workdir))) return;
  throw new RuntimeError('OPTION', `use the working directory "${workdir}": no such directory`, {
    path: workdir,
    errno: 'ENOENT',
    hint: 'create it first',
  });
}

/** What `--bind` and `--mount` asked for: parents before children; of two binds to one place the first is made. */
export function addUserBinds(ctx: MountContext, specs: BindSpec[]): void {
  if (specs.length > 0 && !userBindsAllowed(ctx, '--bind')) return;
  const seen = new Set<string>();
  const binds = specs.filter(({ source, target }) => {
    if (!seen.has(target)) return seen.add(target);
    ctx.notes.warning(`While bind mounting '${source}:${target}': destination is already in the mount point list`);
    return false;
  });
  binds.sort((a, b) => depth(a.target) - depth(b.target));
  for (const { source, target, readOnly, origin } of binds) {
    // With --contain the host's /dev has been taken in place of the small one.
    if (target === '/dev' && source === '/dev') continue;
    const keepSuidDev = isWithin(source, '/dev') && isDevice(source);
    addBind(ctx, { source, target, readOnly, keepSuidDev, hostUserText: true, origin });
  }
}

function depth(path: string): number {
  return path.split('/').length;
}

function isDevice(path: string): boolean {
  try {
    const stat = statSync(path);
    return stat.isCharacterDevice() || stat.isBlockDevice();
  } catch {
    return false;
  }
}

function userBindsAllowed({ config, notes }: MountContext, what: string): boolean {
  if (!config.userBindControl) notes.warning(`Ignoring ${what}: user binds are disabled by the configuration`);
  return config.userBindControl;
}

/** Directories of every image, in which the host's cwd must not hide the image's own files. */
const NEVER_BOUND_CWD = ['/', '/etc', '/bin', '/mnt', '/usr', '/var', '/opt', '/sbin', '/lib', '/lib64'];
const NEVER_BOUND_BELOW = ['/sys', '/proc', '/dev'];

/** The caller's directory at the same path, unless it is there already. */
export function addWorkingDirectory(ctx: MountContext): void {
  const { caller, config, noMount, contained } = ctx;
  const { cwd, physicalCwd } = caller;
  if (contained || noMount.has('cwd') || !config.userBindControl) return;
  if (NEVER_BOUND_CWD.includes(cwd) || NEVER_BOUND_BELOW.some((directory) => isWithin(cwd, directory))) return;
  // What is seen already needs no bind, and no mount point to be made for it.
  if (cwd === physicalCwd && isShown(ctx, cwd)) return;
  addBind(ctx, { source: cwd, target: cwd, optional: true, skipIfVisible: true, origin: 'working directory' });
}

/** Whether the steps so far show a directory of the host at its own path: the last mount at or above it decides. */
function isShown({ steps }: MountContext, path: string): boolean {
  let shown = false;
  for (const step of steps) {
    const target = step.bind?.target ?? step.sessionDirectory?.target ?? step.tmpfs?.target;
    if (typeof target !== 'string' || !isWithin(path, target)) continue;
    shown = step.bind ? step.bind.source === target : false;
  }
  return shown;
}
