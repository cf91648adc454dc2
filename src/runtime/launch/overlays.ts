/** `--writable`, `--writable-tmpfs` and `--overlay`. */
import { RuntimeError } from '../../errors';
import { accessSync, constants, existsSync } from '../../observed-fs';
import type { LaunchConfig } from '../config/directives';
import type { Image } from '../image/types';
import { hostPath, isDirectory } from './mount-context';
import type { Notes } from './notes';
import type { Caller, LaunchOptions } from './options';
import type { Step } from './plan';

export interface OverlayPlan {
  /** Read-only directories over the image, the last one uppermost. */
  layers: Step[];
  writable: boolean;
  writableTmpfs: boolean;
  /** Persistent directory for changes. */
  upper?: { upperDir: string; workDir: string };
}

/** @throws RuntimeError OPTION when the options contradict each other or a directory cannot be used. */
export function planOverlays(
  options: LaunchOptions,
  image: Image,
  caller: Caller,
  config: LaunchConfig,
  notes: Notes,
): OverlayPlan {
  const specs = options.overlay.flatMap((text) => text.split(',')).filter((text) => text !== '');
  if (options.writable) {
    if (specs.length > 0)
      throw contradiction('cannot use --overlay in conjunction with --writable', 'choose one of the two');
    if (options.writableTmpfs || options.compat) {
      notes.warning('Disabling --writable-tmpfs flag, mutually exclusive with --writable');
    }
    checkWritable(image);
    return { layers: [], writable: true, writableTmpfs: false };
  }
  const writableTmpfs = options.writableTmpfs || options.compat;
  if (config.enableOverlay === 'no' && (writableTmpfs || specs.length > 0)) {
    throw contradiction(
      'overlays are disabled by the configuration ("enable overlay = no")',
      'ask the administrator of this site',
    );
  }
  const plan: OverlayPlan = { layers: [], writable: false, writableTmpfs };
  for (const spec of specs) addOverlay(plan, spec, caller);
  if (plan.upper && writableTmpfs) {
    const what = `you can't specify --writable-tmpfs with another writable overlay (${parentOf(plan.upper.upperDir)})`;
    throw contradiction(`while loading overlay images: ${what}`, 'append ":ro" to the overlay');
  }
  return plan;
}

function addOverlay(plan: OverlayPlan, spec: string, caller: Caller): void {
  const readOnly = spec.endsWith(':ro');
  const path = hostPath({ caller }, readOnly ? spec.slice(0, -3) : spec.replace(/:rw$/, ''));
  if (!isDirectory(path)) throw unusable(path);
  if (readOnly) {
    plan.layers.push({ mountDirectory: { path: existsSync(`${path}/upper`) ? `${path}/upper` : path } });
    return;
  }
  if (plan.upper) {
    const other = parentOf(plan.upper.upperDir);
    const what = `you can't specify more than one writable overlay, ${other} contains a writable overlay`;
    throw contradiction(`while loading overlay images: ${what}, requires to use '--overlay ${path}:ro'`);
  }
  checkUpper(path);
  plan.upper = { upperDir: `${path}/upper`, workDir: `${path}/work` };
}

function unusable(path: string): RuntimeError {
  const what = existsSync(path)
    ? `${path} is no directory: overlay images are not supported yet`
    : `failed to open overlay image ${path}: no such file or directory`;
  return new RuntimeError('OPTION', `while loading overlay images: ${what}`, {
    path,
    hint: 'use a directory that exists',
  });
}

/** The launch makes upper and work; where it may not, it is better said before anything is mounted. */
function checkUpper(path: string): void {
  for (const directory of ['upper', 'work']) {
    const present = existsSync(`${path}/${directory}`);
    if (canWrite(present ? `${path}/${directory}` : path)) continue;
    throw new RuntimeError('OPTION', `setup of overlay ${directory} dir failed: no permission to write to "${path}"`, {
      path,
      errno: 'EACCES',
      hint: "append ':ro' to the overlay, or use a directory of your own",
    });
  }
}

/** A sandbox that its caller may write to. A SIF with a writable overlay partition is not there yet. */
function checkWritable({ kind, path }: Image): void {
  if (!canWrite(path)) {
    throw new RuntimeError('OPTION', `could not use ${path} for writing, you don't have write permissions`, {
      path,
      errno: 'EACCES',
      hint: 'use --writable-tmpfs, or a sandbox directory of your own',
    });
  }
  if (kind === 'sandbox') return;
  throw new RuntimeError('OPTION', `no SIF writable overlay partition found in ${path}`, {
    path,
    hint: 'use --writable-tmpfs or --overlay, or unpack the image into a sandbox',
  });
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function contradiction(message: string, hint?: string): RuntimeError {
  return new RuntimeError('OPTION', message, { hint });
}
