// The measuring core as an object: bench/timer.cc, compiled when it is missing or stale, one process for each user.
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const source = join(root, 'bench/timer.cc');
const built = join(root, 'build/bench/timer');
let program = built;

/** Compiles bench/timer.cc into build/bench/timer where that is needed, and uses a copy of it in `directory`. */
export function compileTimer(directory) {
  compileIfStale();
  program = join(directory, 'timer');
  copyFileSync(built, program);
}

function compileIfStale() {
  mkdirSync(join(root, 'build/bench'), { recursive: true });
  const made = statSync(built, { throwIfNoEntry: false });
  if (made && made.mtimeMs > statSync(source).mtimeMs) return;
  execFileSync('g++', ['-O2', '-std=c++20', '-static', source, '-o', built], { stdio: 'inherit' });
}

export class Timer {
  #child;
  #buffer = Buffer.alloc(0);
  #waiting;
  #ended = false;

  /**
   * @param args of the timer: --cgroup2, --user UID:GID, --dir DIRECTORY
   * @param prefix words before the timer itself, for peers that live in a root directory of their own
   */
  constructor(args = [], prefix = []) {
    const [command, ...rest] = [...prefix, program, ...args];
    // In a session of its own: a Ctrl-C in the terminal must leave it alive for the cleaning up.
    const stdio = ['pipe', 'pipe', 'inherit'];
    this.#child = spawn(command, rest, { cwd: root, stdio, detached: true });
    this.#child.on('error', () => this.#end());
    this.#child.stdin.on('error', () => this.#end());
    this.#child.stdout.on('end', () => this.#end());
    this.#child.stdout.on('data', (bytes) => {
      this.#buffer = Buffer.concat([this.#buffer, bytes]);
      this.#answer();
    });
  }

  /**
   * Runs one command and waits for it; one at a time.
   * @param command its words; the first is an absolute path
   * @returns wall and cpu in milliseconds, the status as a shell counts it, standard output and error output
   */
  run(command, env, { output = false } = {}) {
    if (this.#ended) return Promise.reject(new Error('bench/timer has ended'));
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const words = [...command, ...variables].map((word) => `${word}\0`).join('');
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.stdin.write(`${command.length} ${variables.length} ${output ? 1 : 0}\n${words}`);
    });
  }

  close() {
    this.#child.stdin.end();
  }

  #end() {
    this.#ended = true;
    this.#waiting?.reject(new Error('bench/timer has ended'));
    this.#waiting = undefined;
  }

  #answer() {
    const line = this.#buffer.indexOf('\n');
    if (line < 0 || !this.#waiting) return;
    const [wallNs, cpuUs, status, , outBytes, errBytes] = this.#buffer
      .toString('latin1', 0, line)
      .split(' ')
      .map(Number);
    const out = line + 1;
    const err = out + outBytes;
    if (this.#buffer.length < err + errBytes) return;
    const answer = {
      wall: wallNs / 1e6,
      cpu: cpuUs / 1e3,
      status,
      out: this.#buffer.toString('utf8', out, err),
      err: this.#buffer.toString('utf8', err, err + errBytes),
    };
    this.#buffer = this.#buffer.subarray(err + errBytes);
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(answer);
  }
}

/** A command that fails is no measurement. */
export function expectSuccess(command, answer) {
  if (answer.status !== 0) throw new Error(`${command.join(' ')}: status ${answer.status}: ${answer.err.trim()}`);
  return answer;
}
