/** Programs that serve file systems by FUSE, and the device that they need. */
import { constants } from '../../observed-fs';
import { findProgram, mayAccess } from '../access';

const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const FUSE_DEVICE = '/dev/fuse';

export const NO_FUSE = `${FUSE_DEVICE} is missing or not permitted`;

/** The program of that name on the configured path (`binary path`), and behind it the usual one. */
export function findServer(name: string, binaryPath: string, callerPath: string | undefined): string | undefined {
  const directories = binaryPath.replace('$PATH', callerPath ?? '').split(':');
  return findProgram([name], directories.concat(DEFAULT_PATH));
}

export function canUseFuse(): boolean {
  return mayAccess(FUSE_DEVICE, constants.R_OK | constants.W_OK);
}
