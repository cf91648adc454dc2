/**
 * The third way to be root: fakeroot(1) in a user namespace with one id. Its daemon remembers owners that the file system
 * cannot hold; its library, preloaded into every program of the build, asks the daemon.
 */
import { constants, readdirSync } from 'node:fs';
import { RuntimeError } from '../../../errors';
import { mayAccess } from '../../access';
import { findHostProgram } from './host-program';

export interface FakerootCommand {
  /** faked(1). */
  daemon: string;
  /** The library that is preloaded. */
  library: string;
}

const DAEMONS = ['faked-sysv', 'faked'];
const LIBRARIES = ['libfakeroot-sysv.so', 'libfakeroot.so'];

/** Daemon and library, when both are installed. Those that talk by TCP are not used: the network is everybody's. */
export function findFakeroot(env: Readonly<Record<string, string | undefined>>): FakerootCommand | undefined {
  const daemon = findHostProgram(DAEMONS, env);
  if (daemon === undefined) return undefined;
  for (const directory of libraryDirectories()) {
    for (const name of LIBRARIES) {
      const library = `${directory}/${name}`;
      if (mayAccess(library, constants.R_OK)) return { daemon, library };
    }
  }
  return undefined;
}

/** Multiarch directories of Debian first: the machine's own comes first in the list of names that have the library. */
function libraryDirectories(): string[] {
  const multiarch = list('/usr/lib').filter((name) => /^\w+-linux-gnu/.test(name));
  return [
    ...multiarch.map((name) => `/usr/lib/${name}/libfakeroot`),
    '/usr/lib64/libfakeroot',
    '/usr/lib/libfakeroot',
    '/usr/lib64',
    '/usr/lib',
  ];
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/**
 * Variables that put a program under fakeroot.
 * @param library its path where the program sees it
 * @param key of the daemon
 */
export function fakerootVariables(library: string, key: string): Record<string, string> {
  // Owners that the namespace does not map are refused with EINVAL, which the library would pass on.
  return { LD_PRELOAD: library, FAKEROOTKEY: key, FAKEROOTDONTTRYCHOWN: '1' };
}

export interface FakerootDaemon {
  key: string;
  stop(): void;
}

/** Starts the daemon as a child. @throws RuntimeError NATIVE when it does not start */
export async function startFakeroot({ daemon }: FakerootCommand): Promise<FakerootDaemon> {
  const { spawn } = require('node:child_process') as typeof import('node:child_process');
  const child = spawn(daemon, ['--foreground'], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  child.unref();
  const key = await new Promise<string>((resolve, reject) => {
    const fail = (reason: string): void =>
      reject(new RuntimeError('NATIVE', `run "${daemon}": ${reason}`, { hint: 'use --ignore-fakeroot-command' }));
    child.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    child.once('exit', (status) => fail(`exit status ${status}`));
    child.stdout.once('data', (bytes: Buffer) => {
      const [, found] = /^(\d+):\d+/.exec(bytes.toString('latin1')) ?? [];
      if (found === undefined) fail('it named no key');
      else resolve(found);
    });
  });
  return { key, stop: () => child.kill('SIGTERM') };
}
