/**
 * davit itself, by the commands that people type. Three cases: a launch that was remembered (docs/plan-cache.md) of an
 * image in use, the same compiled, and a remembered one that is the first to use the image.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchImage, davitProgram } from '../image';
import { untilUnused } from '../loop-devices';
import type { Runner, Step } from '../runner';
import type { Sample } from '../types';
import {
  type Case,
  type Contestant,
  type Life,
  payload,
  payloadArguments,
  runJob,
  sampleOf,
  spanOf,
  type Setting,
  type ThroughputJobs,
  type Turn,
} from './contestant';

const RUNTIME = 'davit';
/** A remembered launch needs no Node; one that needs it finds none and fails, instead of being taken for remembered. */
const NO_NODE = '/nonexistent/node';
/** What has just been made is not relied upon by remembered launches (docs/plan-cache.md). */
const SETTLES_MS = 4500;
const SETTLE_STEP_MS = 500;

const REMEMBERED: Case = { runtime: RUNTIME, variant: 'remembered', label: 'davit' };
const COMPILED: Case = { runtime: RUNTIME, variant: 'compiled', label: 'davit, compiled' };
const FIRST_USE: Case = { runtime: RUNTIME, variant: 'first use', label: 'davit, first use' };

export class Davit implements Contestant {
  readonly runtime = RUNTIME;
  readonly command = davitProgram();
  readonly cases: readonly Case[];
  readonly staying: Life & { env: Record<string, string | undefined> };
  private readonly env: Record<string, string | undefined>;
  private readonly guarded: Record<string, string | undefined>;
  private holder?: number;
  /** Launches write their phases there. */
  private traceFile?: string;
  /** Why launches are not remembered. */
  private forgets?: string;

  constructor(
    private readonly setting: Setting,
    private readonly image: BenchImage,
    stateDir: string,
    readonly runner: Runner,
    readonly version: string,
    private readonly note: (text: string) => void,
  ) {
    this.env = { ...setting.env, DAVIT_STATE_DIR: stateDir };
    this.guarded = { ...this.env, DAVIT_NODE: NO_NODE };
    this.staying = { ...this.instance(), env: this.env };
    const isMounted = image.kind !== 'directory' && setting.operation !== 'join';
    this.cases = isMounted ? [REMEMBERED, COMPILED, FIRST_USE] : [REMEMBERED, COMPILED];
  }

  async prepare(): Promise<void> {
    await this.hold();
    await this.live(this.life(), this.env);
    // Until the launch hits: what it depends on may have been made within the last seconds.
    for (let waitedMs = 0; ; waitedMs += SETTLE_STEP_MS) {
      try {
        await this.remembered();
        break;
      } catch (error) {
        const message = (error as Error).message;
        if (!message.includes(NO_NODE)) throw error;
        if (waitedMs >= SETTLES_MS) {
          this.forgets = 'launches of this image are not remembered here (davit.conf, or warnings at its start)';
          this.note(`davit: ${this.forgets}`);
          break;
        }
      }
      await sleep(SETTLE_STEP_MS);
      await this.live(this.life(), this.env);
    }
    if (this.hasFirstUse) await this.letGo();
  }

  turn(): Promise<Turn[]> {
    return this.tracedTurn(() => undefined);
  }

  /** With first uses, the instance of the first one keeps the image in use for the others, and is stopped at the end. */
  async tracedTurn(fileOf: (one: Case) => string | undefined): Promise<Turn[]> {
    const turns: Turn[] = [];
    const add = async (one: Case, measure: () => Promise<Sample>): Promise<void> => {
      const file = fileOf(one);
      if (file !== undefined) this.traceFile = file;
      try {
        turns.push({ case: one, sample: await measure() });
      } catch (error) {
        turns.push({ case: one, failure: (error as Error).message });
      } finally {
        delete this.traceFile;
      }
    };
    if (this.hasFirstUse) await add(FIRST_USE, () => this.firstUse());
    if (this.hasFirstUse) await this.hold();
    await add(REMEMBERED, () => this.remembered());
    await add(COMPILED, () => this.compiled());
    if (this.hasFirstUse) {
      const stopped = await this.letGo();
      const [first] = turns;
      if (this.setting.operation === 'start' && first && 'sample' in first) first.sample.stopped = stopped;
    }
    return turns;
  }

