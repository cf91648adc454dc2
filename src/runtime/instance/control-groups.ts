/** Control groups of a process (cgroups(7)): version 1, version 2, or each for some resources. */
import { readdirSync } from 'node:fs';
import { readText } from './instance-processes';

/** Where a hierarchy, or a part of it, is mounted. */
interface HierarchyMount {
  version: 1 | 2;
  controllers: readonly string[];
  /** What of the hierarchy is mounted there; `/` for all. */
  root: string;
  mountPoint: string;
}

export interface ControlGroup {
  version: 1 | 2;
  /** Where its files are. */
  directory: string;
  /** Its name, as /proc/PID/cgroup has it. */
  path: string;
  /** Where the hierarchy begins, as far as it can be seen. */
  top: string;
}

/** A line of /proc/PID/cgroup: `4:memory:/path`; of version 2 `0::/path`. */
interface Membership {
  controllers: readonly string[];
  path: string;
}

/** For one look: what was read about a process is not read again. */
export class ControlGroups {
  private mounts: HierarchyMount[] | undefined;
  private readonly memberships = new Map<string, Membership[]>();

  constructor(private readonly proc: string) {}

  /**
   * The group that accounts for a process.
   * @param controller name by version 1, such as `memory`
   * @param proc another directory of processes, which the number is of
   * @returns `undefined` where its files cannot be seen
   */
  of(pid: number | 'self', controller: string, proc = this.proc): ControlGroup | undefined {
    const lines = this.membershipsOf(`${proc}/${pid}/cgroup`);
    const line =
      lines.find(({ controllers }) => controllers.includes(controller)) ??
      lines.find(({ controllers }) => controllers.length === 0);
    if (line === undefined) return undefined;
    const version = line.controllers.length > 0 ? 1 : 2;
    for (const mount of this.mountsOf(version, controller)) {
      const below = pathBelow(line.path, mount.root);
      if (below === undefined) continue;
      return { version, directory: mount.mountPoint + below, path: line.path, top: mount.mountPoint };
    }
    return undefined;
  }

  private membershipsOf(file: string): Membership[] {
    let found = this.memberships.get(file);
    if (found === undefined) {
      found = (readText(file) ?? '').split('\n').filter(Boolean).map(parseMembership);
      this.memberships.set(file, found);
    }
    return found;
  }

  private mountsOf(version: 1 | 2, controller: string): HierarchyMount[] {
    this.mounts ??= parseMounts(readText(`${this.proc}/self/mountinfo`) ?? '');
    return this.mounts.filter(
      (mount) => mount.version === version && (version === 2 || mount.controllers.includes(controller)),
    );
  }
}

function parseMembership(line: string): Membership {
  const [, controllers = '', ...path] = line.split(':');
  return { controllers: controllers === '' ? [] : controllers.split(','), path: path.join(':') };
}

/** A group outside of the caller's cgroup namespace begins with `/..` (cgroup_namespaces(7)): it cannot be reached. */
function pathBelow(path: string, root: string): string | undefined {
  if (path === '/..' || path.startsWith('/../')) return undefined;
  if (root === '/') return path === '/' ? '' : path;
  if (path === root) return '';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

/** Lines of proc_pid_mountinfo(5): `36 35 0:30 /root /mount/point options … - type source superblock-options`. */
function parseMounts(text: string): HierarchyMount[] {
  const mounts: HierarchyMount[] = [];
  for (const line of text.split('\n')) {
    const at = line.indexOf(' - cgroup');
    if (at < 0) continue;
    const [, , , root = '', mountPoint = ''] = line.split(' ');
    const [type, , options = ''] = line.slice(at + 3).split(' ');
    mounts.push({
      version: type === 'cgroup2' ? 2 : 1,
      controllers: options.split(','),
      root: octalDecoded(root),
      mountPoint: octalDecoded(mountPoint),
    });
  }
  // The whole of a hierarchy before a part of it.
  return mounts.sort((a, b) => a.root.length - b.root.length);
}

/** Blanks and backslashes are octal there. */
function octalDecoded(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** PIDs in a group and in all below it; `undefined` where they cannot be read. A PID that cannot be seen from here is 0. */
export function processesIn(directory: string): number[] | undefined {
  const text = readText(`${directory}/cgroup.procs`);
  if (text === undefined) return undefined;
  const pids = text.split('\n').filter(Boolean).map(Number);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const below = processesIn(`${directory}/${entry.name}`);
    if (below === undefined) return undefined;
    pids.push(...below);
  }
  return pids;
}

/** A file of one number; `undefined` for `max`, and where there is none. */
export function readNumber(directory: string, file: string): number | undefined {
  const value = Number.parseInt(readText(`${directory}/${file}`) ?? '', 10);
  return Number.isNaN(value) ? undefined : value;
}

/** A file of lines `name number`; empty where there is none. */
export function readNumbers(directory: string, file: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const line of (readText(`${directory}/${file}`) ?? '').split('\n')) {
    const blank = line.indexOf(' ');
    if (blank > 0) numbers.set(line.slice(0, blank), Number(line.slice(blank + 1)));
  }
  return numbers;
}

/** The least memory that a process's group and those above it may have, in bytes; Infinity for no limit. */
export function memoryLimit(group: ControlGroup | undefined): number {
  if (group === undefined) return Number.POSITIVE_INFINITY;
  if (group.version === 1) {
    return readNumbers(group.directory, 'memory.stat').get('hierarchical_memory_limit') ?? Number.POSITIVE_INFINITY;
  }
  // The top as well: where only a part of a hierarchy is mounted, that part may have a limit.
  let least = readNumber(group.top, 'memory.max') ?? Number.POSITIVE_INFINITY;
  for (let at = group.directory; at.startsWith(`${group.top}/`); at = at.slice(0, at.lastIndexOf('/'))) {
    least = Math.min(least, readNumber(at, 'memory.max') ?? Number.POSITIVE_INFINITY);
  }
  return least;
}
