/** `--writable`, `--writable-tmpfs` and `--overlay`. */
import { RuntimeError } from '../../errors';
import { constants, existsSync } from '../../observed-fs';
import { mayAccess } from '../access';
import type { LaunchConfig } from '../config/directives';
import { openOverlayImage } from '../image/open';
import type { Image } from '../image/types';
import { canUseFuse, findServer } from './fuse-programs';
import { hostPath, isDirectory } from './mount-context';
import { needsUserNamespace } from './namespaces';
import type { Notes } from './notes';
import type { Caller, LaunchOptions } from './options';
import { embeddedSteps, type OverlayImageRequest, overlayServer, overlaySteps } from './overlay-images';
import type { Step } from './plan';

export interface OverlayPlan {
  /** What lies over the image, the last one uppermost, and the image that takes the changes, wherever it stands. */
  layers: Step[];
  /** The root itself is written to: there is no overlay. */
  writable: boolean;
  writableTmpfs: boolean;
  /** Persistent directory for changes. */
  upper?: { upperDir: string; workDir: string };
  /** The image or directory that keeps changes. */
  keeps?: string;
  /** The FUSE server that makes the overlay in the kernel's place. */
  server?: string;
}

export interface OverlayRequest {
  options: LaunchOptions;
  image: Image;
  caller: Caller;
  config: LaunchConfig;
  /** Directory that remembers which loop device serves which image. */
  loopDir: string;
  notes: Notes;
}

/**
 * What lies over the image, and where changes go.
 * @throws RuntimeError OPTION when the options contradict each other or an overlay cannot be used; IMAGE_OPEN,
 *   IMAGE_FORMAT for overlay images
 */
export function planOverlays(request: OverlayRequest): OverlayPlan {
  const plan = chooseOverlays(request);
  const server = overlayServer(imageRequest(request), plan.layers);
  return server === undefined ? plan : { ...plan, server };
}

function chooseOverlays(request: OverlayRequest): OverlayPlan {
  const { options, image, config, notes } = request;
  const specs = options.overlay.flatMap((text) => text.split(',')).filter((text) => text !== '');
  if (options.writable) {
    if (specs.length > 0)
      throw contradiction('cannot use --overlay in conjunction with --writable', 'choose one of the two');
    if (options.writableTmpfs || options.compat) {
      notes.warning('Disabling --writable-tmpfs flag, mutually exclusive with --writable');
    }
    checkWritable(image);
    if (image.kind === 'sandbox') return { layers: [], writable: true, writableTmpfs: false };
    const layers = embeddedSteps(imageRequest(request), image, true);
    return { layers, writable: false, writableTmpfs: false, keeps: image.path };
  }
  const writableTmpfs = options.writableTmpfs || options.compat;
  if (config.enableOverlay === 'no' && (writableTmpfs || specs.length > 0)) {
    throw contradiction(
      'overlays are disabled by the configuration ("enable overlay = no")',
      'ask the administrator of this site',
    );
  }
  const plan: OverlayPlan = { layers: [], writable: false, writableTmpfs };
  if (image.overlays && config.enableOverlay !== 'no') {
    plan.layers.push(...embeddedSteps(imageRequest(request), image, false));
  }
  for (const spec of specs) addOverlay(plan, spec, request);
  if (plan.keeps !== undefined && writableTmpfs) {
    const kind = plan.upper ? '' : 'image ';
    const what = `you can't specify --writable-tmpfs with another writable overlay ${kind}(${plan.keeps})`;
    throw contradiction(`while loading overlay images: ${what}`, 'append ":ro" to the overlay');
  }
  return plan;
}

function imageRequest({ options, caller, config, loopDir, notes }: OverlayRequest): OverlayImageRequest {
  const byKernel = !needsUserNamespace(options, caller);
  const find = (name: string): string | undefined => findServer(name, config.binaryPath, caller.env.PATH);
  return { byKernel, find, canUseFuse, loopDir, notes };
}

