/** State directories as a keeper would leave them, without any process. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { encodeRecord, type InstanceRecord } from '../../../src/runtime/instance/record';

export const uid = process.getuid?.() ?? 0;

/** An empty state directory, removed behind the test. */
export function makeStateDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'davit-state-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function sampleRecord(name: string, changes: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    format: 1,
    davitVersion: '0.1.0',
    name,
    uid,
    user: 'hpc',
    image: '/srv/images/busybox.sif',
    imageDev: 65024,
    imageIno: 4711,
    driver: 'squashfuse_ll',
    home: '/home/hpc',
    userNamespace: true,
    fakeroot: false,
    noNewPrivs: true,
    dropAllCapabilities: true,
    bindList: '',
    imageName: 'busybox.sif',
    app: '',
    writableTmpfs: false,
    ip: '',
    command: ['arg1', 'arg 2'],
    isRun: false,
    keepCapabilities: 0,
    pid: 4242,
    pidStartTime: 123456,
    keeperPid: 4241,
    keeperStartTime: 123455,
    bootId: 'boot-1',
    startedAtMs: 1_700_000_000_000,
    namespaces: 0x2002_0000,
    logOut: `/logs/${name}.out`,
    logErr: `/logs/${name}.err`,
    serverPid: 4243,
    exited: false,
    exitStatus: 0,
    exitedAtMs: 0,
    programPid: 4250,
    ...changes,
  };
}

/** Lays an instance into a state directory; `bytes` in the place of a whole record, `null` for none. */
export function putInstance(
  stateDir: string,
  name: string,
  bytes: Uint8Array | null = encodeRecord(sampleRecord(name)),
): void {
  const directory = join(stateDir, 'instances', name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'lock'), '');
  if (bytes !== null) writeFileSync(join(directory, 'record.pb'), bytes);
}

/** The part of the addon that a store uses; `alive` holds the locks. */
export class FakeLocks {
  readonly removed: string[] = [];
  constructor(readonly alive: Set<string>) {}

  instanceLocked(_stateDir: string, name: string): boolean {
    return this.alive.has(name);
  }
  removeDeadInstance(stateDir: string, name: string): boolean {
    if (this.alive.has(name)) return false;
    rmSync(join(stateDir, 'instances', name), { recursive: true, force: true });
    this.removed.push(name);
    return true;
  }
}
