/** instance stats: what an instance uses, every second until Ctrl-C, once, or as JSON. */
import { RuntimeError } from '../../../errors';
import { nameMatcher } from '../../../runtime/instance/hostlist';
import type { InstanceRecord } from '../../../runtime/instance/record';
import type { InstanceStore } from '../../../runtime/instance/store';
import { cpuPercent, type InstanceUsage, readUsage } from '../../../runtime/instance/usage';
import type { CommandContext } from '../../command-line/command';
import { isTerminal, type Terminal } from '../../terminal/render';
import { openInstances } from './instances';
import { statsJson, statsRows } from './stats-format';

const INTERVAL_MS = 1000;
/** The whole screen, then its first character (ECMA-48: ED 2, CUP). */
const CLEAR = '\x1b[2J\x1b[1;1H';

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal, args } = context;
  const { store, foreignUid } = await openInstances(context);
  const record = findOne(store, args[0] as string);
  const read = (): InstanceUsage => readUsage(record, foreignUid === undefined ? {} : { foreignUid });
  const once = options.flag('noStream');
  if (options.flag('json')) {
    if (!once) terminal.warning('JSON output is only available for a single timepoint (--no-stream)');
    terminal.json(statsJson(read()));
    return 0;
  }
  terminal.info(`Stats for ${record.name} instance of ${record.image} (PID=${record.pid})`);
  await watch(read, once, terminal);
  return 0;
}

/** @throws RuntimeError NOT_FOUND, USAGE, and STATE for a damaged record */
function findOne(store: InstanceStore, pattern: string): InstanceRecord {
  const found = store.list(nameMatcher(pattern)).filter((entry) => entry.state !== 'starting');
  const [one] = found;
  if (one === undefined) throw new RuntimeError('NOT_FOUND', 'no instance found');
  if (found.length > 1) throw new RuntimeError('USAGE', `query returned more than one instance (${found.length})`);
  if (one.state === 'damaged') throw new RuntimeError('STATE', one.problem, { path: one.name });
  return (one as Extract<typeof one, { state: 'alive' }>).record;
}

/** Prints a record for every second that passes, until Ctrl-C or until nobody reads any more. */
async function watch(read: () => InstanceUsage, once: boolean, terminal: Terminal): Promise<void> {
  const clear = !once && isTerminal(1) ? CLEAR : '';
  let interrupt = (): void => {};
  const interrupted = new Promise<true>((done) => {
    interrupt = () => done(true);
  });
  process.once('SIGINT', interrupt);
  try {
    for (let earlier = read(); !(await Promise.race([interrupted, passed(INTERVAL_MS)])); ) {
      const later = read();
      terminal.out(clear);
      terminal.table(statsRows(later, cpuPercent(earlier, later)));
      if (once || terminal.unread) return;
      earlier = later;
    }
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
}

function passed(ms: number): Promise<false> {
  return new Promise((done) => setTimeout(done, ms, false));
}
