/** The order of things: options, image and caller in; a launch plan out. Nothing is changed, little is looked up. */
import { basename, resolve } from 'node:path';
import { RuntimeError } from '../../errors';
import { loadConfig } from '../config/config';
import type { LaunchConfig } from '../config/directives';
import type { Image } from '../image/types';
import { stateDirectory } from '../state-directory';
import { parseBinds } from './bind-spec';
import { planEnvironment } from './environment';
import { addHostnameFile, checkHostname } from './generated-files';
import { planHome } from './home';
import { chooseDriver, type DriverChoice, imageLayer, type Sharing, TEMPORARY_DESCRIPTOR } from './image-layer';
import { collectInjected } from './injected';
import { bindList, type InstanceLaunch, planInstance } from './instance-plan';
import { type MountContext, parseNoMount } from './mount-context';
import { addMounts } from './mounts';
import { planNamespaces } from './namespaces';
import { Notes } from './notes';
import type { Action, Caller, LaunchOptions } from './options';
import { planOverlays } from './overlays';
import {
  type CompiledPlan,
  compiled,
  DAVIT_VERSION,
  type LaunchPlan,
  MODE,
  type OutputRequest,
  PLAN_FORMAT,
  type Step,
} from './plan';
import { checkRootOptions, privilegeSteps } from './privileges';
import { rawArguments } from './raw-arguments';
import { actionScript } from './script';

/** Fallback for what the embedded shell does not interpret. */
export const FALLBACK_SHELL = '/bin/sh';
const DEFAULT_UMASK = 0o022;
const MIB = 1024 * 1024;

export interface ImageLaunchRequest {
  action: Action;
  image: Image;
  options: LaunchOptions;
  caller: Caller;
  /** What follows the image: arguments of the runscript, startscript, test or shell. */
  args: string[];
  /** exec: the command and its arguments. */
  command?: string[];
  /** Makes an instance of it. */
  instanceName?: string;
  /** The instance executes the runscript (`instance run`). */
  isRun?: boolean;
  /** Decided by chooseDriver; decided here when absent. */
  choice?: DriverChoice;
  /** The unpacked copy of the image, for the driver `unpacked`. */
  unpackedDir?: string;
  /** The site's configuration; read here when absent. */
  config?: LaunchConfig;
  /** Where instances and loop devices are remembered; DAVIT_STATE_DIR or the default when absent. */
  stateDir?: string;
  output: OutputRequest;
}

/**
 * Compiles the launch of an image.
 * @throws RuntimeError OPTION, BIND, CONFIG, NAMESPACE, IMAGE_UNSUPPORTED: before anything has been changed.
 */
export function compileImageLaunch(request: ImageLaunchRequest): CompiledPlan {
  const notes = new Notes();
  const launch = prepare(request, notes);
  const plan: LaunchPlan = {
    format: PLAN_FORMAT,
    davitVersion: DAVIT_VERSION,
    mode: launch.namespaces.mode,
    namespaces: launch.namespaces.namespaces,
    steps: planSteps(launch),
    program: planProgram(launch),
    output: { ...request.output, image: request.image.given },
  };
  if (request.image.isTemporary) {
    plan.temporaryImage = { path: request.image.path, descriptor: TEMPORARY_DESCRIPTOR };
  }
  if (request.instanceName !== undefined) plan.instance = planInstance(launch, request.instanceName);
  return compiled(plan, notes.list);
}

/** What the parts of a launch look at. */
interface Launch extends Omit<ImageLaunchRequest, keyof InstanceLaunch>, InstanceLaunch {
  notes: Notes;
  config: LaunchConfig;
}

function prepare(request: ImageLaunchRequest, notes: Notes): Launch {
  const { options, caller, image } = request;
  const config = request.config ?? loadSiteConfig(caller, notes);
  checkRootOptions(options, caller);
  checkHostname(options.hostname);
  checkImage(image, config);
  const choice = request.choice ?? chooseDriver(image, options, caller, config);
  const stateDir = request.stateDir ?? stateDirectory(caller.uid, caller.env);
  const isInstance = request.instanceName !== undefined;
  const fuse = choice.driver === 'squashfuse_ll';
  const namespaces = planNamespaces({ options, caller, config, isInstance, fuse, notes });
  const overlays = planOverlays({ options, image, caller, config, notes, loopDir: loopDirectory(stateDir) });
  const binds = parseBinds(options.bind, options.mount, caller.cwd);
  const mounts: MountContext = {
    options,
    config,
    caller,
    notes,
    namespaces,
    contained: options.contain || options.containAll || options.compat,
    writable: overlays.writable,
    changeable: overlays.writable || overlays.writableTmpfs || overlays.keeps !== undefined,
    noMount: parseNoMount(options.noMount, notes),
    ...(image.kind === 'sandbox' ? { rootDir: image.path } : {}),
    home: planHome(options, caller, namespaces.fakeroot),
    steps: [],
  };
  const privileges = privilegeSteps(options, caller, config, namespaces, notes);
  return { ...request, notes, config, choice, namespaces, overlays, binds, mounts, stateDir, privileges };
}

function loadSiteConfig(caller: Caller, notes: Notes): LaunchConfig {
  const { config, warnings } = loadConfig({ env: caller.env });
  for (const text of warnings) notes.warning(text);
  return config;
}

