/**
 * Stopping an instance whose record is damaged. Its lock says that it is alive; who holds it stands nowhere (for open
 * file description locks /proc/locks has no PID), so the keeper is found by the lock file that it has open.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { NativeAddon } from '../../native';
import { EMPTY_RECORD, type InstanceRecord, RECORD_FORMAT } from './record';

/**
 * What is needed to stop the instance: its init, its keeper, their start times.
 * @returns `undefined` when no such processes are found
 */
export function recoverRecord(
  stateDir: string,
  name: string,
  addon: Pick<NativeAddon, 'processStartTime'>,
): Pick<InstanceRecord, 'name' | 'pid' | 'pidStartTime' | 'keeperPid' | 'keeperStartTime'> | undefined {
  const lock = join(realpathSync(stateDir), 'instances', name, 'lock');
  for (const keeperPid of holdersOf(lock)) {
    const keeperStartTime = addon.processStartTime(keeperPid);
    const pid = initOf(keeperPid);
    const pidStartTime = pid === undefined ? null : addon.processStartTime(pid);
    if (pid === undefined || pidStartTime === null || keeperStartTime === null) continue;
    // Whether it still is the same process is asked again, after its start time is known.
    if (!hasOpen(keeperPid, lock)) continue;
    return { name, pid, pidStartTime: Number(pidStartTime), keeperPid, keeperStartTime: Number(keeperStartTime) };
  }
  return undefined;
}

/** A record of nothing but what recoverRecord() found; enough for stopInstances(). */
export function minimalRecord(found: NonNullable<ReturnType<typeof recoverRecord>>, bootId: string): InstanceRecord {
  return { ...EMPTY_RECORD, format: RECORD_FORMAT, image: '(damaged record)', ...found, bootId };
}

function holdersOf(path: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => hasOpen(pid, path));
}

function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkTarget(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    return false; // gone, or another user's
  }
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** The child that is process 1 of a PID namespace one level below (NSpid in proc(5)). */
function initOf(keeperPid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${keeperPid}/task/${keeperPid}/children`, 'latin1').trim().split(' ');
    return children.map(Number).find((pid) => pid > 1 && isInit(pid));
  } catch {
    return undefined;
  }
}

function isInit(pid: number): boolean {
  const line = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  const pids = line?.[1]?.split(/\s+/) ?? [];
  return pids.length > 1 && pids[pids.length - 1] === '1';
}
