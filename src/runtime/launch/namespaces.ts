/** Which namespaces a launch makes, which ids are seen inside, and what is left of the privileges. */
import { RuntimeError } from '../../errors';
import type { LaunchConfig } from '../config/directives';
import type { Notes } from './notes';
import type { Caller, LaunchOptions } from './options';
import { type IdMap, MODE } from './plan';
import { findSubordinateIds, type SubordinateIds } from './subordinate-ids';

export interface NamespaceRequest {
  options: LaunchOptions;
  caller: Caller;
  config: LaunchConfig;
  isInstance: boolean;
  /** The root comes out of a FUSE server: its files must belong to an id that the first user namespace maps. */
  fuse: boolean;
  notes: Notes;
  /** For tests: where subordinate ids and their helpers are looked for. */
  findIds?: (caller: Caller) => SubordinateIds | undefined;
}

export interface NamespacePlan {
  mode: number;
  namespaces: { user: boolean; mount: true; pid: boolean; ipc: boolean; uts: boolean; net: boolean; idMap?: IdMap };
  /** Map of a second user namespace that gives the caller its own ids back. */
  innerMap?: IdMap;
  /** The ids that the payload sees itself have. */
  inside: { uid: number; gid: number };
  fakeroot: boolean;
}

/**
 * Namespaces for a launch of an image.
 * @throws RuntimeError NAMESPACE when a needed one is forbidden by the configuration, OPTION for a network.
 */
export function planNamespaces(request: NamespaceRequest): NamespacePlan {
  const { options, caller, config, isInstance, notes } = request;
  const user = needsUserNamespace(options, caller);
  if (user && !config.allowUserNs) {
    throw new RuntimeError('NAMESPACE', 'user namespaces are disabled by the configuration ("allow user ns = no")', {
      hint: 'ask the administrator of this site; without a user namespace only root can launch',
    });
  }
  checkNetwork(options);
  const allowed = (wanted: boolean, allow: boolean, name: string): boolean => {
    if (wanted && !allow) notes.warning(`Skipping ${name} namespace creation: disabled by the configuration`);
    return wanted && allow;
  };
  const contained = options.containAll || options.compat;
  const pid = isInstance || ((options.pid || contained) && !options.noPid);
  const namespaces: NamespacePlan['namespaces'] = {
    user,
    mount: true,
    // An instance is its process 1: nothing can stand in for its namespace.
    pid: isInstance || allowed(pid, config.allowPidNs, 'pid'),
    ipc: allowed(options.ipc || contained, config.allowIpcNs, 'ipc'),
    uts: allowed(options.uts || options.hostname !== undefined, config.allowUtsNs, 'uts'),
    net: options.net || options.network !== undefined,
  };
  const ids = user ? planIds(request) : { inside: { uid: caller.uid, gid: caller.gid }, fakeroot: false };
  if (ids.outer) namespaces.idMap = ids.outer;
  const mode = isInstance ? MODE.instance : namespaces.pid ? MODE.child : MODE.inPlace;
  return { mode, namespaces, innerMap: ids.inner, inside: ids.inside, fakeroot: ids.fakeroot };
}

/** Only root of the host does without: everyone else gains the right to mount by a user namespace. */
export function needsUserNamespace(options: LaunchOptions, caller: Caller): boolean {
  return !caller.privileged || options.userns || options.fakeroot;
}

/** Networks other than none are another chapter. */
function checkNetwork(options: LaunchOptions): void {
  if (!options.net && options.network === undefined) return;
  if (options.network === 'none') return;
  throw new RuntimeError('OPTION', `network "${options.network ?? 'bridge'}" is not supported yet`, {
    path: '--network',
    hint: 'use "--net --network none" for a network of its own with only loopback, or leave --net out',
  });
}

interface IdPlan {
  outer?: IdMap;
  inner?: IdMap;
  inside: { uid: number; gid: number };
  fakeroot: boolean;
}

function planIds({ options, caller, fuse, notes, findIds = findSubordinateIds }: NamespaceRequest): IdPlan {
  const { uid, gid } = caller;
  const asRoot = singleMap(0, uid, 0, gid);
  if (options.fakeroot) {
    const inside = { uid: 0, gid: 0 };
    const ids = options.ignoreSubuid ? undefined : findIds(caller);
    if (!ids) {
      if (uid !== 0) notes.info('User not listed in /etc/subuid, trying root-mapped namespace');
      return { outer: asRoot, inside, fakeroot: true };
    }
    return { outer: subordinateMap(caller, ids), inside, fakeroot: true };
  }
  const inside = { uid, gid };
  // Files of an image belong to root. Where no id stands for it, an overlay cannot copy them up (EOVERFLOW, EACCES):
  // a FUSE root is mounted where 0 is the caller, and a second namespace gives the caller its own ids back.
  if (!fuse || (uid === 0 && gid === 0)) return { outer: singleMap(uid, uid, gid, gid), inside, fakeroot: false };
  return { outer: asRoot, inner: singleMap(uid, 0, gid, 0), inside, fakeroot: false };
}

function singleMap(uid: number, outsideUid: number, gid: number, outsideGid: number): IdMap {
  return {
    uid: [{ inside: uid, outside: outsideUid, count: 1 }],
    gid: [{ inside: gid, outside: outsideGid, count: 1 }],
  };
}

/** 0 is the caller, 1 and up are the ids that the site has given the caller. */
function subordinateMap({ uid, gid }: Caller, ids: SubordinateIds): IdMap {
  return {
    uid: [
      { inside: 0, outside: uid, count: 1 },
      { inside: 1, outside: ids.uid.start, count: ids.uid.count },
    ],
    gid: [
      { inside: 0, outside: gid, count: 1 },
      { inside: 1, outside: ids.gid.start, count: ids.gid.count },
    ],
    uidHelper: ids.uidHelper,
    gidHelper: ids.gidHelper,
  };
}
