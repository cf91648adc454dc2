// Bundles src/ into dist/ with esbuild: CommonJS, three files for the command line, one for the library, one for each task
// of the worker pool, and the entry that Node is started with. And dist/joins.pb, plans that the launcher has beside them.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, relative, resolve } from 'node:path';
import { die, isMain, root, run } from './lib.mjs';

const dist = join(root, 'dist');

/** Loaded when first needed, from node_modules: worker threads and transports look for their own files there. */
const external = ['openpgp', 'piscina', 'pino', 'yaml', '*.node'];

/**
 * What few commands need lies in bundles of its own, so that the others need not read it: what is imported as
 * `NAME.apart` is dist/NAME.cjs.
 */
const apart = ['src/cli/commands/signing.apart.ts', 'src/runtime/signing/check.apart.ts', 'src/bench/bench.apart.ts'];
const apartPlugin = {
  name: 'apart',
  setup(build) {
    build.onResolve({ filter: /\.apart$/ }, ({ path }) => ({ path: `./${apartName(path)}.cjs`, external: true }));
  },
};

function apartName(path) {
  return basename(path).replace(/\.apart(\.ts)?$/, '');
}

/** What an instance, a command in an image, or one in an instance runs through. */
const hot = [
  'container/exec',
  'container/run',
  'container/shell',
  'container/test',
  'version',
  'instance/start',
  'instance/run',
  'instance/list',
  'instance/stop',
]
  .map((name) => `src/cli/commands/${name}.ts`)
  .concat('src/runtime/instance/damaged.ts');

/** What only looks and says what is there: scripts call it in loops. */
const asking = ['instance/logs', 'instance/stats', 'image/inspect', 'cache/list', 'completion'].map(
  (name) => `src/cli/commands/${name}.ts`,
);

/**
 * dist/cli.cjs holds the hot commands alone, dist/ask.cjs those that ask. Every other module that is imported when it is
 * needed is taken from dist/cold.cjs, by its path: Node reads and V8 compiles at every call only what that needs.
 * @param own the modules that the bundle itself holds
 * @param found gets the modules that dist/cold.cjs has to hold
 */
function elsewherePlugin(own, found) {
  return {
    name: 'elsewhere',
    setup(build) {
      build.onResolve({ filter: /^\./, namespace: 'file' }, ({ path, kind, resolveDir }) => {
        if (kind !== 'dynamic-import' || path.endsWith('.apart')) return undefined;
        const name = relative(root, `${resolve(resolveDir, path)}.ts`);
        if (own.includes(name)) return undefined;
        if (!existsSync(join(root, name))) return { errors: [{ text: `${name} is no module of its own` }] };
        if (!asking.includes(name)) found.add(name);
        return { path: name, namespace: 'elsewhere' };
      });
      build.onResolve({ filter: /\.cjs$/, namespace: 'elsewhere' }, ({ path }) => ({ path, external: true }));
      build.onLoad({ filter: /.*/, namespace: 'elsewhere' }, ({ path }) => ({
        contents: `module.exports = require('./${asking.includes(path) ? 'ask' : 'cold'}.cjs')[${JSON.stringify(path)}]`,
      }));
    },
  };
}

/** A module whose members are the modules named, all evaluated at once: what none of them uses is left out. */
function askEntry(names) {
  const imports = names.map((name, i) => `import * as m${i} from ${JSON.stringify(`./${name}`)};`);
  const members = names.map((name, i) => `${JSON.stringify(name)}: m${i}`);
  return `${imports.join('\n')}\nmodule.exports = { ${members.join(', ')} };`;
}

/** A module whose members are the modules named; each is evaluated when it is asked for. */
function coldEntry(names) {
  const members = names.map(
    (name) => `get ${JSON.stringify(name)}() { return require(${JSON.stringify(`./${name}`)}); }`,
  );
  return `module.exports = {\n${members.join(',\n')}\n};`;
}

/** @returns options common to all bundles */
function common(version) {
  return {
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.17',
    charset: 'ascii', // the entry reads bundles as latin1, which needs no decoding
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
  const one = (entry, outfile, more = {}) =>
    existsSync(join(root, entry)) &&
    esbuild.build({ ...options, ...more, entryPoints: [join(root, entry)], outfile: join(dist, outfile) });

  mkdirSync(dist, { recursive: true });
  for (const name of ['cli.cache', 'ask.cache', 'cold.cache', 'davit.cjs']) rmSync(join(dist, name), { force: true });
  const cold = new Set();
  const elsewhere = (own) => ({ plugins: [apartPlugin, elsewherePlugin(own, cold)] });
  const made = (contents, outfile, more = {}) =>
    esbuild.build({
      ...options,
      ...more,
      stdin: { contents, resolveDir: root, loader: 'js' },
      outfile: join(dist, outfile),
    });
  await allOrDie([
    one('src/cli/main.ts', 'cli.cjs', elsewhere(hot)),
    made(askEntry(asking), 'ask.cjs', elsewhere(asking)),
    one('src/index.ts', 'index.cjs'),
    ...apart.map((entry) => one(entry, `${apartName(entry)}.cjs`)),
    bundleWorkers(esbuild, options),
  ]);
  await allOrDie([made(coldEntry([...cold].sort()), 'cold.cjs')]);
  await writeJoins(esbuild, options);
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

/** dist/joins.pb: joins that need nothing of Node but to be compiled once (src/cli/launch/plain-joins.ts). */
async function writeJoins(esbuild, options) {
  const entryPoints = [join(root, 'src/cli/launch/plain-joins.ts')];
  const { outputFiles } = await esbuild.build({ ...options, entryPoints, write: false });
  const loaded = { exports: {} };
  new Function('module', 'exports', 'require', '__dirname', '__filename', outputFiles[0].text)(
    loaded,
    loaded.exports,
    createRequire(import.meta.url),
    dist,
    join(dist, 'cli.cjs'),
  );
  writeFileSync(join(dist, 'joins.pb'), loaded.exports.plainJoins());
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
