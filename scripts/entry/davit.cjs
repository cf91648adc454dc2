'use strict';
// Becomes dist/davit.cjs, what bin/davit starts Node with. Runs dist/cli.cjs, and other bundles when they are asked for,
// out of their code caches; when V8 refuses a cache (another version of Node, other V8 flags) or there is none, the
// source is compiled as always.
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const { bundleRunner } = require('./loader.cjs');

function compile(source, filename) {
  let cachedData;
  try {
    cachedData = readFileSync(filename.replace(/cjs$/, 'cache'));
  } catch {
    // not built, or not readable: slower, otherwise the same
  }
  return new Script(source, { filename, cachedData });
}

bundleRunner(__dirname, require, compile)('cli', module);
