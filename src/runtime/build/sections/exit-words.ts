/** How a program ended, in the words that Go programs have for it. */
const SIGNAL_WORDS: Record<number, string> = {
  1: 'hangup',
  2: 'interrupt',
  3: 'quit',
  4: 'illegal instruction',
  6: 'aborted',
  8: 'floating point exception',
  9: 'killed',
  11: 'segmentation fault',
  13: 'broken pipe',
  15: 'terminated',
};

/** `exit status 9`, `signal: killed`. */
export function exitWords(exitStatus: number, signal?: number): string {
  return signal === undefined ? `exit status ${exitStatus}` : `signal: ${SIGNAL_WORDS[signal] ?? `signal ${signal}`}`;
}
