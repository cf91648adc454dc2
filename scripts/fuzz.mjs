// Fuzzes a parser for as long as one likes; the tests run a few seconds of the same.
//   node scripts/fuzz.mjs sif|squashfs|layers|shell|plan [--minutes N] [--libsquashfs ARCHIVE]
// All but sif need clang++ with libFuzzer (Debian: clang-14, libclang-rt-14-dev). Begins with the kept corpus
// (test/native/NAME_corpus, test/unit/formats/sif-corpus); what it learns lies in build/fuzz/NAME/corpus, what it finds
// in build/fuzz/NAME/found. An input that found something belongs into the kept corpus. ARCHIVE: a libsquashfs.a built
// with -fsanitize=address,fuzzer-no-link, so that the library is watched, too.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { die, isMain, root, run, which } from './lib.mjs';

const sources = (directory) =>
  readdirSync(join(root, directory))
    .filter((name) => name.endsWith('.cc') && !name.endsWith('binding.cc'))
    .map((name) => `${directory}/${name}`);

const image = {
  sources: () => [...sources('native/image'), 'native/sys/errno_name.cc'],
  libraries: ['squashfs', 'archive', 'zstd', 'lz4', 'lzma', 'z', 'crypto', 'pthread'],
};
const targets = {
  squashfs: image,
  layers: image,
  shell: { sources: () => sources('native/shell'), libraries: [] },
  plan: {
    sources: () => ['native/state', 'native/wire', 'native/sys', 'native/timing'].flatMap(sources),
    libraries: [],
  },
};

const compile = [
  '-std=c++20',
  '-g',
  '-O1',
  '-fno-rtti',
  '-D_GNU_SOURCE',
  '-Inative',
  '-Itest/native',
  '-Ibuild/generated',
];
const sanitize = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=undefined'];
/** Seconds, MiB and bytes: an input that needs more is a finding. */
const limits = ['-timeout=60', '-rss_limit_mb=1500', '-max_len=40000'];

function build(name, libsquashfs, program) {
  const compiler = ['clang++', 'clang++-19', 'clang++-16', 'clang++-14'].find(which);
  if (!compiler) die('no clang++ on PATH', 'apt-get install clang-14 libclang-rt-14-dev');
  const { libraries } = targets[name];
  const linked = libraries.map((library) => (library === 'squashfs' && libsquashfs ? libsquashfs : `-l${library}`));
  run(compiler, [
    ...compile,
    ...sanitize,
    `test/native/${name}_fuzz.cc`,
    ...targets[name].sources(),
    ...linked,
    '-o',
    program,
  ]);
}

/** The SIF reader is TypeScript: a program of its own that asks V8 what has run. */
async function fuzzSif(minutes, directory) {
  const { build: bundle } = await import('esbuild');
  const program = join(directory, 'fuzz.cjs');
  const entry = join(root, 'test/fixtures/sif-fuzz-main.ts');
  await bundle({ entryPoints: [entry], bundle: true, platform: 'node', outfile: program, logLevel: 'error' });
  const corpora = [join(root, 'test/unit/formats/sif-corpus'), join(directory, 'corpus')];
  return run(process.execPath, [program, String(minutes), directory, ...corpora], { check: false });
}

async function main() {
  const options = { minutes: { type: 'string', default: '3' }, libsquashfs: { type: 'string' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [name = ''] = positionals;
  const names = ['sif', ...Object.keys(targets)];
  if (!names.includes(name)) die(`no fuzzer "${name}"`, `there are ${names.join(', ')}`);
  const directory = join(root, 'build/fuzz', name);
  for (const part of ['corpus', 'found']) mkdirSync(join(directory, part), { recursive: true });
  if (name === 'sif') {
    process.exitCode = await fuzzSif(values.minutes, directory);
    return;
  }
  const program = join(directory, 'fuzz');
  build(name, values.libsquashfs, program);
  const places = [`-artifact_prefix=${directory}/found/`, join(directory, 'corpus'), `test/native/${name}_corpus`];
  const status = run(program, [`-max_total_time=${Number(values.minutes) * 60}`, ...limits, ...places], {
    check: false,
  });
  process.exitCode = status;
}

if (isMain(import.meta.url)) await main();
