/** The programs davit is measured beside: which were asked for, and how they are called. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { RuntimeError } from '../errors';

export const PEERS = ['apptainer', 'crun', 'bwrap', 'podman'] as const;
export type PeerName = (typeof PEERS)[number];

const CALL_MS = 60_000;

export interface PeerRequest {
  name: PeerName;
  /** Words that call it, where that is not its name on PATH. */
  words?: readonly string[];
}

/** How a peer is called. */
export interface PeerCommand {
  /** Words that enter the root directory in which it is installed; they end in an exec. */
  prefix: readonly string[];
  /** Absolute path there. */
  program: string;
}

/**
 * What `--compare` says: names, `all` for those there are, `NAME=COMMAND` for a peer that is called otherwise. For those
 * without a command the variable DAVIT_BENCH_NAME gives one.
 * @throws RuntimeError OPTION for a name that is not known
 */
export function parseCompare(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): PeerRequest[] {
  const requests = new Map<PeerName, PeerRequest>();
  for (const word of words) {
    const [given = '', ...rest] = word.split('=');
    const name = given.trim();
    if (name === '' && rest.length === 0) continue;
    const names = name === 'all' && rest.length === 0 ? PEERS : [name];
    for (const one of names) {
      if (!isPeer(one)) {
        throw new RuntimeError('OPTION', `--compare "${word}": no such runtime`, {
          path: '--compare',
          hint: `the runtimes are ${PEERS.join(', ')}, and all`,
        });
      }
      const command = (rest.length > 0 ? rest.join('=') : (env[`DAVIT_BENCH_${one.toUpperCase()}`] ?? '')).trim();
      if (command === '' && rest.length > 0) {
        throw new RuntimeError('OPTION', `--compare "${word}": no command behind "="`, { path: '--compare' });
      }
      requests.set(one, { name: one, ...(command === '' ? undefined : { words: command.split(/\s+/) }) });
    }
  }
  return [...requests.values()];
}

function isPeer(name: string): name is PeerName {
  return (PEERS as readonly string[]).includes(name);
}

/**
 * Finds a peer. The last word of its command is the program, the words before it enter the root directory it is in.
 * @throws Error whose message says why it cannot be measured
 */
export function findPeer({ name, words = [name] }: PeerRequest, path: string): PeerCommand {
  const prefix = words.slice(0, -1);
  const program = words.at(-1) as string;
  if (prefix.length === 0) {
    const found = program.includes('/') ? program : onPath(program, path);
    if (found !== undefined && isExecutable(found)) return { prefix, program: found };
    throw new Error(words.length === 1 && program === name ? 'not on PATH' : `no program "${program}"`);
  }
  try {
    const found = callPeer({ prefix, program: '/bin/sh' }, ['-c', 'command -v "$0"', program]).trim();
    return { prefix, program: found };
  } catch {
    throw new Error(`"${words.join(' ')}" cannot be called`);
  }
}

/** The first line of `PROGRAM --version`. @throws Error when it fails */
export function versionOf(command: PeerCommand): string {
  return (callPeer(command, ['--version']).split('\n')[0] ?? '').trim();
}

/** Runs it to its end, unmeasured. @returns its standard output @throws Error when it fails */
export function callPeer(
  { prefix, program }: PeerCommand,
  words: readonly string[],
  options: { cwd?: string; env?: Readonly<Record<string, string | undefined>> } = {},
): string {
  const [file = program, ...args] = [...prefix, program, ...words];
  const { cwd, env = process.env } = options;
  return execFileSync(file, args, {
    cwd,
    env: { ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: CALL_MS,
  });
}

export function onPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
