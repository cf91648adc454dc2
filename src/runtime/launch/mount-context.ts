/** What every part of the mount list looks at. */
import { resolve } from 'node:path';
import { statSync } from '../../observed-fs';
import type { LaunchConfig } from '../config/directives';
import { normalizeTarget } from './bind-spec';
import type { NamespacePlan } from './namespaces';
import type { Notes } from './notes';
import type { Caller, LaunchOptions } from './options';
import type { Bind, Step } from './plan';

export interface MountContext {
  options: LaunchOptions;
  config: LaunchConfig;
  caller: Caller;
  notes: Notes;
  namespaces: NamespacePlan;
  /** --contain, or one of the flags that imply it. */
  contained: boolean;
  /** --writable: the image itself is the root; mount points cannot be made. */
  writable: boolean;
  /** Something takes changes: --writable, --writable-tmpfs, a writable overlay. */
  changeable: boolean;
  noMount: ReadonlySet<string>;
  /** Directory of the root on the host, for a sandbox. */
  rootDir?: string;
  home: HomePlan;
  steps: Step[];
}

export interface HomePlan {
  /** Inside: HOME. */
  target: string;
  /** On the host; absent when only a target was asked for. */
  source?: string;
  /** Both sides were given: `--home SRC:DEST`. */
  explicit: boolean;
  /** `--home` was given at all. */
  custom: boolean;
}

const NO_MOUNT_VALUES = ['proc', 'sys', 'dev', 'devpts', 'home', 'tmp', 'hostfs', 'cwd', 'bind-paths'];

/** The values of --no-mount; unknown ones are warned of. */
export function parseNoMount(values: string[], notes: Notes): Set<string> {
  const found = new Set<string>();
  for (const value of values.flatMap((text) => text.split(','))) {
    const name = value.trim();
    if (name.startsWith('/')) found.add(normalizeTarget(name));
    else if (NO_MOUNT_VALUES.includes(name)) found.add(name);
    else if (name !== '') notes.warning(`Ignoring unknown mount type '${name}'`);
  }
  return found;
}

/** Adds a bind with the flags that all binds have: recursive; set-user-id files and devices without effect. */
export function addBind(ctx: MountContext, bind: Bind & { source: string; target: string; origin: string }): void {
  ctx.steps.push({ bind: { recursive: true, ...bind } });
}

/** A path of the host as the caller would resolve it. */
export function hostPath(ctx: Pick<MountContext, 'caller'>, path: string): string {
  return path.startsWith('/') ? path : resolve(ctx.caller.cwd, path);
}

export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether `path` is `directory` or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === '/' || path.startsWith(`${directory}/`);
}
