/** A terminal to type into. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { expect, onTestFinished } from 'vitest';
import { fixturesDirectory } from './images';
import { eventually } from './patience';
import { commandTimeoutMs, davitPath, exitCode, type World } from './world';

const source = join(__dirname, 'terminal.cc');

/** The helper, compiled when it is older than its source. */
function helper(): string {
  const path = join(fixturesDirectory(), 'terminal');
  if (existsSync(path) && statSync(path).mtimeMs >= statSync(source).mtimeMs) return path;
  const made = `${path}.${process.pid}`;
  execFileSync('g++', ['-std=c++20', '-O1', '-o', made, source, '-lutil'], { stdio: 'pipe' });
  renameSync(made, path);
  return path;
}

export interface TerminalOptions {
  rows?: number;
  columns?: number;
  env?: Record<string, string>;
  /** Another program than bin/davit. */
  program?: string;
}

export class TerminalSession {
  /** Everything shown so far. */
  shown = '';
  readonly #child: ChildProcess;
  readonly #end: Promise<number>;

  constructor(world: World, args: readonly string[], options: TerminalOptions = {}) {
    const { rows = 24, columns = 80, program = davitPath } = options;
    this.#child = spawn(helper(), [String(rows), String(columns), program, ...args], {
      cwd: world.cwd,
      env: { ...world.env, TERM: 'xterm', ...options.env },
      stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
    });
    // What is typed when the command has ended goes nowhere.
    for (const stream of [this.#child.stdin, this.#child.stdio[3]]) stream?.on('error', () => undefined);
    onTestFinished(() => this.kill());
    this.#end = new Promise((done) => this.#child.once('close', (status, signal) => done(exitCode(status, signal))));
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  resize(rows: number, columns: number): void {
    (this.#child.stdio[3] as Writable).write(`${rows} ${columns}\n`);
  }

  /** Waits until the text shows up behind what had been shown before `from`. */
  async expect(pattern: RegExp, from = 0): Promise<void> {
    await eventually(() => expect(this.shown.slice(from)).toMatch(pattern));
  }

  /** Types a line and waits for what it makes. */
  async line(text: string, pattern: RegExp): Promise<void> {
    const from = this.shown.length;
    this.type(`${text}\n`);
    await this.expect(pattern, from);
  }

  /** Exit code of the command, 128 + N for a signal. @throws with what it has shown when it does not end */
  async end(): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, fail) => {
      const text = (): string => `no end after ${commandTimeoutMs} ms; shown: ${JSON.stringify(this.shown)}`;
      timer = setTimeout(() => fail(new Error(text())), commandTimeoutMs);
    });
    return Promise.race([this.#end, late]).finally(() => clearTimeout(timer));
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
