/**
 * Environment files (--env-file): the part of the shell language in which they are written. Assignments, with quotes,
 * `$X` and `${X:-word}` from the caller's environment and from earlier lines; `export` may stand before them. Commands
 * are not executed, and a file with a structure of its own (`if`, functions) is refused.
 */
import { RuntimeError } from '../../errors';
import type { Notes } from './notes';

export interface EnvFileRequest {
  /** Name for messages. */
  file: string;
  env: Readonly<Record<string, string | undefined>>;
  /** The values are evaluated once more, in the container: a backslash before `$` outside quotes stays for that. */
  keepEscapes: boolean;
  notes: Notes;
}

/** Read-only in the original's shell: assignments are ignored. */
const IGNORED = new Set(['EUID', 'GID', 'HOME', 'IFS', 'OPTIND', 'PWD', 'UID']);
const DECLARING = new Set(['export', 'readonly', 'declare', 'typeset']);
const NOTHING = new Set([':', 'true', 'false', 'set', 'shopt']);
/** Words that begin more than one command: without them the assignments between would mean something else. */
const STRUCTURE = new Set(
  'if then else elif fi for while until do done case esac select function { } ! [[ . source eval exit return'.split(
    ' ',
  ),
);
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const ASSIGNMENT = /([A-Za-z_][A-Za-z0-9_]*)(\+?)=/y;

/**
 * Variables that the file assigns, in order.
 * @throws RuntimeError OPTION with file and line for anything but assignments.
 */
export function evaluateEnvFile(text: string, request: EnvFileRequest): Map<string, string> {
  return new EnvFile(text, request).evaluate();
}

class EnvFile {
  private at = 0;
  private readonly assigned = new Map<string, string>();

  constructor(
    private readonly text: string,
    private readonly request: EnvFileRequest,
  ) {}

  evaluate(): Map<string, string> {
    while (this.skipToCommand()) this.command();
    return this.assigned;
  }

