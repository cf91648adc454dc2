/** Programs of the host that a build uses. */
import { RuntimeError } from '../../../errors';
import { findProgram } from '../../access';

/** Where root's programs are, which a user's PATH may lack. */
const MORE_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

type Environment = Readonly<Record<string, string | undefined>>;

/** PATH with the directories of root's programs. */
export function searchPath(env: Environment): string {
  const own = (env.PATH ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return [...new Set([...own, ...MORE_DIRECTORIES])].join(':');
}

/** The first of these programs that the host has. */
export function findHostProgram(names: readonly string[], env: Environment): string | undefined {
  return findProgram(names, searchPath(env).split(':'));
}

/**
 * The first of these programs that the host has.
 * @param install how to get it
 * @throws RuntimeError IMAGE_BUILD when there is none
 */
export function requireHostProgram(names: readonly string[], env: Environment, install: string): string {
  const found = findHostProgram(names, env);
  if (found !== undefined) return found;
  throw new RuntimeError('IMAGE_BUILD', `${names.join(' or ')} is not in PATH`, { path: names[0], hint: install });
}