function addOverlay(plan: OverlayPlan, spec: string, request: OverlayRequest): void {
  const asked = !spec.endsWith(':ro');
  const path = hostPath(request, asked ? spec.replace(/:rw$/, '') : spec.slice(0, -3));
  if (isDirectory(path)) {
    if (asked) addChanges(plan, path, () => checkUpper(path), { upperDir: `${path}/upper`, workDir: `${path}/work` });
    else plan.layers.push({ mountDirectory: { path: existsSync(`${path}/upper`) ? `${path}/upper` : path } });
    return;
  }
  const sources = openedImage(path);
  const changes = asked && sources.some(({ fsType }) => fsType === 'ext3');
  const permitted = changes && mayAccess(path, constants.W_OK);
  if (changes && !permitted) request.notes.warning(`Overlay image ${path} is not writable, proceeding with read-only`);
  if (permitted) addChanges(plan, path);
  plan.layers.push(...overlaySteps(imageRequest(request), path, sources, permitted));
}

/** There is one place for changes. */
function addChanges(plan: OverlayPlan, path: string, check?: () => void, upper?: OverlayPlan['upper']): void {
  if (plan.keeps !== undefined) {
    const what = `you can't specify more than one writable overlay, ${plan.keeps} contains a writable overlay`;
    throw contradiction(`while loading overlay images: ${what}, requires to use '--overlay ${path}:ro'`);
  }
  check?.();
  plan.keeps = path;
  if (upper) plan.upper = upper;
}

function openedImage(path: string): ReturnType<typeof openOverlayImage> {
  let sources: ReturnType<typeof openOverlayImage>;
  try {
    sources = openOverlayImage(path);
  } catch (cause) {
    if (!(cause instanceof RuntimeError)) throw cause;
    const reason = cause.message.replace(`could not open image ${path}: `, '');
    throw new RuntimeError(
      cause.code,
      `while loading overlay images: failed to open overlay image ${path}: ${reason}`,
      {
        path,
        errno: cause.errno,
        hint: 'use a directory, an ext3 image ("davit overlay create") or a squashfs file',
        cause,
      },
    );
  }
  if (sources.length > 0) return sources;
  throw new RuntimeError('OPTION', `while loading overlay images: no overlay partition found in ${path}`, {
    path,
    hint: `add one: davit overlay create ${path}`,
  });
}

/** The launch makes upper and work; where it may not, it is better said before anything is mounted. */
function checkUpper(path: string): void {
  for (const directory of ['upper', 'work']) {
    const present = existsSync(`${path}/${directory}`);
    if (mayAccess(present ? `${path}/${directory}` : path, constants.W_OK)) continue;
    throw new RuntimeError('OPTION', `setup of overlay ${directory} dir failed: no permission to write to "${path}"`, {
      path,
      errno: 'EACCES',
      hint: "append ':ro' to the overlay, or use a directory of your own",
    });
  }
}

/** A sandbox, or a SIF with an ext3 overlay partition, that its caller may write to. */
function checkWritable({ kind, path, overlays, isTemporary }: Image): void {
  if (!mayAccess(path, constants.W_OK)) {
    throw new RuntimeError('OPTION', `could not use ${path} for writing, you don't have write permissions`, {
      path,
      errno: 'EACCES',
      hint: 'use --writable-tmpfs, or a sandbox directory of your own',
    });
  }
  if (kind === 'sandbox' || (!isTemporary && overlays?.some(({ fsType }) => fsType === 'ext3'))) return;
  throw new RuntimeError('OPTION', `no SIF writable overlay partition found in ${path}`, {
    path,
    hint: `use --writable-tmpfs or --overlay, or add a partition: davit overlay create ${path}`,
  });
}

function contradiction(message: string, hint?: string): RuntimeError {
  return new RuntimeError('OPTION', message, { hint });
}
