/** A world of its own for each test file: directories, a clean environment, bin/davit in it, and nothing left behind. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixtureImage, type FixtureName } from './images';
import { eventually } from './patience';
import { liveProcesses, loopsBelow, mountsBelow, type ProcessFacts, processesOf } from './processes';

export const projectRoot = resolve(__dirname, '../../..');
export const davitPath = join(projectRoot, 'bin/davit');

// Some files are for other users; the umask of whoever started the tests is not what is tested.
process.umask(0o022);

/** Longest time that one command may take. */
export const commandTimeoutMs = 100_000;

export interface Outcome {
  /** Exit code, or null when a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | null;
  /** What a shell calls $?: the exit code, or 128 + N. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Standard input; /dev/null without. */
  input?: string;
  timeoutMs?: number;
  /** Descriptors from 3 on, as spawn takes them. */
  extraStdio?: (number | 'pipe' | 'ignore')[];
}

/** One row of `instance list --json`. */
export interface Listed {
  instance: string;
  pid: number;
  img: string;
  ip: string;
  logErrPath: string;
  logOutPath: string;
  state: string;
  exitStatus: number | null;
  exitedAt: string | null;
  startedAt: string;
  driver: string;
  keeperPid: number;
  serverPid: number;
  programPid: number;
  [member: string]: unknown;
}

export class World {
  readonly directory: string;
  /** DAVIT_STATE_DIR. */
  readonly stateDir: string;
  /** The variable HOME; the account's home directory in passwd(5) is another. */
  readonly home: string;
  readonly #images = new Map<string, string>();

  constructor() {
    this.directory = mkdtempSync('/tmp/davit-world-');
    chmodSync(this.directory, 0o755);
    this.stateDir = join(this.directory, 'state');
    this.home = this.makeDirectory('home');
    this.makeDirectory('work');
  }

  /** The environment of every command: nothing of the caller's but PATH and which Node. */
  get env(): Record<string, string> {
    const { PATH, DAVIT_NODE } = process.env;
    return {
      PATH: `${PATH ?? ''}:/usr/sbin:/sbin`,
      HOME: this.home,
      LANG: 'C.UTF-8',
      DAVIT_STATE_DIR: this.stateDir,
      ...(DAVIT_NODE === undefined ? {} : { DAVIT_NODE }),
    };
  }

