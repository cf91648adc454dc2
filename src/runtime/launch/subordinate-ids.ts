/** Subordinate ids of the caller: subuid(5), subgid(5) and the helpers that may map them. */
import { existsSync, readFileSync } from '../../observed-fs';
import type { Caller } from './options';

/** A range must serve the ids 1 to 65536 inside. */
const NEEDED_IDS = 65536;
const HELPER_DIRS = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin', '/sbin'];

export interface SubordinateIds {
  uid: { start: number; count: number };
  gid: { start: number; count: number };
  uidHelper: string;
  gidHelper: string;
}

/** The caller's ranges and the helpers, or `undefined` where any of them is missing. */
export function findSubordinateIds(caller: Pick<Caller, 'uid' | 'user'>): SubordinateIds | undefined {
  const uid = findRange(read('/etc/subuid'), caller);
  const gid = uid && findRange(read('/etc/subgid'), caller);
  if (!uid || !gid) return undefined;
  const uidHelper = findHelper('newuidmap');
  const gidHelper = findHelper('newgidmap');
  return uidHelper && gidHelper ? { uid, gid, uidHelper, gidHelper } : undefined;
}

/** The first `user:start:count` of the caller that is large enough. A line that begins with `!` is switched off. */
export function findRange(
  text: string,
  { uid, user }: Pick<Caller, 'uid' | 'user'>,
): { start: number; count: number } | undefined {
  for (const line of text.split('\n')) {
    const [name, start, count] = line.split(':');
    if (name !== user.name && name !== String(uid)) continue;
    if (!isId(start) || !isId(count) || Number(count) < NEEDED_IDS) continue;
    return { start: Number(start), count: NEEDED_IDS };
  }
  return undefined;
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= 0xffff_ffff;
}

function findHelper(name: string): string | undefined {
  return HELPER_DIRS.map((directory) => `${directory}/${name}`).find((path) => existsSync(path));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
