// npm run lint: biome, tsc and clang-format say what is wrong; npm run format (--write) mends what can be mended.
// Prints "N passed, N failed" (one per tool) and exits 1 when one has failed. --tidy also runs clang-tidy (slow).
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { codegen } from './codegen.mjs';
import { isMain, root, which } from './lib.mjs';

/**
 * Runs the tools.
 * @returns counts of tools { passed, failed, skipped }
 */
export async function lint({ write = false, tidy = false } = {}) {
  await codegen();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, command, args] of tools({ write, tidy })) {
    if (!command) {
      process.stdout.write(`lint: ${name}: skipped, not installed${name === 'clang-format' ? ' in version 14' : ''}\n`);
      counts.skipped += 1;
      continue;
    }
    const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    process.stdout.write(`lint: ${name}: ${status === 0 ? 'ok' : 'FAILED'}\n`);
    counts[status === 0 ? 'passed' : 'failed'] += 1;
  }
  return counts;
}

function tools({ write, tidy }) {
  const require = createRequire(import.meta.url);
  const node = process.execPath;
  const native = nativeSources();
  const list = [
    [
      'biome',
      node,
      [require.resolve('@biomejs/biome/bin/biome'), write ? 'format' : 'check', ...(write ? ['--write'] : [])],
    ],
    ['tsc', node, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json']],
  ];
  if (native.length > 0) {
    list.push([
      'clang-format',
      clangFormat(),
      write ? ['-i', ...native] : ['--dry-run', '--Werror', '--ferror-limit=1', ...native],
    ]);
  }
  if (tidy) list.push(['clang-tidy', which('clang-tidy'), ['-quiet', '-p', 'build', ...compiledSources()]]);
  return list;
}

/** clang-format 14: other versions lay out some lines otherwise, and would call each other wrong. */
function clangFormat() {
  const versionOf = (path) => spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  return ['clang-format-14', 'clang-format'].map(which).find((path) => path && / version 14\./.test(versionOf(path)));
}

/** Every C++ file of ours. */
function nativeSources() {
  return ['native', 'test', 'examples', 'bench'].flatMap((directory) => {
    const path = join(root, directory);
    const names = existsSync(path) ? readdirSync(path, { recursive: true }) : [];
    return names.filter((name) => /\.(cc|h)$/.test(name)).map((name) => join(directory, name));
  });
}

function compiledSources() {
  const commands = JSON.parse(readFileSync(join(root, 'build/compile_commands.json'), 'utf8'));
  return [...new Set(commands.map((entry) => entry.file))];
}

if (isMain(import.meta.url)) {
  const { passed, failed, skipped } = await lint({
    write: process.argv.includes('--write'),
    tidy: process.argv.includes('--tidy'),
  });
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
