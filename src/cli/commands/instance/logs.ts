/** instance logs: what instances have written, and with -f what one will write. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { nameMatcher } from '../../../runtime/instance/hostlist';
import { followLog, LogReader, logPath } from '../../../runtime/instance/logs';
import { checkInstanceName, isInstanceName } from '../../../runtime/instance/names';
import type { InstanceStore } from '../../../runtime/instance/store';
import type { CommandContext } from '../../command-line/command';
import { type Instances, openInstances } from './instances';

export async function run(context: CommandContext): Promise<number> {
  const { options, args } = context;
  const pattern = args[0] as string;
  const instances = await openInstances(context);
  if (!/[*?[\],]/.test(pattern)) {
    checkInstanceName(pattern);
    await print(pattern, instances, context);
    return 0;
  }
  if (options.flag('follow')) throw new RuntimeError('OPTION', '--follow takes the name of one instance');
  const names = namesWithLogs(instances.store).filter(nameMatcher(pattern));
  if (names.length === 0) throw missing(pattern);
  for (const [i, name] of names.entries()) {
    // As tail(1) heads several files.
    context.terminal.out(`${i > 0 ? '\n' : ''}==> ${name} <==\n`);
    await print(name, instances, context);
  }
  return 0;
}

async function print(name: string, { store, foreignUid }: Instances, context: CommandContext): Promise<void> {
  const { options, terminal } = context;
  const found = store.find(name);
  const record = found?.state === 'alive' ? found.record : undefined;
  const path = logPath(store.stateDir, name, options.flag('err') ? 'err' : 'out', record);
  const reader = new LogReader(path, foreignUid);
  if (!found && !reader.exists()) throw missing(name);
  const isAlive = (): boolean => options.flag('follow') && store.find(name) !== undefined;
  for await (const chunk of followLog(reader, { isAlive })) {
    terminal.out(chunk);
    if (terminal.unread) return;
  }
}

/** Live instances, and those that have left a log in the place where logs are by default; sorted. */
function namesWithLogs(store: InstanceStore): string[] {
  const live = store.list().map(({ name }) => name);
  return [...new Set([...live, ...oldLogs(join(store.stateDir, 'logs'))])].sort();
}

function oldLogs(directory: string): string[] {
  try {
    return readdirSync(directory).flatMap((file) => {
      const name = file.replace(/\.(out|err)$/, '');
      return name !== file && isInstanceName(name) ? [name] : [];
    });
  } catch {
    return []; // nothing has been started here yet
  }
}

function missing(name: string): RuntimeError {
  return new RuntimeError('INSTANCE_MISSING', `no instance found with name ${name}`, { path: name });
}
