/** Arguments of a payload that are not UTF-8: Node has U+FFFD in their place, the payload gets what was given. */
import { readCommandLineSync } from '../../observed-fs';

const REPLACED = '\uFFFD';

/**
 * For a plan's program: the bytes of `words` where Node could not decode all of them.
 * @param words the last ones of this process's command line; others stay as they are
 */
export function rawArguments(words: readonly string[]): { rawArguments?: Uint8Array[] } {
  if (!words.some((word) => word.includes(REPLACED))) return {};
  const raw = lastWords(words.length);
  const same = raw.length === words.length && raw.every((bytes, index) => bytes.toString('utf8') === words[index]);
  return same ? { rawArguments: raw } : {};
}

function lastWords(count: number): Buffer[] {
  let line: Buffer;
  try {
    line = readCommandLineSync();
  } catch {
    return []; // no /proc
  }
  const words: Buffer[] = [];
  for (let end = line.length - 1; end >= 0 && words.length < count; ) {
    const start = end === 0 ? 0 : line.lastIndexOf(0, end - 1) + 1; // each word ends in a zero
    words.unshift(line.subarray(start, end));
    end = start - 1;
  }
  return words;
}
