'use strict';
// Becomes dist/davit.cjs, what bin/davit starts Node with. Runs dist/cli.cjs out of its code cache; when V8 refuses the
// cache (another version of Node, other V8 flags) or there is none, the source is compiled as always.
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const { wrap } = require('./wrap.cjs');

const filename = `${__dirname}/cli.cjs`;
// The bundle is ASCII, so latin1 needs no decoding; latin1Slice spares readFileSync's own first conversion (0.4 ms).
const text = readFileSync(filename).latin1Slice();
let cachedData;
try {
  cachedData = readFileSync(`${__dirname}/cli.cache`);
} catch {
  // not built, or not readable: slower, otherwise the same
}
const script = new Script(wrap(text), { filename, cachedData });
script.runInThisContext()(exports, require, module, filename, __dirname);
