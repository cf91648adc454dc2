/** How bootstrap agents run programs of the host. */
import { RuntimeError } from '../../../errors';
import type { BuildContext } from '../bundle/context';
import { exitWords } from '../sections/exit-words';
import { searchPath } from '../sections/host-program';
import { runProgram } from '../sections/host-script';

/** Runs a program of the host; its output goes where ours goes. @throws RuntimeError IMAGE_BUILD when it fails */
export async function runHostProgram(
  program: string,
  args: string[],
  ctx: BuildContext,
  variables: Record<string, string> = {},
): Promise<void> {
  const env = { ...ctx.caller.env, PATH: searchPath(ctx.caller.env), ...variables };
  ctx.onVerbose(`Running ${program} ${args.join(' ')}`);
  const { exitStatus, signal } = await runProgram(program, args, env, ctx);
  if (exitStatus === 0) return;
  const name = program.slice(program.lastIndexOf('/') + 1);
  throw new RuntimeError('IMAGE_BUILD', `${name}: ${exitWords(exitStatus, signal)}`, { path: program });
}

/** Words of a header value: separated by blanks or commas. */
export function wordsOf(value: string): string[] {
  return value.split(/[\s,]+/).filter((word) => word !== '');
}
