import { describe, expect, it } from 'vitest';
import {
  signalNumber,
  stopInstances,
  type StopOptions,
  type StopWorld,
  type Wait,
} from '../../../src/runtime/instance/lifecycle';
import type { InstanceRecord } from '../../../src/runtime/instance/record';
import { sampleRecord } from './fixtures';

const SIGINT = 2;
const SIGKILL = 9;

/** A machine on which time passes only by waiting, and a process ends as its script says. */
class FakeMachine {
  readonly log: string[] = [];
  private now = 0;
  private readonly endsAt = new Map<number, number>();
  private readonly childless = new Set<number>();
  private readonly records: InstanceRecord[] = [];

  /** `endsAfterMs`: how long the instance takes to end on a signal other than SIGKILL; `undefined`: it ignores it. */
  add(
    name: string,
    endsAfterMs?: number,
    changes: Partial<InstanceRecord> & { immortal?: boolean } = {},
  ): InstanceRecord {
    const { immortal = false, ...rest } = changes;
    const at = this.records.length;
    const record = sampleRecord(name, {
      pid: 100 + at,
      pidStartTime: 1000 + at,
      keeperPid: 200 + at,
      keeperStartTime: 2000 + at,
      ...rest,
    });
    this.records.push(record);
    this.reaction.set(record.pid, { endsAfterMs, immortal });
    return record;
  }
  private readonly reaction = new Map<number, { endsAfterMs: number | undefined; immortal: boolean }>();

  losesChildren(record: InstanceRecord): void {
    this.childless.add(record.pid);
  }

  readonly stopped = new Set<number>();

  readonly addon = {
    signalProcess: ({ pid, startTime }: { pid: number; startTime: string }, signal: number): boolean => {
      this.log.push(`${signal} ${pid}@${startTime}`);
      const record = this.records.find((candidate) => candidate.pid === pid || candidate.keeperPid === pid);
      if (!record) return false;
      const { endsAfterMs, immortal } = this.reaction.get(record.pid) as { endsAfterMs?: number; immortal: boolean };
      if (signal === SIGKILL && pid === record.keeperPid)
        this.endsAt.set(record.keeperPid, immortal ? Infinity : this.now);
      else if (signal === SIGKILL && !immortal) this.endsAt.set(record.keeperPid, this.now);
      else if (endsAfterMs !== undefined) this.endsAt.set(record.keeperPid, this.now + endsAfterMs);
      return true;
    },
  };

  readonly wait: Wait = (processes, timeoutMs) => {
    const ends = processes.map(({ pid }) => this.endsAt.get(pid) ?? Number.POSITIVE_INFINITY);
    const last = Math.max(...ends);
    this.now = Math.min(this.now + timeoutMs, Math.max(this.now, last));
    return ends.flatMap((end, index) => (end > this.now ? [index] : []));
  };

  readonly world: StopWorld = {
    bootId: () => 'boot-1',
    hasChildren: (pid) => !this.childless.has(pid),
    isStopped: (pid) => this.stopped.has(pid),
    ownerOf: (pid) => this.records.find((record) => record.pid === pid || record.keeperPid === pid)?.uid,
    nowMs: () => this.now,
  };

  async stop(records: InstanceRecord[], options: Partial<StopOptions> = {}): Promise<string[]> {
    const events: string[] = [];
    await stopInstances(records, this.addon, this.wait, {
      signal: SIGINT,
      timeoutMs: 10_000,
      world: this.world,
      onEvent: (event, record) => events.push(`${event} ${record.name} at ${this.now}`),
      ...options,
    });
    return events;
  }

  get elapsedMs(): number {
    return this.now;
  }
}

describe('stopInstances', () => {
  it('sends the signal to the init and waits for the keeper', async () => {
    const machine = new FakeMachine();
    const web = machine.add('web', 300);
    expect(await machine.stop([web])).toEqual(['stopping web at 0']);
    expect(machine.log).toEqual([`${SIGINT} 100@1000`]);
    expect(machine.elapsedMs).toBe(300);
  });

  it('stops all at once, with one deadline', async () => {
    const machine = new FakeMachine();
    const records = [machine.add('a', 500), machine.add('b', 400), machine.add('c')];
    expect(await machine.stop(records, { timeoutMs: 2000 })).toEqual([
      'stopping a at 0',
      'stopping b at 0',
      'stopping c at 0',
      'killing c at 2000',
    ]);
    expect(machine.log).toEqual([
      `${SIGINT} 100@1000`,
      `${SIGINT} 101@1001`,
      `${SIGINT} 102@1002`,
      `${SIGKILL} 102@1002`,
    ]);
    expect(machine.elapsedMs).toBe(2000);
  });

  it('does not wait for an init that has nothing left to look after', async () => {
    const machine = new FakeMachine();
    const web = machine.add('web');
    machine.losesChildren(web);
    expect(await machine.stop([web])).toEqual(['stopping web at 0']);
    expect(machine.log).toEqual([`${SIGINT} 100@1000`, `${SIGKILL} 100@1000`]);
    expect(machine.elapsedMs).toBeLessThan(100);
  });

  it('kills at once without a timeout', async () => {
    const machine = new FakeMachine();
    const web = machine.add('web');
    expect(await machine.stop([web], { timeoutMs: 0 })).toEqual(['stopping web at 0', 'killing web at 0']);
  });

  it('ends a keeper that outlives its init, and reports what outlives SIGKILL', async () => {
    const machine = new FakeMachine();
    const stuck = machine.add('stuck', undefined, { immortal: true });
    await expect(machine.stop([stuck], { timeoutMs: 100 })).rejects.toThrow(
      'stop stuck (PID=100): still running after SIGKILL',
    );
    expect(machine.log.slice(-1)).toEqual([`${SIGKILL} 200@2000`]);
  });

  it('leaves records of an earlier boot alone', async () => {
    const machine = new FakeMachine();
    const old = machine.add('old', 0, { bootId: 'boot-0' });
    expect(await machine.stop([old])).toEqual([]);
    expect(machine.log).toEqual([]);
  });

  it('touches only processes of the user whose instances they are', async () => {
    const machine = new FakeMachine();
    const theirs = machine.add('theirs', 10, { uid: 2000 });
    const forged = machine.add('forged', 10, { uid: 0 });
    await expect(machine.stop([theirs, forged], { foreignUid: 2000, timeoutMs: 50 })).rejects.toThrow('forged');
    expect(machine.log).toEqual([`${SIGINT} 100@1000`]);
  });

  it('wakes what is suspended', async () => {
    const machine = new FakeMachine();
    const web = machine.add('web', 10);
    machine.stopped.add(web.pid).add(web.keeperPid);
    await machine.stop([web]);
    expect(machine.log).toEqual([`${SIGINT} 100@1000`, '18 100@1000', '18 200@2000']);
  });

  it('passes the signal asked for on', async () => {
    const machine = new FakeMachine();
    const web = machine.add('web', 0);
    await machine.stop([web], { signal: 15 });
    expect(machine.log).toEqual(['15 100@1000']);
  });
});

describe('signalNumber', () => {
  it('takes names with and without SIG, in any case, and numbers', () => {
    expect(['KILL', 'SIGKILL', 'sigkill', 'kill', '9'].map(signalNumber)).toEqual([9, 9, 9, 9, 9]);
    expect(['TERM', 'USR1', 'WINCH', 'SYS', 'CHLD', 'POLL'].map(signalNumber)).toEqual([15, 10, 28, 31, 17, 29]);
    expect(['NOSUCH', '', '0', '65', '-9', '1.5'].map(signalNumber)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
