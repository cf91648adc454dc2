/** /dev, /proc and /sys. */
import { readTerminalPathSync } from '../../observed-fs';
import { addBind, type MountContext } from './mount-context';

const DEVICES = ['tty', 'null', 'zero', 'random', 'urandom'];
const LINKS: [string, string][] = [
  ['/dev/fd', '/proc/self/fd'],
  ['/dev/stdin', '/proc/self/fd/0'],
  ['/dev/stdout', '/proc/self/fd/1'],
  ['/dev/stderr', '/proc/self/fd/2'],
];
/** Group tty has the number 5 wherever glibc was packaged; a user namespace may not have it at all. */
const DEVPTS_OPTIONS = 'mode=620,ptmxmode=666';
const DEVPTS_ROOT_OPTIONS = `gid=5,${DEVPTS_OPTIONS}`;

/** @param wantsHostDev a bind of the user names /dev itself: then the host's is taken also under --contain */
export function addDev(ctx: MountContext, wantsHostDev: boolean): void {
  const { config, noMount, contained } = ctx;
  if (config.mountDev === 'no' || noMount.has('dev')) return;
  if ((contained || config.mountDev === 'minimal') && !wantsHostDev) addMinimalDev(ctx);
  else addBind(ctx, { source: '/dev', target: '/dev', keepSuidDev: true, origin: '/dev' });
}

function addMinimalDev(ctx: MountContext): void {
  const { steps, config, noMount, namespaces } = ctx;
  steps.push({ sessionDirectory: { target: '/dev', mode: 0o755 } });
  steps.push({ tmpfs: { target: '/dev/shm', options: 'mode=1777', nosuid: true, nodev: true } });
  if (namespaces.namespaces.ipc) steps.push({ mqueue: { target: '/dev/mqueue' } });
  if (config.mountDevpts && !noMount.has('devpts')) {
    const options = namespaces.namespaces.user ? DEVPTS_OPTIONS : DEVPTS_ROOT_OPTIONS;
    steps.push(
      { devpts: { target: '/dev/pts', options } },
      { symlink: { target: '/dev/ptmx', text: '/dev/pts/ptmx' } },
    );
    const terminal = standardTerminal();
    if (terminal !== undefined) addDevice(ctx, terminal, '/dev/console');
  }
  for (const name of DEVICES) addDevice(ctx, `/dev/${name}`, `/dev/${name}`);
  for (const [target, text] of LINKS) steps.push({ symlink: { target, text } });
}

function addDevice(ctx: MountContext, source: string, target: string): void {
  ctx.steps.push({ bind: { source, target, keepSuidDev: true, optional: true, origin: '/dev' } });
}

/** The terminal on standard input, output or error; it becomes /dev/console. */
function standardTerminal(): string | undefined {
  for (const fd of [0, 1, 2]) {
    try {
      const path = readTerminalPathSync(fd);
      if (/^\/dev\/(pts\/\d+|tty[A-Z0-9]*|console)$/.test(path)) return path;
    } catch {
      // closed
    }
  }
  return undefined;
}

export function addProc({ steps, config, noMount, namespaces }: MountContext): void {
  if (!config.mountProc || noMount.has('proc')) return;
  if (namespaces.namespaces.pid) steps.push({ proc: { target: '/proc', fallbackBind: true } });
  else steps.push({ bind: { source: '/proc', target: '/proc', recursive: true, keepSuidDev: true, origin: '/proc' } });
}

/** Mounts below /sys (cgroups) are locked in a user namespace and cannot be left behind (mount_namespaces(7)). */
export function addSys({ steps, config, noMount, namespaces }: MountContext): void {
  if (!config.mountSys || noMount.has('sys')) return;
  const { user } = namespaces.namespaces;
  steps.push({ bind: { source: '/sys', target: '/sys', recursive: user, keepSuidDev: user, origin: '/sys' } });
}
