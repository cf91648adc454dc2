/** Images that are kept mounted: the files that their holders have in the state directory (native/state/shared_image.h). */
import { closeSync, constants, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../errors';
import type { NativeAddon } from '../../native';
import { fuseDirectory, warmDirectory } from '../launch/compile';

export interface KeptImage {
  image: string;
  /** The holder; with its start time it cannot be mistaken. */
  pid: number;
  startTime: string;
  /** The FUSE server; 0 where the kernel reads the image. */
  serverPid: number;
  /** It is kept until then, Unix time in milliseconds; 0 where nobody has asked for it. */
  untilMs: number;
  /** For how long it is kept behind its last instance. */
  afterUseMs: number;
  file: string;
}

const MAX_FILE_BYTES = 8192;
const { O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** Those of the owner of the state directory, which has been checked, in the order of their names. */
export function keptImages(stateDir: string, addon: Pick<NativeAddon, 'processStartTime'>): KeptImage[] {
  const found = [fuseDirectory(stateDir), warmDirectory(stateDir)].flatMap((directory) =>
    namesIn(directory).map((name) => readKept(join(directory, name))),
  );
  return found
    .filter((kept) => kept !== undefined)
    .filter(({ pid, startTime }) => addon.processStartTime(pid) === startTime)
    .sort((a, b) => (a.image < b.image ? -1 : a.image > b.image ? 1 : a.pid - b.pid));
}

/** The image is not kept any longer than it is used. */
export function letGo({ file }: KeptImage): void {
  withFile(file, (fd) => writeSync(fd, `${'0'.repeat(16)} ${'0'.repeat(16)}`, 0, 'latin1'));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** UNTIL BEHIND HOLDER START SERVER START LENGTH, then as many bytes of the image's path. */
function readKept(file: string): KeptImage | undefined {
  const bytes = Buffer.alloc(MAX_FILE_BYTES);
  const size = withFile(file, (fd) => readSync(fd, bytes, 0, bytes.length, 0)) ?? 0;
  const lineEnd = bytes.subarray(0, size).indexOf(10);
  const words = bytes.toString('latin1', 0, Math.max(0, lineEnd)).split(' ');
  if (words.length !== 7 || !words.every((word) => /^\d{1,20}$/.test(word))) return undefined;
  const [until, behind, pid, startTime, server, , length] = words as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    image: bytes.toString('utf8', lineEnd + 1, lineEnd + 1 + Number(length)),
    pid: Number(pid),
    startTime,
    serverPid: Number(server),
    untilMs: Number(until),
    afterUseMs: Number(behind),
    file,
  };
}

/** Files come and go, and what is none of ours is no image. */
function withFile<T>(path: string, use: (fd: number) => T): T | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return use(fd);
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') return undefined;
    throw error;
  } finally {
    closeSync(fd);
  }
}
