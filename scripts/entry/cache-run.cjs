'use strict';
// node cache-run.cjs CLI.CJS CACHE [argument ...]: runs the command line once, as dist/davit.cjs does, and writes the code
// cache when it exits: then the cache also holds the functions that were compiled during the run. A cache that exists
// is used and thereby kept: several runs add up.
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');
const { wrap } = require('./wrap.cjs');

const [filename, cache, ...args] = process.argv.slice(2);
const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData });
process.once('exit', () => writeFileSync(cache, script.createCachedData()));

process.argv = [process.argv[0], join(dirname(filename), 'davit.cjs'), ...args];
script.runInThisContext()(
  {},
  createRequire(filename),
  { exports: {}, require: createRequire(filename) },
  filename,
  dirname(filename),
);
