/** Questions on the terminal. */
import { readSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../errors';
import { isTerminal, type Terminal } from './render';

const STDIN = 0;
const MAX_LINE = 64 << 10;

/** Asks for a line on standard input; `undefined` when there is none. */
export function askLine(terminal: Terminal, question: string): string | undefined {
  terminal.out(question);
  return readLine();
}

/** Asks for a secret: what is typed on a terminal is not shown. Elsewhere it is a line like any other. */
export async function askSecret(terminal: Terminal, question: string): Promise<string> {
  if (!isTerminal(STDIN)) {
    terminal.out(question);
    const line = readLine() ?? '';
    terminal.out('\n');
    return line;
  }
  const { stdin } = process;
  // Before the question: whoever is quick to answer must not see it either.
  stdin.setRawMode(true);
  try {
    terminal.out(question);
    return await typedLine(stdin);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    terminal.out('\n');
  }
}

/**
 * Asks twice for a new passphrase, up to three times.
 * @throws RuntimeError OPTION when the two never agree
 */
export async function askNewPassphrase(terminal: Terminal, question: string): Promise<string> {
  for (let tries = 0; tries < 3; tries++) {
    const passphrase = await askSecret(terminal, question);
    if (passphrase === (await askSecret(terminal, 'Retype your passphrase : '))) return passphrase;
    terminal.warning('passphrases do not match');
  }
  throw new RuntimeError('OPTION', 'too many retries while getting a passphrase');
}

/** Asks for a number from 0 on. @throws RuntimeError OPTION for another answer */
export function askNumber(terminal: Terminal, question: string, most: number): number {
  const answer = askLine(terminal, question) ?? '';
  if (!/^[+-]?\d+$/.test(answer)) throw new RuntimeError('OPTION', `"${answer}" is no number`);
  const number = Number(answer);
  if (number < 0 || number > most) throw new RuntimeError('OPTION', 'invalid choice');
  return number;
}

/** In raw mode the keys are ours: Enter and Ctrl-D end the line, Backspace corrects it, Ctrl-C ends the program. */
async function typedLine(stdin: NodeJS.ReadStream): Promise<string> {
  let line: string[] = [];
  for await (const chunk of stdin.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    for (const key of chunk as string) {
      if (key === '\r' || key === '\n' || key === '\x04') return line.join('');
      if (key === '\x03') {
        throw new RuntimeError('OPTION', 'interrupted', { exitCode: 130 });
      }
      if (key === '\x7f' || key === '\b') line = line.slice(0, -1);
      else line.push(key);
    }
  }
  return line.join('');
}

/** All of standard input, without the line feed at its end. */
export function readStdin(): string {
  const chunks: Buffer[] = [];
  let length = 0;
  for (let chunk = readSome(4096); chunk.length > 0 && length < MAX_LINE; chunk = readSome(4096)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** Byte by byte: what stands behind the line belongs to somebody else. */
function readLine(): string | undefined {
  const bytes: number[] = [];
  let ended = false;
  for (let chunk = readSome(1); chunk.length > 0 && bytes.length < MAX_LINE; chunk = readSome(1)) {
    ended = chunk[0] === 0x0a;
    if (ended) break;
    bytes.push(chunk[0] as number);
  }
  if (bytes.length === 0 && !ended) return undefined;
  return Buffer.from(bytes).toString('utf8').replace(/\r$/, '');
}

function readSome(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (;;) {
    try {
      return bytes.subarray(0, readSync(STDIN, bytes));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EOF') return bytes.subarray(0, 0);
      // Somebody made it non-blocking: it is asked again in a moment.
      if (errno !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
