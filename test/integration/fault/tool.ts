/** The fault tool (kill.cc, tool.cc): compiled when its sources change, beside the fixture images. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesDirectory } from '../support/images';
import type { Outcome, RunOptions, World } from '../support/world';
import { davitPath } from '../support/world';

const sources = ['tool.cc', 'kill.cc', 'tool.h'];

/** Path of the compiled tool. */
export function faultTool(): string {
  const hash = createHash('sha256');
  for (const name of sources) hash.update(readFileSync(join(__dirname, name)));
  const path = join(fixturesDirectory(), `fault-tool-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(path)) return path;
  const made = `${path}.${process.pid}`;
  const inputs = sources.filter((name) => name.endsWith('.cc')).map((name) => join(__dirname, name));
  execFileSync('g++', ['-std=c++20', '-O1', '-static', '-o', made, ...inputs], { stdio: 'pipe' });
  renameSync(made, path);
  return path;
}

/**
 * Runs bin/davit under the tool: `runTool(world, ['refuse', 'memfd_create', '1'], ['instance', 'start', …])`. Without the
 * plan cache: the tool waits for the launcher that Node executes, and a remembered launch has none.
 */
export function runTool(world: World, verb: string[], args: string[], options: RunOptions = {}): Promise<Outcome> {
  const env = { DAVIT_PLAN_CACHE: 'off', ...options.env };
  return world.command(faultTool(), [...verb, davitPath, ...args], { ...options, env });
}
