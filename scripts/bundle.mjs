// Bundles src/ into dist/ with esbuild: CommonJS, one file for the command line, one for the library, one for each task
// of the worker pool, and the entry that Node is started with.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { die, isMain, root, run } from './lib.mjs';

const dist = join(root, 'dist');

/** Loaded when first needed, from node_modules: worker threads and transports look for their own files there. */
const external = ['openpgp', 'piscina', 'pino', 'yaml', '*.node'];

/**
 * What few commands need lies in bundles of its own, so that the others need not read it: what is imported as
 * `NAME.apart` is dist/NAME.cjs.
 */
const apart = ['src/cli/signing.apart.ts', 'src/runtime/signing/check.apart.ts'];
const apartPlugin = {
  name: 'apart',
  setup(build) {
    build.onResolve({ filter: /\.apart$/ }, ({ path }) => ({ path: `./${apartName(path)}.cjs`, external: true }));
  },
};

function apartName(path) {
  return basename(path).replace(/\.apart(\.ts)?$/, '');
}

/** @returns options common to all bundles */
function common(version) {
  return {
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.17',
    charset: 'ascii', // the entry reads cli.cjs as latin1, which needs no decoding
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    external,
    plugins: [apartPlugin],
    define: { 'process.env.DAVIT_BUILD_VERSION': JSON.stringify(version) },
    // import() of an external package becomes require(): a vm.Script with a code cache has no module loader.
    supported: { 'dynamic-import': false },
  };
}

/** Writes dist/. Entry points that do not exist are left out. */
export async function bundle() {
  const esbuild = await import('esbuild');
  const options = common(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
  const one = (entry, outfile) =>
    existsSync(join(root, entry)) &&
    esbuild.build({ ...options, entryPoints: [join(root, entry)], outfile: join(dist, outfile) });

  mkdirSync(dist, { recursive: true });
  for (const name of ['cli.cache', 'davit.cjs']) rmSync(join(dist, name), { force: true });
  await allOrDie([
    one('src/cli/main.ts', 'cli.cjs'),
    one('src/index.ts', 'index.cjs'),
    ...apart.map((entry) => one(entry, `${apartName(entry)}.cjs`)),
    bundleWorkers(esbuild, options),
  ]);
  // Last: without it the launcher says that davit is not built.
  await allOrDie([one('scripts/entry/davit.cjs', 'davit.cjs')]);
  if (existsSync(join(root, 'src/index.ts'))) declarations();
}

/** esbuild has said what is wrong; its own stack trace adds nothing. */
async function allOrDie(bundles) {
  const failed = (await Promise.allSettled(bundles)).filter(({ status }) => status === 'rejected');
  const unexpected = failed.find(({ reason }) => !Array.isArray(reason.errors));
  if (unexpected) throw unexpected.reason;
  if (failed.length > 0) die('the bundles of src/ were not built', 'see the messages of esbuild above');
}

async function bundleWorkers(esbuild, options) {
  const directory = join(root, 'src/workers');
  if (!existsSync(directory)) return;
  const tasks = readdirSync(directory).filter(
    (name) => name.endsWith('.ts') && !['pool.ts', 'hosts.ts'].includes(name),
  );
  await esbuild.build({
    ...options,
    entryPoints: tasks.map((name) => join(directory, name)),
    outdir: join(dist, 'workers'),
    outExtension: { '.js': '.cjs' },
  });
}

/** dist/index.d.ts and what it imports. Types are checked by lint; here they are only written. */
function declarations() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  run(process.execPath, [tsc, '-p', 'tsconfig.types.json', '--noCheck']);
  cpSync(join(root, 'src/schema/generated'), join(dist, 'schema/generated'), {
    recursive: true,
    filter: (path) => !path.endsWith('.js'),
  });
}

if (isMain(import.meta.url)) await bundle();
