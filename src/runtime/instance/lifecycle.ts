/** Stopping instances: a signal to each init, one deadline for all, then SIGKILL; the end of each is verified. */
import { readFileSync, statSync } from 'node:fs';
import { RuntimeError } from '../../errors';
import type { NativeAddon, ProcessIdentity } from '../../native';
import type { InstanceRecord } from './record';

export type LifecycleAddon = Pick<NativeAddon, 'signalProcess'>;

/** Waits until all the processes have ended or the time is over; the indexes of those that are left. */
export type Wait = (processes: ProcessIdentity[], timeoutMs: number) => number[] | Promise<number[]>;

export interface StopOptions {
  signal: number;
  timeoutMs: number;
  /** The instances belong to another user: only that user's processes are signalled. */
  foreignUid?: number;
  onEvent?: (event: 'stopping' | 'killing', record: InstanceRecord) => void;
  /** What the machine says; a test says something else. */
  world?: StopWorld;
}

export interface StopWorld {
  /** Names this boot of the machine. */
  bootId(): string;
  /** Whether a process has children; true when that cannot be known. */
  hasChildren(pid: number): boolean;
  /** Whether a process is stopped, as by SIGSTOP or a suspended batch job. */
  isStopped(pid: number): boolean;
  /** Owner of a process, or `undefined` when there is none. */
  ownerOf(pid: number): number | undefined;
  nowMs(): number;
}

const SIGKILL = 9;
const SIGCONT = 18;
/** Between two looks at whether anything is left inside. An end is noticed at once, without polling. */
const CHILDREN_POLL_MS = 20;
/** SIGKILL needs no time; this is for a machine that is out of breath. */
const KILL_WAIT_MS = 5_000;

/**
 * Stops instances and returns when they have ended. Records of an earlier boot are passed over: nothing of theirs runs.
 * @throws RuntimeError STATE naming those that survived SIGKILL
 */
export async function stopInstances(
  records: readonly InstanceRecord[],
  addon: LifecycleAddon,
  wait: Wait,
  options: StopOptions,
): Promise<void> {
  await new Stop(addon, wait, options).run(records);
}

class Stop {
  private readonly world: StopWorld;

  constructor(
    private readonly addon: LifecycleAddon,
    private readonly wait: Wait,
    private readonly options: StopOptions,
  ) {
    this.world = options.world ?? machine;
  }

  async run(records: readonly InstanceRecord[]): Promise<void> {
    const bootId = this.world.bootId();
    const running = records.filter((record) => record.bootId === bootId);
    for (const record of running) {
      this.options.onEvent?.('stopping', record);
      this.signal(init(record), this.options.signal);
      this.wake(record);
    }
    const stubborn = await this.untilDeadline(running);
    for (const record of stubborn) {
      this.options.onEvent?.('killing', record);
      this.signal(init(record), SIGKILL);
    }
    await this.verify(stubborn);
  }

  /** Waits for the keepers. An init that has nothing left to look after is ended at once. @returns those still alive. */
  private async untilDeadline(records: InstanceRecord[]): Promise<InstanceRecord[]> {
    const deadlineMs = this.world.nowMs() + this.options.timeoutMs;
    let left = records;
    while (left.length > 0) {
      const restMs = Math.max(0, deadlineMs - this.world.nowMs());
      left = await this.survivors(left, Math.min(restMs, CHILDREN_POLL_MS));
      if (restMs === 0) break;
      for (const record of left) {
        this.wake(record); // it may have been on its way to a stop
        if (!this.world.hasChildren(record.pid)) this.signal(init(record), SIGKILL);
      }
    }
    return left;
  }

  /** After SIGKILL to the init the keeper ends by itself, and is made to if it does not. */
  private async verify(records: InstanceRecord[]): Promise<void> {
    let left = await this.survivors(records, KILL_WAIT_MS);
    for (const record of left) this.signal(keeper(record), SIGKILL);
    left = await this.survivors(left, KILL_WAIT_MS);
    if (left.length === 0) return;
    const names = left.map((record) => `${record.name} (PID=${record.pid})`).join(', ');
    throw new RuntimeError('STATE', `stop ${names}: still running after SIGKILL`, {
      hint: 'a process that hangs in the kernel, as on a dead network file system, ends only with that',
    });
  }

  private async survivors(records: InstanceRecord[], timeoutMs: number): Promise<InstanceRecord[]> {
    if (records.length === 0) return records;
    const indexes = await this.wait(records.map(keeper), timeoutMs);
    return indexes.map((index) => records[index] as InstanceRecord);
  }

  /** A stopped init handles no signal, and a stopped keeper does not notice the end of its init. */
  private wake(record: InstanceRecord): void {
    for (const target of [init(record), keeper(record)])
      if (this.world.isStopped(target.pid)) this.signal(target, SIGCONT);
  }

  /** A record of another user may name any process: only those that are that user's are touched. */
  private signal(target: ProcessIdentity, signal: number): void {
    const { foreignUid } = this.options;
    if (foreignUid !== undefined && this.world.ownerOf(target.pid) !== foreignUid) return;
    this.addon.signalProcess(target, signal);
  }
}

function init(record: InstanceRecord): ProcessIdentity {
  return { pid: record.pid, startTime: String(record.pidStartTime) };
}

function keeper(record: InstanceRecord): ProcessIdentity {
  return { pid: record.keeperPid, startTime: String(record.keeperStartTime) };
}

const machine: StopWorld = {
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
  hasChildren: (pid) => {
    try {
      // proc(5): there only with CONFIG_PROC_CHILDREN.
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim() !== '';
    } catch {
      return true;
    }
  },
  isStopped: (pid) => {
    try {
      // proc(5): the command name is in parentheses and may itself hold any character.
      return /\) [Tt] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    } catch {
      return false;
    }
  },
  ownerOf: (pid) => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid,
  nowMs: () => performance.now(),
};

/** Names of signals as signal(7) has them on Linux, without SIG. */
const SIGNALS =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU ' +
  'XFSZ VTALRM PROF WINCH IO PWR SYS';
const SIGNAL_ALIASES: Record<string, number> = { IOT: 6, CLD: 17, POLL: 29 };
const LAST_SIGNAL = 64;

/** Number of a signal by its name, with or without SIG and in any case, or by its number; `undefined` for none. */
export function signalNumber(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    return number >= 1 && number <= LAST_SIGNAL ? number : undefined;
  }
  const index = SIGNALS.split(' ').indexOf(name);
  return index >= 0 ? index + 1 : SIGNAL_ALIASES[name];
}