  /** Where commands run unless told otherwise. */
  get cwd(): string {
    return join(this.directory, 'work');
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Makes a directory below the world's and returns its path. */
  makeDirectory(...parts: string[]): string {
    const path = this.path(...parts);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Writes a file below the world's directory and returns its path. */
  write(name: string, text: string, mode = 0o644): string {
    const path = this.path(name);
    mkdirSync(resolve(path, '..'), { recursive: true });
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    return path;
  }

  /** A copy of a fixture image that is this world's alone: its loop device and FUSE server can be told from others'. */
  image(name: FixtureName = 'busybox'): string {
    const known = this.#images.get(name);
    if (known !== undefined) return known;
    const source = fixtureImage(name);
    const copy = this.path(`${name}.sif`);
    copyFileSync(source, copy);
    chmodSync(copy, 0o755);
    this.#images.set(name, copy);
    return copy;
  }

  /** Starts bin/davit; the caller waits for it. */
  spawn(args: readonly string[], options: RunOptions & { stdio?: StdioOptions } = {}): ChildProcess {
    return spawn(davitPath, args, {
      cwd: options.cwd ?? this.cwd,
      env: { ...this.env, ...options.env },
      stdio: options.stdio ?? [
        options.input === undefined ? 'ignore' : 'pipe',
        'pipe',
        'pipe',
        ...(options.extraStdio ?? []),
      ],
    });
  }

  /** Runs bin/davit to its end, whatever that is. */
  davit(...args: string[]): Promise<Outcome> {
    return this.davitWith({}, ...args);
  }

  davitWith(options: RunOptions, ...args: string[]): Promise<Outcome> {
    return outcome(this.spawn(args, options), options, `davit ${args.join(' ')}`);
  }

  /** Runs bin/davit, expects success and returns its standard output. */
  async ok(...args: string[]): Promise<string> {
    return this.okWith({}, ...args);
  }

  async okWith(options: RunOptions, ...args: string[]): Promise<string> {
    const result = await this.davitWith(options, ...args);
    expect(result, `davit ${args.join(' ')}: ${result.stderr}`).toMatchObject({ status: 0 });
    return result.stdout;
  }

  /** Runs a shell script in a container of `image` and returns what it prints, without the last line end. */
  async inside(options: readonly string[], script: string, image = this.image()): Promise<string> {
    return (await this.ok('exec', ...options, image, 'sh', '-c', script)).replace(/\n$/, '');
  }

  /** Runs any other program in this world's environment. */
  command(program: string, args: string[], options: RunOptions = {}): Promise<Outcome> {
    const child = spawn(program, args, {
      cwd: options.cwd ?? this.cwd,
      env: { ...this.env, ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.extraStdio ?? [])],
    });
    return outcome(child, options, `${program} ${args.join(' ')}`);
  }

  /** What `instance list --json` says. */
  async list(...args: string[]): Promise<Listed[]> {
    return JSON.parse(await this.ok('instance', 'list', '--json', ...args)).instances;
  }

  async listed(name: string): Promise<Listed> {
    const found = (await this.list()).find((entry) => entry.instance === name);
    if (found === undefined) throw new Error(`no instance "${name}" is listed`);
    return found;
  }

  /** Stops what still runs; for the end of a test that may have left instances. */
  async stopAll(): Promise<void> {
    if ((await this.list()).length > 0) await this.davit('instance', 'stop', '--all', '--timeout', '2');
  }

  /** Live processes that belong to this world; zombies are dead. */
  processes(): ProcessFacts[] {
    return processesOf(this.directory);
  }

  /** Everything that outlives a stopped instance and must not, in words; empty when all is well. */
  leftovers(): string[] {
    const instances = join(this.stateDir, 'instances');
    return [
      ...this.processes().map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`),
      ...mountsBelow(this.directory).map((line) => `mount: ${line}`),
      ...loopsBelow(this.directory).map((name) => `loop device: ${name}`),
      ...(existsSync(instances) ? readdirSync(instances).map((name) => `state directory: ${name}`) : []),
    ];
  }

  /** Waits until nothing is left; exits need a moment to be seen. @throws with the list of what is left */
  async expectNothingLeft(): Promise<void> {
    await eventually(() => expect(this.leftovers()).toEqual([]));
  }

  /** The end: whatever a failed test left is removed, by PID. */
  destroy(): void {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone meanwhile
      }
    }
    for (let round = 0; round < 100 && this.processes().length > 0; round++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * A `describe` with a world: it is made before the tests and removed behind them, and the last test claims that the
 * tests have left no process, mount, loop device or state directory.
 * @param body gets a function that returns the world; call it in tests, not while they are collected.
 */
export function withWorld(title: string, body: (world: () => World) => void): void {
  describe(title, () => {
    let world: World | undefined;
    const current = (): World => {
      if (world === undefined) throw new Error('the world exists only while tests run');
      return world;
    };
    beforeAll(() => {
      world = new World();
    });
    afterAll(() => world?.destroy());
    body(current);
    test('leaves nothing behind', async () => {
      await current().stopAll();
      await current().expectNothingLeft();
    });
  });
}

/** Waits for a child and collects what it writes. @throws when it takes too long; it is killed then */
export async function outcome(child: ChildProcess, options: RunOptions = {}, title = 'command'): Promise<Outcome> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // Whether a command reads what it is given is its own affair.
  child.stdin?.on('error', () => undefined);
  if (options.input !== undefined) child.stdin?.end(options.input);
  const timeoutMs = options.timeoutMs ?? commandTimeoutMs;
  return new Promise((done, fail) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(new Error(`${title}: no end after ${timeoutMs} ms; stdout: ${stdout} stderr: ${stderr}`));
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      fail(error);
    });
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      done({ status, signal, code: exitCode(status, signal), stdout, stderr });
    });
  });
}

/** What a shell calls $?. */
export function exitCode(status: number | null, signal: NodeJS.Signals | null): number {
  return status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** Whether that process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  return liveProcesses().some((entry) => entry.pid === pid);
}
