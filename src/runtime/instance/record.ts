/** The instance record (src/schema/record.proto): bytes in, checked values out. */
import { RuntimeError } from '../../errors';
import { davit } from '../../schema/generated/record';

/** Format number of records that this version writes; it reads no other. */
export const RECORD_FORMAT = 1;

/** What is known about an instance. Absent text is '', absent numbers are 0. */
export interface InstanceRecord {
  format: number;
  davitVersion: string;
  name: string;
  uid: number;
  user: string;
  image: string;
  imageDev: number;
  imageIno: number;
  driver: string;
  home: string;
  userNamespace: boolean;
  fakeroot: boolean;
  noNewPrivs: boolean;
  dropAllCapabilities: boolean;
  bindList: string;
  imageName: string;
  app: string;
  writableTmpfs: boolean;
  ip: string;
  command: string[];
  isRun: boolean;
  /** Mask of the capabilities that joins keep to; 0: all. */
  keepCapabilities: number;
  pid: number;
  /** Clock ticks since boot. */
  pidStartTime: number;
  keeperPid: number;
  keeperStartTime: number;
  bootId: string;
  startedAtMs: number;
  namespaces: number;
  logOut: string;
  logErr: string;
  serverPid: number;
  exited: boolean;
  exitStatus: number;
  exitedAtMs: number;
  programPid: number;
}

/** A record that says nothing. */
export const EMPTY_RECORD: InstanceRecord = {
  format: 0,
  davitVersion: '',
  name: '',
  uid: 0,
  user: '',
  image: '',
  imageDev: 0,
  imageIno: 0,
  driver: '',
  home: '',
  userNamespace: false,
  fakeroot: false,
  noNewPrivs: false,
  dropAllCapabilities: false,
  bindList: '',
  imageName: '',
  app: '',
  writableTmpfs: false,
  ip: '',
  command: [],
  isRun: false,
  keepCapabilities: 0,
  pid: 0,
  pidStartTime: 0,
  keeperPid: 0,
  keeperStartTime: 0,
  bootId: '',
  startedAtMs: 0,
  namespaces: 0,
  logOut: '',
  logErr: '',
  serverPid: 0,
  exited: false,
  exitStatus: 0,
  exitedAtMs: 0,
  programPid: 0,
};

/**
 * Reads a record and checks it.
 * @param name the instance it must belong to
 * @throws RuntimeError STATE when it is empty, cut off, foreign, or written by a newer davit
 */
export function decodeRecord(bytes: Uint8Array, name: string): InstanceRecord {
  const damaged = (what: string, hint?: string): RuntimeError =>
    new RuntimeError('STATE', `record of instance ${name}: ${what}`, { path: name, ...(hint ? { hint } : {}) });

  if (bytes.length === 0) throw damaged('empty');
  let record: InstanceRecord;
  try {
    record = davit.InstanceRecord.decode(bytes);
  } catch (cause) {
    throw new RuntimeError('STATE', `record of instance ${name}: cut off or overwritten`, { path: name, cause });
  }
  if (record.format > RECORD_FORMAT) {
    throw damaged(`written by a newer davit (format ${record.format})`, 'use that version of davit');
  }
  const problem = findProblem(record, name);
  if (problem) throw damaged(problem);
  return record;
}

/** What a complete record must hold; a record that was cut between two fields decodes without an error. */
function findProblem(record: InstanceRecord, name: string): string | undefined {
  if (record.format !== RECORD_FORMAT) return `unknown format ${record.format}`;
  if (record.name !== name) return `belongs to "${record.name}"`;
  if (!isPid(record.pid) || !isPid(record.keeperPid)) return 'incomplete: no processes';
  if (!(record.pidStartTime > 0) || !(record.keeperStartTime > 0)) return 'incomplete: no start times';
  if (record.bootId === '' || record.image === '' || !(record.startedAtMs > 0)) return 'incomplete';
  if (!record.logOut.startsWith('/') || !record.logErr.startsWith('/')) return 'incomplete: no log files';
  return undefined;
}

/** Process 1 of the host cannot be an instance, and pid_max never exceeds 2^22 (proc(5)). */
function isPid(pid: number): boolean {
  return Number.isInteger(pid) && pid > 1 && pid <= 4_194_304;
}

/** Encodes a record, or the part of it that the compiler knows. */
export function encodeRecord(record: Partial<InstanceRecord>): Uint8Array {
  return davit.InstanceRecord.encode(record).finish();
}
