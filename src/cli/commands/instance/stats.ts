/** instance stats: what an instance uses, every second until Ctrl-C, once, or as JSON. */
import { RuntimeError } from '../../../errors';
import { launcherPath, native } from '../../../native';
import { nameMatcher } from '../../../runtime/instance/hostlist';
import type { InstanceRecord } from '../../../runtime/instance/record';
import type { InstanceStore } from '../../../runtime/instance/store';
import { compiled, DAVIT_VERSION, type LaunchPlan, MODE, PLAN_FORMAT } from '../../../runtime/launch/plan';
import { passTiming } from '../../../timing';
import type { CommandContext } from '../../command-line/command';
import { openInstances } from './instances';

/** StatsForm of src/schema/launch.proto. */
const FORM = { tables: 0, table: 1, json: 2 } as const;

/** Finds the instance; the launcher takes this process's place and says what it uses (native/launcher/stats.cc). */
export async function run(context: CommandContext): Promise<number> {
  const { options, terminal, args } = context;
  const { store, foreignUid } = await openInstances(context);
  const record = findOne(store, args[0] as string);
  const once = options.flag('noStream');
  if (options.flag('json')) {
    if (!once) terminal.warning('JSON output is only available for a single timepoint (--no-stream)');
  } else {
    terminal.info(`Stats for ${record.name} instance of ${record.image} (PID=${record.pid})`);
  }
  const plan: LaunchPlan = {
    format: PLAN_FORMAT,
    davitVersion: DAVIT_VERSION,
    mode: MODE.stats,
    output: { messageLevel: terminal.level, color: terminal.color },
    stats: {
      name: record.name,
      pid: record.pid,
      pidStartTime: record.pidStartTime,
      keeperPid: record.keeperPid,
      foreign: foreignUid !== undefined,
      uid: foreignUid ?? 0,
      form: options.flag('json') ? FORM.json : once ? FORM.table : FORM.tables,
    },
  };
  passTiming();
  return native().execLauncher(launcherPath(), compiled(plan, []).bytes());
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
