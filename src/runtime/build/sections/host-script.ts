/** %pre and %setup: on the host, with the caller's environment, as root or as what is root in a user namespace. */
import { rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { RuntimeError } from '../../../errors';
import type { Script } from '../../../formats/definition/definition';
import type { BuildContext } from '../bundle/context';
import { exitWords } from './exit-words';
import { fakerootVariables } from './fakeroot-command';
import { signalTree } from './process-tree';
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
  { interruption, fakeroot }: Pick<BuildContext, 'interruption' | 'fakeroot'>,
): Promise<{ exitStatus: number; signal?: number }> {
  const { spawn } = require('node:child_process') as typeof import('node:child_process');
  const faked = fakeroot ? fakerootVariables(fakeroot.library, fakeroot.key) : {};
  const child = spawn(program, args, { env: { ...env, ...faked }, stdio: ['ignore', 'inherit', 'inherit'] });
  const end = new Promise<{ exitStatus: number; signal?: number }>((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new RuntimeError('IMAGE_BUILD', `run "${program}": ${cause.code ?? cause.message}`, { cause }));
    });
    child.once('close', (status, by) => {
      const signal = by === null ? undefined : constants.signals[by];
      resolve({ exitStatus: status ?? 128 + (signal ?? 0), ...(signal === undefined ? {} : { signal }) });
    });
  });
  const kill = (signal: NodeJS.Signals): void => signalTree(child.pid, signal);
  return await interruption.during({ kill }, end);
}
