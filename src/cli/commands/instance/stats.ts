/** instance stats: refused, but as Apptainer refuses it where there is no such instance. */
import { RuntimeError } from '../../../errors';
import { globMatcher } from '../../../runtime/instance/names';
import type { CommandContext } from '../../command-line/command';
import { openInstances } from './instances';

export async function run(context: CommandContext): Promise<number> {
  const { store } = await openInstances(context);
  const found = store.list(globMatcher(context.args[0] as string));
  if (found.length === 0) throw new RuntimeError('NOT_FOUND', 'no instance found');
  throw new RuntimeError('OPTION', 'not supported yet: davit instance stats', {
    hint: 'davit instance list --json has the PIDs',
  });
}
