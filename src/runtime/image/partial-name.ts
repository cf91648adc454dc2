/** Names for files that are not complete yet. */
import { basename, dirname, join } from 'node:path';

/** NAME_MAX of Linux, in bytes. */
const MOST_BYTES = 255;
/** What else may be appended to the name. */
const RESERVED_BYTES = 8;

/**
 * A hidden name beside `path`, where a file is made that is to be renamed to it: the name itself as far as it fits, since
 * whoever finds such a file should know what it was to be.
 * @param mark what makes the name this process's own
 */
export function partialBeside(path: string, mark: string | number): string {
  const ending = `.${mark}.partial`;
  let name = `.${basename(path)}`;
  const room = MOST_BYTES - RESERVED_BYTES - Buffer.byteLength(ending);
  if (Buffer.byteLength(name) > room) {
    const cut = Buffer.from(name).subarray(0, room);
    // A character that is cut in two decodes to U+FFFD.
    name = cut.toString('utf8').replace(/\uFFFD+$/, '');
  }
  return join(dirname(path), `${name}${ending}`);
}
