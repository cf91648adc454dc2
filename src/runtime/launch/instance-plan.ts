/** The part of a plan that is an instance's: where it is kept, and what its record says before the start. */
import { basename, resolve } from 'node:path';
import { davit } from '../../schema/generated/record';
import type { Image } from '../image/types';
import type { BindSpec } from './bind-spec';
import type { DriverChoice } from './image-layer';
import type { MountContext } from './mount-context';
import type { NamespacePlan } from './namespaces';
import type { Caller, LaunchOptions } from './options';
import type { OverlayPlan } from './overlays';
import { DAVIT_VERSION, type LaunchPlan, type Step } from './plan';

const RECORD_FORMAT = 1;

/** What it looks at. */
export interface InstanceLaunch {
  image: Image;
  options: LaunchOptions;
  caller: Caller;
  stateDir: string;
  choice: DriverChoice;
  namespaces: NamespacePlan;
  overlays: OverlayPlan;
  binds: BindSpec[];
  mounts: MountContext;
  privileges: Step[];
  /** It executes the runscript. */
  isRun?: boolean;
}

/** APPTAINER_BIND: the targets in the order given; nested launches bind them again. */
export function bindList(binds: BindSpec[]): string {
  return binds
    .filter(({ nonested }) => !nonested)
    .map(({ target }) => target)
    .join(',');
}

/** What makes an instance of a launch. */
export function planInstance(launch: InstanceLaunch, name: string): NonNullable<LaunchPlan['instance']> {
  const { options, caller, stateDir } = launch;
  const host = (path: string): string => resolve(caller.cwd, path);
  return {
    stateDir,
    name,
    logDir: options.logDir === undefined ? `${stateDir}/logs` : host(options.logDir),
    record: encodeRecord(launch),
    waitSeconds: options.waitSeconds ?? 0,
    pidFile: options.pidFile === undefined ? '' : host(options.pidFile),
  };
}

/** The part of the record (src/schema/record.proto) that is known before the start. */
function encodeRecord(launch: InstanceLaunch): Uint8Array {
  const { image, caller, namespaces, choice, mounts, overlays, options } = launch;
  const privileges = launch.privileges[0]?.privileges;
  return davit.InstanceRecord.encode({
    format: RECORD_FORMAT,
    davitVersion: DAVIT_VERSION,
    uid: caller.uid,
    user: caller.user.name,
    image: image.path,
    imageDev: image.dev,
    imageIno: image.ino,
    driver: choice.driver,
    home: mounts.home.target,
    userNamespace: namespaces.namespaces.user,
    fakeroot: namespaces.fakeroot,
    noNewPrivs: privileges?.noNewPrivs ?? false,
    dropAllCapabilities: privileges?.dropAll ?? false,
    keepCapabilities: privileges?.keepMask ?? 0,
    bindList: bindList(launch.binds),
    imageName: basename(image.path),
    app: options.app ?? '',
    writableTmpfs: overlays.writableTmpfs,
    isRun: launch.isRun ?? false,
  }).finish();
}
