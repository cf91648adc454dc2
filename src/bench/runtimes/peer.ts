/** A peer: one case, whose life is a few commands; `join` enters a container that stays for the whole measurement. */
import type { Runner } from '../runner';
import {
  type Case,
  type Contestant,
  type Life,
  payload,
  runJob,
  sampleOf,
  type Setting,
  type ThroughputJobs,
  type Turn,
} from './contestant';

/** What a kind of peer says of itself. Words hold @N@ and @S@. */
export interface PeerKind {
  runtime: string;
  label: string;
  /** A container that stays, with the payload holding in it. */
  stay: Life;
  /** One command in a container of its own. */
  once: Life;
  /** One command in the container of a job; `undefined` when the runtime has no such thing. */
  enter?: (holder: number) => Life;
  /** The starting command returns before the payload ends. */
  staysBehind: boolean;
  env: Record<string, string | undefined>;
  /** Ends and removes what its own state directory still names. */
  sweep(): void;
}

export class Peer implements Contestant {
  readonly cases: readonly Case[];
  readonly staying?: Life & { env: Record<string, string | undefined> };
  private holder?: number;

  constructor(
    private readonly kind: PeerKind,
    private readonly setting: Setting,
    readonly runner: Runner,
    readonly version: string,
    readonly command: string,
  ) {
    this.cases = [{ runtime: kind.runtime, variant: '', label: kind.label }];
    this.staying = { ...kind.stay, env: kind.env };
  }

  get runtime(): string {
    return this.kind.runtime;
  }

  async prepare(): Promise<void> {
    const { operation, numbers } = this.setting;
    if (operation !== 'join') {
      await this.live(this.life());
      return;
    }
    if (this.kind.enter === undefined) throw new Error('it cannot enter a running container');
    const holder = numbers.take();
    await runJob(this.runner, this.kind.stay.begin, this.kind.env, holder);
    this.holder = holder;
    await this.live(this.life());
  }

  async turn(): Promise<Turn[]> {
    const one = this.cases[0] as Case;
    try {
      const life = this.life();
      const job = await this.live(life);
      const returns = this.kind.staysBehind || this.setting.operation !== 'start';
      return [{ case: one, sample: sampleOf(job, life.begin.length, returns) }];
    } catch (error) {
      return [{ case: one, failure: (error as Error).message }];
    }
  }

  async throughput(): Promise<{ jobs: ThroughputJobs[]; end: () => Promise<void> }> {
    const jobs = [{ case: this.cases[0] as Case, life: this.life(), env: this.kind.env }];
    return { jobs, end: async () => undefined };
  }

  async finish(): Promise<void> {
    if (this.holder === undefined) return;
    const { holder } = this;
    this.holder = undefined;
    await this.runner.run({ steps: this.kind.stay.end, env: this.kind.env, first: holder });
  }

  sweep(): void {
    try {
      this.kind.sweep();
    } catch {
      // its directory is removed next, which says so when something is left
    }
  }

  private life(): Life {
    const { kind, holder } = this;
    if (this.setting.operation === 'start') return kind.stay;
    return holder === undefined ? kind.once : (kind.enter as (holder: number) => Life)(holder);
  }

  private live(life: Life) {
    return runJob(this.runner, [...life.begin, ...life.end], this.kind.env, this.setting.numbers.take());
  }
}

/** Words for a payload that ends at once, and for one that holds. */
export function payloads(setting: Setting, runtime: string): { once: string[]; holding: string[] } {
  return { once: payload(setting, runtime, false), holding: payload(setting, runtime, true) };
}
