/**
 * Splits a line of `%files` at blanks. Blanks inside quotes, or behind a backslash, are part of a word; a `#` at the
 * beginning of a word begins a comment. Quotes go. Between double quotes globs and variables keep their meaning; what was
 * between single quotes, or behind a backslash, keeps a backslash, which the expansion takes off again.
 * @returns `undefined` when a quote is not closed
 */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote !== '') {
      if (char === quote) quote = '';
      else word += quote === "'" && SPECIAL.has(char) ? `\\${char}` : char;
    } else if (char === ' ' || char === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) {
      break;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === '\\' && at + 1 < text.length) {
      const next = text[++at] as string;
      word = (word ?? '') + (SPECIAL.has(next) ? `\\${next}` : next);
    } else word = (word ?? '') + char;
  }
  if (quote !== '') return undefined;
  if (word !== undefined) words.push(word);
  return words;
}

/** Characters that an expansion reads otherwise than they stand. */
const SPECIAL = new Set(['*', '?', '[', ']', '{', '}', '\\', '~', '$']);

/** A word that is not expanded: backslashes gone. */
export function plainWord(word: string): string {
  return word.replace(/\\(.)/gs, '$1');
}
