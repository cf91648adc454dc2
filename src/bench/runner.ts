/** The measuring core as an object: native/bench, one process for each runtime that is measured. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../errors';
import { packageRoot } from '../native';

/** `exit`: until the command ends well; `ready`: until the payload has said so; `keep`: the same, and the command stays. */
export type Wait = 'exit' | 'ready' | 'keep';

/** A command, or the end of the one that the same job has kept: SIGTERM to its payload, until the command has ended. */
export type Step = { wait: Wait; words: readonly string[] } | 'end kept';

export interface BatchRequest {
  steps: readonly Step[];
  env: Readonly<Record<string, string | undefined>>;
  /** Number of the first job: @N@ in words is the job's, @S@ that of the slot in which it runs. */
  first?: number;
  count?: number;
  concurrency?: number;
  /** No job begins later than this. */
  limitMs?: number;
  keepOutput?: boolean;
}

/** Milliseconds. Times are of CLOCK_MONOTONIC. */
export interface StepTimes {
  begin: number;
  /** The payload's own first instruction. */
  ready?: number;
  /** The return of wait4 for a command that was waited for. */
  end: number;
  /** User and system time of the command and of the children it has waited for, no other. */
  cpu: number;
}

export interface JobOutcome {
  number: number;
  /** 0; else why the last of its steps has failed: as a shell counts it, or from 256 on the runner's own words. */
  status: number;
  steps: StepTimes[];
  out: string;
  err: string;
}

export interface BatchOutcome {
  jobs: JobOutcome[];
  /** From the beginning of the first job to the end of the last. */
  wallMs: number;
}

export interface RunnerOptions {
  /** A pure cgroup2 view, in a mount namespace of its own; root alone. */
  cgroup2?: boolean;
  /** `UID:GID` that it becomes; root alone. */
  user?: string;
  directory?: string;
  /** Longest time of one step; 120 s unless given. */
  stepLimitSeconds?: number;
  slots?: number;
  /** Of the FIFOs through which payloads speak; the number of the slot is added. */
  fifoPrefix?: string;
  /** Words before the program, for peers that live in a root directory of their own. They must end in an exec. */
  prefix?: readonly string[];
  /** The program, where it is not the built one; for `prefix`. */
  program?: string;
}

const OWN_FAILURES: Record<number, string> = {
  256: 'no end within the limit of time',
  257: 'the payload has not said that it runs',
  258: 'the clock of the container is not that of the machine',
  259: 'it ended before it was told to',
};
const KINDS: Record<Wait, string> = { exit: 'x', ready: 'xr', keep: 'r' };

export function runnerPath(): string {
  return join(packageRoot(), 'build/Release/davit-bench-runner');
}

