/**
 * node:fs for what a launch is compiled from: every look is noted (src/witness.ts), so that the plan can be used again as
 * long as the answers are the same. Functions do what their namesakes do; those of another name say what they are for.
 */
import * as fs from 'node:fs';
import { refuse, SIGHT, saw } from './witness';

export { closeSync, constants, fstatSync, readSync } from 'node:fs';

/** Of stat(2) the part that is compared; sizes and times are not. */
export type ObservedStat = Pick<
  fs.Stats,
  | 'dev'
  | 'ino'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'rdev'
  | 'isDirectory'
  | 'isFile'
  | 'isSymbolicLink'
  | 'isCharacterDevice'
  | 'isBlockDevice'
>;

export function existsSync(path: string): boolean {
  saw(SIGHT.STATUS, path);
  return fs.existsSync(path);
}

export function statSync(path: string): ObservedStat {
  saw(SIGHT.STATUS, path);
  return fs.statSync(path);
}

export function lstatSync(path: string, options: { throwIfNoEntry: false }): ObservedStat | undefined;
export function lstatSync(path: string): ObservedStat;
export function lstatSync(path: string, options?: { throwIfNoEntry: false }): ObservedStat | undefined {
  saw(SIGHT.LINK_STATUS, path);
  return fs.lstatSync(path, options);
}

export function accessSync(path: string, mode: number): void {
  saw(SIGHT.ACCESS, `${mode}${path}`);
  fs.accessSync(path, mode);
}

export function readFileSync(path: string, encoding: BufferEncoding): string {
  saw(SIGHT.CONTENT, path);
  return fs.readFileSync(path, encoding);
}

export function readdirSync(path: string): string[] {
  saw(SIGHT.IDENTITY, path);
  return fs.readdirSync(path);
}

/** Opens for reading: size, times and content of the file are noted by its identity. */
export function openSync(path: string, flags: number): number {
  saw(SIGHT.IDENTITY, path);
  return fs.openSync(path, flags);
}

/** Opens a file whose content changes with every use: which file it is, is noted, and nothing else may matter. */
export function openChangingSync(path: string, flags: number): number {
  saw(SIGHT.STATUS, path);
  return fs.openSync(path, flags);
}

/** Opens an instance's record: of what is in it no plan holds anything, for the launcher of a join reads it itself. */
export function openRecordSync(path: string, flags: number): number {
  return fs.openSync(path, flags);
}

/** The path of an open file, links resolved; `path` is what was opened. */
export function readOpenedPathSync(fd: number, path: string): string {
  saw(SIGHT.RESOLVED, path);
  return fs.readlinkSync(`/proc/self/fd/${fd}`);
}

/** What /proc/self/fd says of a descriptor; of anything but a terminal no plan may use more than that it is none. */
export function readTerminalPathSync(fd: number): string {
  saw(SIGHT.CONSOLE, String(fd));
  return fs.readlinkSync(`/proc/self/fd/${fd}`);
}

/** A file whose content follows from who calls (SightKind.CALLER), such as /proc/self/status. */
export function readOfCallerSync(path: string): string {
  return fs.readFileSync(path, 'utf8');
}

/** The words of the command line, as bytes: those that a plan is looked up by, and parameters, which are not in it. */
export function readCommandLineSync(): Buffer {
  return fs.readFileSync('/proc/self/cmdline');
}

/** All of stat(2), for what is rare: a launch that needs it is not remembered. */
export function statFullySync(path: string): fs.Stats | undefined {
  refuse();
  return fs.statSync(path, { throwIfNoEntry: false });
}

/** realpath(3), where /proc is missing: a launch that needs it is not remembered. */
export function realpathSync(path: string): string {
  refuse();
  return fs.realpathSync.native(path);
}