  async throughput(): Promise<{ jobs: ThroughputJobs[]; end: () => Promise<void> }> {
    await this.hold();
    const life = this.life();
    const jobs = [
      { case: REMEMBERED, life, env: this.env },
      { case: COMPILED, life, env: { ...this.env, DAVIT_PLAN_CACHE: 'off' } },
    ];
    return { jobs: this.forgets === undefined ? jobs : jobs.slice(1), end: async () => void (await this.finish()) };
  }

  async finish(): Promise<void> {
    if (this.holder !== undefined) await this.letGo();
  }

  sweep(): void {
    // Its instances have ended with its runner, and its state directory is the measurement's own.
  }

  private get hasFirstUse(): boolean {
    return this.cases.includes(FIRST_USE);
  }

  /** An instance that keeps the image in use. */
  private async hold(): Promise<void> {
    if (this.holder !== undefined) return;
    const holder = this.setting.numbers.take();
    await runJob(this.runner, this.instance().begin, this.env, holder);
    this.holder = holder;
  }

  /** @returns how long the stop took */
  private async letGo(): Promise<number> {
    const { holder } = this;
    if (holder === undefined) return 0;
    this.holder = undefined;
    return spanOf(await runJob(this.runner, this.instance().end, this.env, holder));
  }

  private async firstUse(): Promise<Sample> {
    if (this.forgets !== undefined) throw new Error(this.forgets);
    await untilUnused(this.image.path, this.runner.pid);
    const life = this.life();
    const number = this.setting.numbers.take();
    const job = await runJob(this.runner, life.begin, this.guarded, number);
    // An instance stays, and is the holder from now on.
    if (this.setting.operation === 'start') this.holder = number;
    return sampleOf(job, life.begin.length);
  }

  private async remembered(): Promise<Sample> {
    if (this.forgets !== undefined) throw new Error(this.forgets);
    const life = this.life();
    const number = this.setting.numbers.take();
    const begun = await runJob(this.runner, life.begin, this.guarded, number);
    const sample = sampleOf(begun, life.begin.length);
    if (life.end.length === 0) return sample;
    const ended = await runJob(this.runner, life.end, this.env, number);
    return { ...sample, stopped: spanOf(ended) };
  }

  private async compiled(): Promise<Sample> {
    const life = this.life();
    return sampleOf(await this.live(life, { ...this.env, DAVIT_PLAN_CACHE: 'off' }), life.begin.length);
  }

  private live(life: Life, env: Record<string, string | undefined>) {
    return runJob(this.runner, [...life.begin, ...life.end], env, this.setting.numbers.take());
  }

  private life(): Life {
    if (this.setting.operation === 'start') return this.instance();
    return { begin: [this.setting.operation === 'exec' ? this.once() : this.entering()], end: [] };
  }

  private instance(): Life {
    const { shared, namePrefix } = this.setting;
    const script = ['--bind', `${shared}/davit-ready:/.singularity.d/startscript`];
    const start = [
      ...this.launching(),
      'instance',
      'start',
      ...this.bind(),
      ...script,
      this.image.path,
      `${namePrefix}@N@`,
    ];
    return {
      begin: [{ wait: 'ready', words: [...start, ...payloadArguments(this.setting, RUNTIME, true)] }],
      end: [{ wait: 'exit', words: [this.command, 'instance', 'stop', `${namePrefix}@N@`] }],
    };
  }

  private once(): Step {
    const words = [
      ...this.launching(),
      'exec',
      ...this.bind(),
      this.image.path,
      ...payload(this.setting, RUNTIME, false),
    ];
    return { wait: 'ready', words };
  }

  private entering(): Step {
    const name = `instance://${this.setting.namePrefix}${this.holder}`;
    return { wait: 'ready', words: [...this.launching(), 'exec', name, ...payload(this.setting, RUNTIME, false)] };
  }

  private launching(): string[] {
    return [this.command, ...(this.traceFile === undefined ? [] : ['--trace', this.traceFile])];
  }

  private bind(): string[] {
    return ['--bind', `${this.setting.shared}:${this.setting.place}`];
  }
}
