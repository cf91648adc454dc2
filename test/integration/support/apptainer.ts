/** The real Apptainer, where the machine has one: DAVIT_TEST_APPTAINER="WORDS" that call it, else `apptainer` on PATH. */
import { spawnSync } from 'node:child_process';
import { describe, test } from 'vitest';
import { findProgram } from './capabilities';
import type { Outcome, RunOptions, World } from './world';

const words = (process.env.DAVIT_TEST_APPTAINER ?? findProgram('apptainer') ?? '').split(/\s+/).filter(Boolean);

/** What is missing, or nothing. */
function missing(): string | undefined {
  const [program, ...args] = words;
  if (program === undefined) return 'apptainer is not on PATH, and DAVIT_TEST_APPTAINER is not set';
  const { status, stdout } = spawnSync(program, [...args, '--version'], { encoding: 'utf8' });
  return status === 0 && stdout.startsWith('apptainer ') ? undefined : `"${words.join(' ')} --version" does not work`;
}

/**
 * `describe` for tests that compare with Apptainer. Debian has no package of it for its stable release, so that it is a
 * named skip on every machine without, continuous integration included.
 */
export function describeWithApptainer(title: string, body: () => void): void {
  const reason = missing();
  if (reason === undefined) describe(title, body);
  else describe(title, () => test.skip(`(needs apptainer: ${reason})`, () => undefined));
}

/** Runs Apptainer to its end. It may be another user: what it reads and writes must allow that. */
export function apptainer(world: World, options: RunOptions, ...args: string[]): Promise<Outcome> {
  const [program = 'apptainer', ...first] = words;
  // With the account's home directory: Apptainer keeps instances there, whatever HOME says.
  const env = { HOME: undefined, DAVIT_STATE_DIR: undefined, ...options.env };
  return world.command(program, [...first, ...args], { ...options, env });
}