/** Which images the site lets run. It guards against accidents: a user may keep a davit of their own. */
function checkImage({ kind, path }: Image, config: LaunchConfig): void {
  const allowed = {
    sif: config.allowContainerSif,
    squashfs: config.allowContainerSquashfs,
    sandbox: config.allowContainerDir,
  };
  const paths = config.limitContainerPaths;
  const listed = paths.length === 0 || paths.some((directory) => path.startsWith(`${directory.replace(/\/+$/, '')}/`));
  if (allowed[kind] && listed) return;
  const what = allowed[kind] ? 'images outside "limit container paths"' : `images of the kind ${kind}`;
  throw new RuntimeError('IMAGE_UNSUPPORTED', `use the image "${path}": ${what} are disabled by the configuration`, {
    path,
    hint: 'ask the administrator of this site which images may be used',
  });
}

function loopDirectory(stateDir: string): string {
  return `${stateDir}/loops`;
}

/** Who serves which image to a plain user's launches. */
export function fuseDirectory(stateDir: string): string {
  return `${stateDir}/fuse`;
}

/** Who keeps which image of root's mounted. */
export function warmDirectory(stateDir: string): string {
  return `${stateDir}/warm`;
}

/** What launches of one image have in common. A single command uses what it finds and leaves nothing behind. */
function sharing({ stateDir, instanceName, config }: Launch): Sharing {
  const makeShared = instanceName !== undefined;
  return {
    loopDir: loopDirectory(stateDir),
    fuseDir: fuseDirectory(stateDir),
    warmDir: warmDirectory(stateDir),
    makeShared,
    warmMs: makeShared ? config.warmImagesMs : 0,
  };
}

function planSteps(launch: Launch): Step[] {
  const { config, choice, namespaces, overlays, mounts, options, privileges } = launch;
  const { steps } = mounts;
  steps.push(
    { propagation: { private: !config.mountSlave } },
    { session: { sizeBytes: config.sessiondirMaxSize * MIB } },
    imageLayer({ ...launch, ...sharing(launch), choice }),
    ...overlays.layers,
    { rootfs: rootfs(launch) },
  );
  addMounts(mounts, launch.binds);
  addHostnameFile(mounts);
  steps.push({ pivotRoot: {} });
  if (options.hostname !== undefined && namespaces.namespaces.uts) steps.push({ hostname: { name: options.hostname } });
  if (namespaces.innerMap) steps.push({ userNamespace: { idMap: namespaces.innerMap } });
  steps.push(...privileges);
  return steps;
}

function rootfs({ overlays, namespaces, options }: Launch): NonNullable<Step['rootfs']> {
  const { writable, writableTmpfs, upper, server } = overlays;
  return {
    writable,
    sessionUpper: writableTmpfs,
    ...upper,
    ...(server === undefined ? {} : { overlayServer: server }),
    // overlayfs keeps its marks in trusted.* attributes, which only the host's root may write.
    userXattr: namespaces.namespaces.user,
    allowSetuid: options.allowSetuid,
  };
}

function planProgram(launch: Launch): NonNullable<LaunchPlan['program']> {
  const { action, options, caller, notes, namespaces, mounts, image } = launch;
  const isInstance = launch.instanceName !== undefined;
  const scriptAction = launch.isRun ? 'run' : action;
  const injection = collectInjected(options, caller, notes);
  const { contained, home } = mounts;
  return {
    environment: planEnvironment({
      action: scriptAction,
      options,
      injection,
      isInstance,
      home: { value: home.target },
      container: {
        path: { value: image.path },
        name: { value: basename(image.path) },
        binds: { value: bindList(launch.binds) },
      },
    }),
    script: scriptOf(scriptAction, launch, injection),
    arguments: launch.command ?? launch.args,
    ...rawArguments(launch.command ?? launch.args),
    shell: FALLBACK_SHELL,
    workingDirectory: workingDirectory(options.cwd, contained ? home.target : caller.cwd, home.target),
    setUmask: true,
    umask: options.noUmask || options.compat ? DEFAULT_UMASK : caller.umask,
    initIsProgram: (options.noInit || options.compat) && namespaces.mode === MODE.child,
    // A service's group is what `stop` signals; in the foreground the terminal's group is the caller's.
    ownGroup: isInstance,
  };
}

/** The script of an action, for a launch or a join. */
export function scriptOf(
  action: Action,
  { options, output }: Pick<ImageLaunchRequest, 'options' | 'output'>,
  injection: Parameters<typeof actionScript>[0]['injection'],
): string {
  return actionScript({
    action,
    app: options.app !== undefined,
    noEval: options.noEval || options.compat,
    injection,
    messageLevel: output.messageLevel,
    color: output.color,
  });
}

/** `--cwd` or nothing; otherwise the wanted directory, HOME, "/". */
export function workingDirectory(
  asked: string | undefined,
  wanted: string,
  home: string,
): { path: string; fatal: boolean; fallbacks: string[] } {
  if (asked !== undefined) return { path: resolve('/', asked), fatal: true, fallbacks: [] };
  return { path: wanted, fatal: false, fallbacks: [...new Set([home, '/'])].filter((path) => path !== wanted) };
}
