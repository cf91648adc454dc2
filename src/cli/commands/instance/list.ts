/** instance list: a table, the log files, or JSON; sorted by name. */
import { RuntimeError } from '../../../errors';
import { nameMatcher } from '../../../runtime/instance/hostlist';
import { instanceInfo } from '../../../runtime/instance/info';
import type { Found } from '../../../runtime/instance/store';
import type { CommandContext } from '../../command-line/command';
import { openInstances } from './instances';

type Alive = Extract<Found, { state: 'alive' }>;
type Damaged = Extract<Found, { state: 'damaged' }>;

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal, args } = context;
  if (options.flag('json') && options.flag('logs'))
    throw new RuntimeError('OPTION', 'more than one flags have been set');
  const { store } = await openInstances(context);
  const found = store.list(nameMatcher(args[0] ?? '*'));
  const alive = found.filter((entry): entry is Alive => entry.state === 'alive');
  const damaged = found.filter((entry): entry is Damaged => entry.state === 'damaged');

  const all = options.flag('all');
  const verbose = options.flag('verbose') || terminal.shows('verbose');
  if (options.flag('json')) {
    terminal.json({ instances: [...alive.map(describe), ...(all ? damaged.map(describeDamaged) : [])].sort(byName) });
  } else if (options.flag('logs')) {
    terminal.table([['INSTANCE NAME', 'PID', 'LOGS'], ...alive.flatMap(logRows)]);
  } else {
    const headings = ['INSTANCE NAME', 'PID', 'IP', 'IMAGE', ...(verbose ? ['STATE', 'EXIT STATUS'] : [])];
    const rows = [
      ...alive.map((entry) => row(entry, verbose)),
      ...(all ? damaged.map((entry) => damagedRow(entry, verbose)) : []),
    ];
    terminal.table([headings, ...rows.sort((a, b) => compare(a[0] as string, b[0] as string))]);
  }
  for (const { problem } of damaged) terminal.warning(`${problem}; the instance is running`);
  return 0;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byName(a: { instance: string }, b: { instance: string }): number {
  return compare(a.instance, b.instance);
}

function row({ name, record }: Alive, verbose: boolean): string[] {
  const cells = [name, String(record.pid), record.ip, record.image];
  if (!verbose) return cells;
  const { state, exitStatus } = instanceInfo(record);
  return [...cells, state, exitStatus === null ? '-' : String(exitStatus)];
}

function damagedRow({ name }: Damaged, verbose: boolean): string[] {
  return [name, '', '', '', ...(verbose ? ['damaged', '-'] : [])];
}

/** Two lines an instance: the error output first. */
function logRows({ name, record }: Alive): string[][] {
  return [
    [name, String(record.pid), record.logErr],
    ['', '', record.logOut],
  ];
}

/** Apptainer's keys in Apptainer's order and under its names, then ours. */
function describe({ record }: Alive): Record<string, unknown> & { instance: string } {
  const { name, pid, image, ip, logErr, logOut, ...ours } = instanceInfo(record);
  return { instance: name, pid, img: image, ip, logErrPath: logErr, logOutPath: logOut, ...ours };
}

function describeDamaged({ name, problem }: Damaged): Record<string, unknown> & { instance: string } {
  return { instance: name, pid: 0, img: '', ip: '', logErrPath: '', logOutPath: '', state: 'damaged', problem };
}
