/** Words as POSIX shells read them back (Shell Command Language, section 2.2, "Quoting"). */

/** In single quotes: nothing in them means anything. */
export function singleQuoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** In double quotes, with everything escaped that would mean something there. */
export function doubleQuoted(word: string): string {
  return `"${word.replace(/[\\"$`]/g, '\\$&')}"`;
}
