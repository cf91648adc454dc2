/** instance logs: what an instance has written, and with -f what it will write. */
import { RuntimeError } from '../../errors';
import { followLog, LogReader, logPath } from '../../runtime/instance/logs';
import { checkInstanceName } from '../../runtime/instance/names';
import type { CommandContext } from '../command';
import { openInstances } from '../instances';

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal, args } = context;
  const name = args[0] as string;
  checkInstanceName(name);
  const { store, foreignUid } = await openInstances(context);
  const found = store.find(name);
  const record = found?.state === 'alive' ? found.record : undefined;
  const path = logPath(store.stateDir, name, options.flag('err') ? 'err' : 'out', record);
  const reader = new LogReader(path, foreignUid);
  if (!found && !reader.exists()) {
    throw new RuntimeError('INSTANCE_MISSING', `no instance found with name ${name}`, { path: name });
  }
  const isAlive = (): boolean => options.flag('follow') && store.find(name) !== undefined;
  for await (const chunk of followLog(reader, { isAlive })) terminal.out(chunk);
  return 0;
}
