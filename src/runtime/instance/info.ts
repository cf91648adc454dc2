/** An instance as programs see it. */
import type { InstanceRecord } from './record';

export interface InstanceInfo {
  name: string;
  /** Host PID of process 1 of the instance. */
  pid: number;
  /** Absolute path of the image. */
  image: string;
  /** First address of its network, '' where it has the host's. */
  ip: string;
  logErr: string;
  logOut: string;
  /** `exited`: the startscript has ended; the instance itself stays up until it is stopped. */
  state: 'running' | 'exited';
  /** Of the startscript, once it has ended: its exit code, or 128 + signal. */
  exitStatus: number | null;
  exitedAt: Date | null;
  startedAt: Date;
  /** How the image is mounted: `squashfs`, `squashfuse_ll`, `unpacked` or `sandbox`. */
  driver: string;
  userns: boolean;
  fakeroot: boolean;
  writableTmpfs: boolean;
  user: string;
  uid: number;
  app: string;
  /** Arguments of the startscript. */
  command: string[];
  /** Started by `instance run`. */
  isRun: boolean;
  keeperPid: number;
  /** The FUSE server; 0 without one. */
  serverPid: number;
  /** Host PID of the startscript; 0 when it is not known. */
  programPid: number;
  davitVersion: string;
}

/** In the order in which `instance list --json` prints the members. */
export function instanceInfo(record: InstanceRecord): InstanceInfo {
  return {
    name: record.name,
    pid: record.pid,
    image: record.image,
    ip: record.ip,
    logErr: record.logErr,
    logOut: record.logOut,
    state: record.exited ? 'exited' : 'running',
    exitStatus: record.exited ? record.exitStatus : null,
    exitedAt: record.exited ? new Date(record.exitedAtMs) : null,
    startedAt: new Date(record.startedAtMs),
    driver: record.driver,
    userns: record.userNamespace,
    fakeroot: record.fakeroot,
    writableTmpfs: record.writableTmpfs,
    user: record.user,
    uid: record.uid,
    app: record.app,
    command: record.command,
    isRun: record.isRun,
    keeperPid: record.keeperPid,
    serverPid: record.serverPid,
    programPid: record.programPid,
    davitVersion: record.davitVersion,
  };
}