  /** @returns false at the end of the file */
  private skipToCommand(): boolean {
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined) return false;
      if (char === '#') this.skipComment();
      else if (char === '\\' && this.text[this.at + 1] === '\n') this.at += 2;
      else if (/[\s;]/.test(char)) this.at++;
      else return true;
    }
  }

  private skipComment(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  /** One command: up to a newline or semicolon outside quotes. */
  private command(): void {
    let declares = false;
    for (let first = true; !this.atEndOfCommand(); first = false) {
      if (this.assignment()) continue;
      const start = this.at;
      const word = this.word();
      if (first && DECLARING.has(word)) declares = true;
      else if (first && word === 'unset') this.unset();
      else if (first && NOTHING.has(word)) this.skipCommand();
      else if (!declares) this.skipUnknown(start, word);
      else if (word.startsWith('-') || this.isName(word)) this.declare(word);
      else this.refuse(start, word);
    }
  }

  /** `export NAME`: passes on a variable that has a value already. */
  private declare(word: string): void {
    const value = word.startsWith('-') ? undefined : this.lookUp(word);
    if (value !== undefined) this.assign(word, value);
  }

  private unset(): void {
    while (!this.atEndOfCommand()) this.assigned.delete(this.word());
  }

  /** A command that is none of ours: not executed, as in the original. */
  private skipUnknown(start: number, word: string): void {
    if (STRUCTURE.has(word)) this.refuse(start, word);
    this.skipCommand();
    this.warnOfCommand(start, this.text.slice(start, this.at).trim());
  }

  private warnOfCommand(at: number, command: string): void {
    const what = `could not execute "${command}": execution is disabled in environment files`;
    this.request.notes.warning(`${this.place(at)}: ${what}`);
  }

  private skipCommand(): void {
    while (!this.atEndOfCommand()) this.word();
  }

  private isName(word: string): boolean {
    NAME.lastIndex = 0;
    return NAME.exec(word)?.[0] === word;
  }

  private atEndOfCommand(): boolean {
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined || char === '\n' || char === ';' || char === '#') return true;
      if (char === '\\' && this.text[this.at + 1] === '\n') this.at += 2;
      else if (char === ' ' || char === '\t' || char === '\r') this.at++;
      else return false;
    }
  }

  private assignment(): boolean {
    ASSIGNMENT.lastIndex = this.at;
    const match = ASSIGNMENT.exec(this.text);
    if (!match) return false;
    this.at = ASSIGNMENT.lastIndex;
    const [, name = '', plus] = match;
    const value = this.tilde() + this.word();
    this.assign(name, plus ? (this.lookUp(name) ?? '') + value : value);
    return true;
  }

  private assign(name: string, value: string): void {
    if (!IGNORED.has(name)) this.assigned.set(name, value);
  }

  private lookUp(name: string): string | undefined {
    return this.assigned.get(name) ?? this.request.env[name];
  }

  private tilde(): string {
    if (this.text[this.at] !== '~' || !/[/\s;]|$/.test(this.text[this.at + 1] ?? '')) return '';
    this.at++;
    return this.lookUp('HOME') ?? '~';
  }

  /** A word, quotes removed and expanded, up to a blank, semicolon or newline. */
  private word(): string {
    let value = '';
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined || /[\s;]/.test(char)) return value;
      this.at++;
      if (char === "'") value += this.singleQuoted();
      else if (char === '"') value += this.doubleQuoted();
      else if (char === '\\') value += this.escaped();
      else if (char === '$') value += this.expansion();
      else if (char === '`') value += this.substitution('`');
      else if (/[|&<>()]/.test(char)) this.refuse(this.at - 1, char);
      else value += char;
    }
  }

  private escaped(): string {
    const next = this.text[this.at++];
    if (next === undefined) return '\\';
    if (next === '\n') return '';
    return this.request.keepEscapes && /[$`"\\]/.test(next) ? `\\${next}` : next;
  }

  private singleQuoted(): string {
    const end = this.text.indexOf("'", this.at);
    if (end < 0) this.fail(this.at, "reached the end without closing quote '");
    const value = this.text.slice(this.at, end);
    this.at = end + 1;
    return value;
  }

  private doubleQuoted(): string {
    const start = this.at;
    let value = '';
    for (;;) {
      const char = this.text[this.at++];
      if (char === undefined) return this.fail(start, 'reached the end without closing quote "');
      if (char === '"') return value;
      if (char === '$') value += this.expansion();
      else if (char === '`') value += this.substitution('`');
      else if (char === '\\') {
        const next = this.text[this.at++] ?? '';
        // POSIX, 2.2.3: within double quotes a backslash is special before these alone.
        if (next !== '\n') value += /[$`"\\]/.test(next) ? next : `\\${next}`;
      } else value += char;
    }
  }

  /** Behind a `$`. */
  private expansion(): string {
    const char = this.text[this.at];
    if (char === '(') {
      this.at++;
      return this.substitution(')');
    }
    if (char === '{') return this.braced();
    NAME.lastIndex = this.at;
    const name = NAME.exec(this.text)?.[0];
    if (name === undefined) return '$';
    this.at += name.length;
    return this.lookUp(name) ?? '';
  }

  private braced(): string {
    const start = this.at - 1;
    NAME.lastIndex = ++this.at;
    const name =
      NAME.exec(this.text)?.[0] ?? this.fail(start, 'only ${NAME}, ${NAME:-word} and ${NAME:+word} are understood');
    this.at += name.length;
    const operator = /:?[-+]?/y;
    operator.lastIndex = this.at;
    const found = operator.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    const word = this.bracedWord(start);
    const value = this.lookUp(name);
    const isSet = value !== undefined && (value !== '' || !found.startsWith(':'));
    if (found.endsWith('+')) return isSet ? word : '';
    if (found.endsWith('-')) return isSet ? (value as string) : word;
    if (word !== '' || found !== '') this.fail(start, 'only ${NAME}, ${NAME:-word} and ${NAME:+word} are understood');
    return value ?? '';
  }

  private bracedWord(start: number): string {
    let word = '';
    for (;;) {
      const char = this.text[this.at++];
      if (char === undefined) return this.fail(start, 'reached the end without closing }');
      if (char === '}') return word;
      if (char === '$') word += this.expansion();
      else if (char === '"') word += this.doubleQuoted();
      else if (char === "'") word += this.singleQuoted();
      else if (char === '\\') word += this.escaped();
      else word += char;
    }
  }

  /** A command substitution: not executed, as in the original; its value is empty. */
  private substitution(close: string): string {
    const start = this.at;
    for (let depth = 1; depth > 0; this.at++) {
      const char = this.text[this.at];
      if (char === undefined) return this.fail(start, `reached the end without closing ${close}`);
      if (char === close) depth--;
      else if (char === '(' && close === ')') depth++;
      else if (char === '"' || char === "'") this.at = this.closingQuote(char);
    }
    const command = this.text.slice(start, this.at - 1);
    this.warnOfCommand(start, command);
    return '';
  }

  /** Where the quote that opens here ends; where it opens, when it does not end. */
  private closingQuote(quote: string): number {
    for (let at = this.at + 1; at < this.text.length; at++) {
      if (this.text[at] === quote) return at;
      if (quote === '"' && this.text[at] === '\\') at++;
    }
    return this.at;
  }

  private refuse(at: number, word: string): never {
    return this.fail(at, `"${word}" is not an assignment`);
  }

  private place(at: number): string {
    return `${this.request.file}:${this.text.slice(0, at).split('\n').length}`;
  }

  private fail(at: number, what: string): never {
    throw new RuntimeError('OPTION', `while setting environment: while processing ${this.place(at)}: ${what}`, {
      path: this.request.file,
      hint: 'an environment file holds lines of the form NAME=VALUE',
    });
  }
}
