/** instance stop: by name, pattern or --all; returns when they have ended. */
import { readFileSync } from 'node:fs';
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { nameMatcher } from '../../../runtime/instance/hostlist';
import { type StopOptions, signalNumber, stopInstances } from '../../../runtime/instance/lifecycle';
import type { InstanceRecord } from '../../../runtime/instance/record';
import type { Found } from '../../../runtime/instance/store';
import type { CommandContext } from '../../command-line/command';
import type { Terminal } from '../../terminal/render';
import { openInstances } from './instances';

const DEFAULT_SIGNAL = 'SIGINT';
const DEFAULT_TIMEOUT_S = 10;

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal, args } = context;
  const all = options.flag('all');
  if (args.length === 0 && !all) throw new RuntimeError('USAGE', 'invalid command');
  const signal = wantedSignal(options.flag('force') ? 'SIGKILL' : (options.text('signal') ?? DEFAULT_SIGNAL));

  const { store, foreignUid } = await openInstances(context);
  const found = store.list(nameMatcher(all ? '*' : (args[0] as string))).filter((entry) => entry.state !== 'starting');
  if (found.length === 0) throw new RuntimeError('NOT_FOUND', 'no instance found');
  const { records, lost } = await usable(found, store.stateDir, foreignUid !== undefined);

  const stop: StopOptions = {
    signal,
    timeoutMs: Math.max(0, options.number('timeout') ?? DEFAULT_TIMEOUT_S) * 1000,
    onEvent: (event, record) => announce(terminal, event, record),
    ...(foreignUid === undefined ? undefined : { foreignUid }),
  };
  const addon = native();
  await stopInstances(records, addon, (processes, timeoutMs) => addon.waitProcesses(processes, timeoutMs), stop);
  for (const { name } of records) store.remove(name);
  if (lost.length > 0) throw new RuntimeError('STATE', lost.join('; '), { hint: 'its processes were not found' });
  return 0;
}

function wantedSignal(text: string): number {
  const signal = signalNumber(text);
  if (signal === undefined) throw new RuntimeError('OPTION', `Could not convert stop signal: ${text} is not a number`);
  return signal;
}

function announce(terminal: Terminal, event: 'stopping' | 'killing', record: InstanceRecord): void {
  const [verb, suffix] = event === 'stopping' ? ['Stopping', ''] : ['Killing', ' (Timeout)'];
  terminal.info(`${verb} ${record.name} instance of ${record.image} (PID=${record.pid})${suffix}`);
}

/** The records to stop by. For a damaged one the processes are looked for; `lost` has those that were not found. */
async function usable(
  found: Found[],
  stateDir: string,
  foreign: boolean,
): Promise<{ records: InstanceRecord[]; lost: string[] }> {
  const records: InstanceRecord[] = [];
  const lost: string[] = [];
  for (const entry of found) {
    if (entry.state === 'alive') records.push(entry.record);
    if (entry.state !== 'damaged') continue;
    const { minimalRecord, recoverRecord } = await import('../../../runtime/instance/damaged');
    const recovered = foreign ? undefined : recoverRecord(stateDir, entry.name, native());
    if (recovered)
      records.push(minimalRecord(recovered, readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()));
    else lost.push(entry.problem);
  }
  return { records, lost };
}