export class Runner {
  private buffer: Buffer = Buffer.alloc(0);
  private jobs: JobOutcome[] = [];
  private waiting?: { resolve: (outcome: BatchOutcome) => void; reject: (error: Error) => void };
  private ended = false;
  private readonly hasEnded: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    readonly pid: number,
  ) {
    child.stdout?.on('data', (bytes: Buffer) => {
      this.buffer = this.buffer.length === 0 ? bytes : Buffer.concat([this.buffer, bytes]);
      while (this.takeAnswer());
    });
    this.hasEnded = new Promise((resolve) => child.once('close', () => resolve(this.onEnd())));
  }

  /** @throws RuntimeError NATIVE when it cannot be started */
  static start(options: RunnerOptions = {}): Promise<Runner> {
    const { slots = 1, fifoPrefix, prefix = [], program = runnerPath() } = options;
    if (!existsSync(program)) {
      throw new RuntimeError('NATIVE', `the native part is not built: no "${program}"`, {
        path: program,
        hint: 'run "npm ci && npm run build" in the davit directory',
      });
    }
    const args = ['--slots', String(slots)];
    if (options.cgroup2) args.push('--cgroup2');
    if (options.user !== undefined) args.push('--user', options.user);
    if (options.directory !== undefined) args.push('--dir', options.directory);
    if (options.stepLimitSeconds !== undefined) args.push('--step-limit', String(options.stepLimitSeconds));
    if (fifoPrefix !== undefined) args.push('--fifo', fifoPrefix);
    const [command, ...rest] = [...prefix, program, ...args] as [string, ...string[]];
    // In a session of its own: a Ctrl-C in the terminal must leave it alive until it is told to clean up.
    const child = spawn(command, rest, { cwd: '/', stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    return greeting(child, program).then((pid) => new Runner(child, pid));
  }

  /**
   * Runs the jobs and waits for all of them; one call at a time. A job that fails is an outcome, no error.
   * @throws Error when the runner has ended
   */
  run(request: BatchRequest): Promise<BatchOutcome> {
    if (this.ended) return Promise.reject(new Error('davit-bench-runner has ended'));
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.child.stdin?.write(encode(request));
    });
  }

  /** Ends it, and all that its commands have left running. */
  async close(): Promise<void> {
    this.child.stdin?.end();
    await this.hasEnded;
  }

  private onEnd(): void {
    this.ended = true;
    this.waiting?.reject(new Error('davit-bench-runner has ended'));
    this.waiting = undefined;
  }

  /** @returns whether there may be another one */
  private takeAnswer(): boolean {
    const line = this.buffer.indexOf('\n');
    if (line < 0) return false;
    const [kind, ...numbers] = this.buffer.toString('latin1', 0, line).split(' ');
    if (kind === 'END') {
      this.buffer = this.buffer.subarray(line + 1);
      const outcome = { jobs: this.jobs, wallMs: Number(numbers[0]) / 1e6 };
      this.jobs = [];
      const { waiting } = this;
      this.waiting = undefined;
      waiting?.resolve(outcome);
      return true;
    }
    const [number, , status, , outBytes, errBytes, ...times] = numbers.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const out = line + 1;
    const err = out + outBytes;
    const end = err + errBytes;
    if (this.buffer.length < end) return false;
    this.jobs.push({
      number,
      status,
      steps: stepTimes(times),
      out: this.buffer.toString('utf8', out, err),
      err: this.buffer.toString('utf8', err, end),
    });
    this.buffer = this.buffer.subarray(end);
    return true;
  }
}

/** Why a job has failed, in words: what the command has written last, else what its status means. */
export function failureOf({ status, err }: Pick<JobOutcome, 'status' | 'err'>): string {
  const own = OWN_FAILURES[status] ?? `status ${status}`;
  const lines = err.split('\n').filter((line) => line.trim() !== '');
  const said = lines.find((line) => /\b(FATAL|ERROR)\b/.test(line)) ?? lines.at(-1);
  return said === undefined ? own : `${own}: ${said.replace(/\x1b\[[\d;]*m/g, '').trim()}`;
}

/** `RUNNER PID`, the first line. */
function greeting(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let [said, complained] = ['', ''];
    const fail = (why: string): void =>
      reject(new RuntimeError('NATIVE', `start "${program}": ${why}`, { path: program }));
    const onData = (bytes: Buffer): void => {
      said += bytes.toString('latin1');
      const match = /^RUNNER (\d+)\n$/.exec(said);
      if (!match) return;
      child.stdout?.removeListener('data', onData);
      resolve(Number(match[1]));
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', (bytes: Buffer) => {
      complained += bytes.toString('utf8');
    });
    child.stdin?.on('error', () => undefined); // its end is noticed by 'close'
    child.once('error', (error) => fail(error.message));
    child.once('close', (status) => fail(complained.trim() || `it ended with status ${status}`));
  });
}

function encode(request: BatchRequest): string {
  const { steps, env, first = 0, count = 1, concurrency = 1, limitMs = 0, keepOutput = false } = request;
  const variables = Object.entries(env).filter(([, value]) => value !== undefined);
  const head = [
    'RUN',
    first,
    count,
    concurrency,
    Math.round(limitMs),
    keepOutput ? 1 : 0,
    steps.length,
    variables.length,
  ];
  const words = steps.flatMap((step) =>
    step === 'end kept' ? ['k', '0'] : [KINDS[step.wait], String(step.words.length), ...step.words],
  );
  const all = [...words, ...variables.map(([name, value]) => `${name}=${value}`)];
  return `${head.join(' ')}\n${all.map((word) => `${word}\0`).join('')}`;
}

function stepTimes(numbers: readonly number[]): StepTimes[] {
  const steps: StepTimes[] = [];
  for (let at = 0; at + 3 < numbers.length; at += 4) {
    const [begin, ready, end, cpu] = numbers.slice(at, at + 4) as [number, number, number, number];
    steps.push({
      begin: begin / 1e6,
      ...(ready > 0 ? { ready: ready / 1e6 } : undefined),
      end: end / 1e6,
      cpu: cpu / 1e3,
    });
  }
  return steps;
}
