// The measuring core as an object: the runner of `davit bench`, one process for each user or peer.
import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** The machinery of src/bench. */
export const machinery = createRequire(import.meta.url)(join(root, 'dist/bench.cjs'));
/** Images are made by commands that take minutes on a busy machine. */
const stepLimitSeconds = 1800;
let program = machinery.runnerPath();

/** Uses a copy of the runner in `directory`, where every user and every peer sees it. */
export function placeRunner(directory) {
  program = join(directory, 'runner');
  copyFileSync(machinery.runnerPath(), program);
}

export class Timer {
  #starting;

  /** @param options of the runner (src/bench/runner.ts): cgroup2, user, directory, prefix */
  constructor(options = {}) {
    this.#starting = machinery.Runner.start({ ...options, program, stepLimitSeconds });
    this.#starting.catch(() => undefined); // run() says why
  }

  /**
   * Runs one command and waits for it; one at a time.
   * @param command its words; the first is an absolute path
   * @returns wall and cpu in milliseconds, the status as a shell counts it, standard output and error output
   */
  async run(command, env, { output = false } = {}) {
    const runner = await this.#starting;
    const steps = [{ wait: 'exit', words: command }];
    const { jobs } = await runner.run({ steps, env, keepOutput: output });
    const [{ status, out, err, steps: times }] = jobs;
    const [{ begin, end, cpu }] = times;
    return { wall: end - begin, cpu, status, out, err };
  }

  async close() {
    await (await this.#starting).close();
  }
}

/** A command that fails is no measurement. */
export function expectSuccess(command, answer) {
  if (answer.status !== 0) throw new Error(`${command.join(' ')}: status ${answer.status}: ${answer.err.trim()}`);
  return answer;
}
