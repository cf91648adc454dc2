// npm run build: everything, in order. `node scripts/build.mjs native bundle` does only the parts named.
//   check    compiler, CMake and libraries are here, or one message that names what is not
//   codegen  src/schema/*.proto -> codecs and field numbers
//   native   cmake-js -> build/Release/{davit-launcher,davit.node,davit-image.node}, bin/davit
//   bundle   esbuild -> dist/{cli,ask,cold,index}.cjs, dist/workers/*.cjs, dist/davit.cjs, dist/index.d.ts
//   cache    dist/{cli,ask,cold}.cache, the compiled code of the bundles of the same name for this version of Node
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { requireDependencies } from './check-deps.mjs';
import { die, isMain, root, run, which } from './lib.mjs';

/** The parts in their order; each is a function without arguments. */
export const parts = {
  check: async () => requireDependencies('build'),
  codegen: async () => (await import('./codegen.mjs')).codegen(),
  native: async () => native(),
  bundle: async () => (await import('./bundle.mjs')).bundle(),
  cache: async () => (await import('./code-cache.mjs')).writeCodeCache(),
};

/** Builds the parts named (all without a name). */
export async function build(names = Object.keys(parts)) {
  if (!existsSync(join(root, 'node_modules/esbuild'))) die('node_modules is missing or incomplete', 'run: npm ci');
  for (const [name, part] of Object.entries(parts)) if (names.includes(name)) await part();
}

function native() {
  const directory = join(root, 'build');
  mkdirSync(directory, { recursive: true });
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  // Two builds at once would write the same files; flock(1) is part of util-linux, and without it nobody is stopped.
  const lock = which('flock') ? ['flock', join(directory, '.lock')] : [];
  const runCmakeJs = (...args) => {
    const [command, ...rest] = [...lock, process.execPath, cmakeJs, ...args, '--out', 'build', '--log-level', 'error'];
    run(command, rest);
  };
  // Not `cmake-js compile`: after an error in one source it deletes the whole directory and starts again.
  if (!configured(directory)) {
    for (const name of ['CMakeCache.txt', 'CMakeFiles'])
      rmSync(join(directory, name), { recursive: true, force: true });
    runCmakeJs('configure');
  }
  runCmakeJs('build', '--parallel', String(availableParallelism()));
}

/** True when `directory` was configured completely, for this very checkout; otherwise what CMake remembers is deleted. */
export function configured(directory) {
  const cache = join(directory, 'CMakeCache.txt');
  const complete = ['build.ninja', 'Makefile'].some((name) => existsSync(join(directory, name))) && existsSync(cache);
  const home = `CMAKE_HOME_DIRECTORY:INTERNAL=${realpathSync(root)}\n`;
  if (complete && readFileSync(cache, 'utf8').includes(home)) return true;
  for (const name of ['CMakeCache.txt', 'CMakeFiles']) rmSync(join(directory, name), { recursive: true, force: true });
  return false;
}

if (isMain(import.meta.url)) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !(name in parts));
  if (unknown) die(`no part "${unknown}"`, `the parts are ${Object.keys(parts).join(', ')}`);
  await build(names.length > 0 ? names : undefined);
}
