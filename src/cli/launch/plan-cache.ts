/** Launches that are remembered, so that the front door can repeat them without Node (docs/plan-cache.md). */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import { native, packageRoot } from '../../native';
import { INSTANCE_URI } from '../../runtime/launch/join';
import type { Action, Caller } from '../../runtime/launch/options';
import { stateDirectory } from '../../runtime/state-directory';
import { davit } from '../../schema/generated/plan-cache';
import { isTimingOption } from '../../timing';
import { testimony } from '../../witness';
import type { CommandContext } from '../command-line/command';

/** Words that follow the image, or instance://NAME, are parameters: the same plan serves all of them. */
export const PARAMETERS: Record<Action, number> = {
  exec: davit.Parameters.COMMAND,
  run: davit.Parameters.ANY,
  test: davit.Parameters.ANY,
  shell: davit.Parameters.NONE,
  start: davit.Parameters.NAME,
};

/** Whether this launch may be remembered at all: it is executed and says nothing of its own. */
export function remembers({ env, options, terminal }: CommandContext): boolean {
  return env.DAVIT_PLAN_CACHE !== 'off' && !env.DAVIT_LOG && !options.has('dryRun') && !terminal.shows('verbose');
}

/**
 * Removes the remembered plans of the caller.
 * @throws RuntimeError STATE
 */
export function cleanPlans(env: CommandContext['env']): void {
  const path = join(stateDirectory(process.getuid?.() ?? 0, env), 'plans');
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (cause) {
    const errno = errnoOf(cause) ?? String(cause);
    throw new RuntimeError('STATE', `remove "${path}": ${errno}`, { path, errno, cause });
  }
}

/**
 * The words by which a plan is found: those that only ask for its timing are none, and may stand wherever an option may.
 * @param line the command line up to the image
 * @param places see CommandContext
 * @returns the words, and the indexes in them in front of which an option may stand
 */
export function keyOf(line: readonly string[], places: readonly number[]): { words: string[]; places: Uint8Array } {
  const words: string[] = [];
  const kept: number[] = [];
  for (const [i, place] of places.entries()) {
    const next = places[i + 1] ?? line.length;
    if (i === 0) words.push(...line.slice(0, place));
    if (kept.at(-1) !== words.length && words.length < 256) kept.push(words.length);
    if (!isTimingOption(line[place] as string)) words.push(...line.slice(place, next));
  }
  return { words, places: Uint8Array.from(kept) };
}

/** Stores a plan for the next launch of the same command line, unless something was said that a repetition would not. */
export function remember(action: Action, plan: Uint8Array, caller: Caller, context: CommandContext): void {
  const { args, words, env, terminal } = context;
  if (terminal.used) return;
  const joins = args[0]?.startsWith(INSTANCE_URI) === true;
  const entry = testimony(
    {
      ...keyOf(
        [...words.slice(0, words.length - args.length), joins ? INSTANCE_URI : (args[0] as string)],
        context.places,
      ),
      parameters: PARAMETERS[action],
      compiler: join(packageRoot(), 'dist', 'davit.cjs'),
      plan,
    },
    env,
  );
  if (entry !== undefined) native().storePlan(stateDirectory(caller.uid, env), entry);
}
