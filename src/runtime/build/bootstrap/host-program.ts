/** Programs of the host that bootstrap agents use. */
import { accessSync, constants, statSync } from 'node:fs';
import { RuntimeError } from '../../../errors';
import type { BuildContext } from '../context';
import { exitWords } from '../exit-words';
import { runProgram } from '../host-script';

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
  for (const name of names) {
    for (const directory of searchPath(env).split(':')) {
      const path = `${directory}/${name}`;
      if (isProgram(path)) return path;
    }
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
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

/** Runs a program of the host; its output goes where ours goes. @throws RuntimeError IMAGE_BUILD when it fails */
export async function runHostProgram(
  program: string,
  args: string[],
  ctx: BuildContext,
  variables: Record<string, string> = {},
): Promise<void> {
  const env = { ...ctx.caller.env, PATH: searchPath(ctx.caller.env), ...variables };
  ctx.onVerbose(`Running ${program} ${args.join(' ')}`);
  const { exitStatus, signal } = await runProgram(program, args, env, ctx);
  if (exitStatus === 0) return;
  const name = program.slice(program.lastIndexOf('/') + 1);
  throw new RuntimeError('IMAGE_BUILD', `${name}: ${exitWords(exitStatus, signal)}`, { path: program });
}

/** Words of a header value: separated by blanks or commas. */
export function wordsOf(value: string): string[] {
  return value.split(/[\s,]+/).filter((word) => word !== '');
}
