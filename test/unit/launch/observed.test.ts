/** What a remembered launch depends on is noted where it is read; a module that reads in another way would be forgotten. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = resolve(__dirname, '../../../src');

/** Modules that may use node:fs and node:os themselves, and why. */
const TRUSTED = new Set([
  'observed-fs.ts', // notes
  'cli/command-line/version.ts', // unbundled: reads package.json for --version
  'native.ts', // loads the addon; says why when it cannot
  'cli/launch/plan-cache.ts', // removes plans
  'cli/terminal/render.ts', // writes; whether a descriptor is a terminal is noted by begin()
  'runtime/image/open.ts', // the type Stats
]);

/** Imported when needed. Everything that a launch would load is refused to be remembered, or is not a launch. */
const LATER = new Set([
  '../network/fetch', // refuse() before it
  './start-many', // several instances at once are not remembered
  '../image/unpack', // refuse() before it
  '../../runtime/launch/describe', // --dry-run and --verbose
  '../../runtime/instance/hostlist', // --dry-run of several
  'node:os', // sawAccount() before it
  'pino', // launches with DAVIT_LOG are not remembered
  './help/man-page', // no launch
  './signing.apart', // no launch
]);

/** Of process what SightKind.CALLER covers, or what says nothing about a launch. */
const PROCESS = new Set(['pid', 'getuid', 'geteuid', 'getgid', 'getgroups', 'cwd', 'umask', 'arch', 'dlopen', 'env']);

/** The modules that are loaded with src/cli/dispatch.ts and src/cli/launch/launch.ts, by their paths below src/. */
function reached(): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (path: string): void => {
    const name = relative(src, path);
    if (found.has(name) || name.startsWith('schema/')) return;
    const text = readFileSync(path, 'utf8');
    found.set(name, text);
    for (const [, module] of text.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from '(\.[^']+)';$/gms)) {
      const target = join(dirname(path), module as string);
      visit(existsSync(`${target}.ts`) ? `${target}.ts` : join(target, 'index.ts'));
    }
  };
  visit(join(src, 'cli/dispatch.ts'));
  visit(join(src, 'cli/launch/launch.ts'));
  return found;
}

describe('modules that a launch is compiled by', () => {
  const modules = reached();

  it('are all found', () => {
    for (const name of [
      'observed-fs.ts',
      'runtime/launch/compile.ts',
      'runtime/image/open.ts',
      'cli/command-line/environment.ts',
    ]) {
      expect([...modules.keys()]).toContain(name);
    }
  });

  it.each([...modules])('%s reads the machine through observed-fs alone', (name, text) => {
    const foreign = [...text.matchAll(/from '(node:[^']+)'/g)]
      .map(([, module]) => module)
      .filter((module) => module !== 'node:path');
    if (!TRUSTED.has(name)) expect(foreign).toEqual([]);
    // Tables of commands: what a launch loads of them is src/cli/launch/launch.ts, where this began.
    if (/^cli\/commands\/([\w-]+-)?commands\.ts$/.test(name)) return;
    const later = [...text.matchAll(/(?:import|require)\('([^']+)'\)/g)].map(([, module]) => module as string);
    expect(later.filter((module) => !LATER.has(module))).toEqual([]);
  });

  it.each([...modules])('%s asks the process for nothing that is not noted', (_, text) => {
    const code = text.replace(/\/\*\*?[\s\S]*?\*\/|\/\/.*$/gm, '');
    const asked = [...code.matchAll(/\bprocess\.(\w+)/g)].map(([, member]) => member as string);
    expect(asked.filter((member) => !PROCESS.has(member))).toEqual([]);
    // The environment is the caller's, handed in; process.env only as a default of the library, and what the bundler fills in.
    const env = [...code.matchAll(/process\.env(\.\w+)?/g)].map(([whole]) => whole);
    expect(env.filter((use) => use !== 'process.env' && use !== 'process.env.DAVIT_BUILD_VERSION')).toEqual([]);
  });
});
