'use strict';

/** The bundle as one function, as Node's own loader makes it; in the same line, so that line numbers stay true. */
exports.wrap = (text) => `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
