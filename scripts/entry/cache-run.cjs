'use strict';
// node cache-run.cjs BUNDLE.CJS CACHE [argument ...]: runs the command line once, as dist/davit.cjs does, and writes the
// code cache of that bundle when it exits: then the cache also holds the functions that were compiled during the run. A
// cache that exists is used and thereby kept: several runs add up.
//
// With DAVIT_CACHE_UID nothing is launched and nobody is signalled: in place of the launch addon there is one that agrees
// to everything, so that a start comes as far as the encoded plan, and every instance that has a record is found alive;
// and the run believes that it is that user's.
const fs = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');
const { bundleRunner } = require('./loader.cjs');

const [bundle, cache, ...args] = process.argv.slice(2);

function compile(source, filename) {
  if (filename !== bundle) return new Script(source, { filename });
  const cachedData = fs.existsSync(cache) ? fs.readFileSync(cache) : undefined;
  const script = new Script(source, { filename, cachedData });
  process.once('exit', () => fs.writeFileSync(cache, script.createCachedData()));
  return script;
}

/** Stands for native/binding; src/native.ts has the meaning of the functions. Any other says nothing. */
const answers = {
  execLauncher: () => process.exit(0),
  instanceLocked: () => true,
  removeDeadInstance: () => true,
  processStartTime: () => null,
  signalProcess: () => true,
  waitProcesses: () => [],
  ensureStateDir: () => null,
};
const agreeable = new Proxy(answers, { get: (known, name) => known[name] ?? (() => undefined) });

if (process.env.DAVIT_CACHE_UID) {
  const id = Number(process.env.DAVIT_CACHE_UID);
  for (const name of ['getuid', 'geteuid', 'getgid', 'getegid']) process[name] = () => id;
  process.getgroups = () => [id];
  process.dlopen = (module) => {
    module.exports = agreeable;
  };
}

const directory = dirname(bundle);
process.argv = [process.argv[0], join(directory, 'davit.cjs'), ...args];
const load = createRequire(bundle);
bundleRunner(directory, load, compile)('cli', { exports: {}, require: load });
