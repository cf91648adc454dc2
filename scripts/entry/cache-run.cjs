'use strict';
// node cache-run.cjs CLI.CJS CACHE [argument ...]: runs the command line once, as dist/davit.cjs does, and writes the code
// cache when it exits: then the cache also holds the functions that were compiled during the run. A cache that exists
// is used and thereby kept: several runs add up.
//
// Nothing is launched and nobody is signalled: in place of the launch addon there is one that agrees to everything, so
// that a start comes as far as the encoded plan, and every instance that has a record is found alive.
// DAVIT_CACHE_UID makes the run believe that it is another user's.
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');
const { wrap } = require('./wrap.cjs');

const [filename, cache, ...args] = process.argv.slice(2);
const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData });
process.once('exit', () => writeFileSync(cache, script.createCachedData()));

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
}

process.argv = [process.argv[0], join(dirname(filename), 'davit.cjs'), ...args];
const load = createRequire(filename);
process.dlopen = (module) => {
  module.exports = agreeable;
};
script.runInThisContext()({}, load, { exports: {}, require: load }, filename, dirname(filename));
