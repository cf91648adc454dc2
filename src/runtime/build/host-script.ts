/** %pre and %setup: on the host, with the caller's environment, as root or as what is root in a user namespace. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { RuntimeError } from '../../errors';
import type { Script } from '../../formats/definition/definition';
import type { BuildContext } from './context';
import { exitWords } from './exit-words';
import { sectionCommand } from './section-args';

const ENVIRONMENT_FILE = '/.singularity.d/env/91-environment.sh';
const OWN_PREFIXES = ['DAVIT_', 'APPTAINER_', 'SINGULARITY_'];

/**
 * Runs a section on the host.
 * @throws RuntimeError IMAGE_BUILD when it fails
 */
export async function runHostScript(name: string, script: Script, rootfs: string, ctx: BuildContext): Promise<void> {
  ctx.onInfo(`Running ${name} scriptlet`);
  const file = ctx.bundle.file(name);
  writeFileSync(file, script.text, { mode: 0o700 });
  const [program = '', ...args] = sectionCommand(name, script, file);
  try {
    const { exitStatus, signal } = await runProgram(program, args, hostEnvironment(rootfs, ctx), ctx);
    if (exitStatus === 0 && signal === undefined) return;
    throw new RuntimeError('IMAGE_BUILD', `failed to run %${name} script: ${exitWords(exitStatus, signal)}`);
  } finally {
    rmSync(file, { force: true });
  }
}

function hostEnvironment(rootfs: string, { caller }: BuildContext): NodeJS.ProcessEnv {
  const kept = Object.entries(caller.env).filter(([name]) => !OWN_PREFIXES.some((prefix) => name.startsWith(prefix)));
  const own = OWN_PREFIXES.flatMap((prefix) => [
    [`${prefix}ROOTFS`, rootfs],
    [`${prefix}ENVIRONMENT`, ENVIRONMENT_FILE],
  ]);
  return Object.fromEntries([...kept, ...own]);
}

/**
 * Runs a program of the host to its end. Its output goes where ours goes; a signal that ends the build ends it too.
 * @throws RuntimeError IMAGE_BUILD when it cannot be started, or was interrupted
 */
export async function runProgram(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  { interruption }: Pick<BuildContext, 'interruption'>,
): Promise<{ exitStatus: number; signal?: number }> {
  const { spawn } = require('node:child_process') as typeof import('node:child_process');
  const child = spawn(program, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const end = new Promise<{ exitStatus: number; signal?: number }>((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new RuntimeError('IMAGE_BUILD', `run "${program}": ${cause.code ?? cause.message}`, { cause }));
    });
    child.once('close', (status, by) => {
      const signal = by === null ? undefined : constants.signals[by];
      resolve({ exitStatus: status ?? 128 + (signal ?? 0), ...(signal === undefined ? {} : { signal }) });
    });
  });
  const kill = (signal: NodeJS.Signals): void => {
    for (const pid of [...descendants(child.pid), child.pid]) sendSignal(pid, signal);
  };
  return await interruption.during({ kill }, end);
}

/** A shell dies of a signal only when its own child has ended: the children get it too. Deepest first. */
function descendants(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return children.flatMap((child) => [...descendants(child), child]);
  } catch {
    return []; // it has ended
  }
}

function sendSignal(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // it has ended
  }
}
