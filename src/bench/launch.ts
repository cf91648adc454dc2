/** `davit bench launch`: the order of things. */
import { delimiter, join } from 'node:path';
import { BenchImage } from './image';
import { load, machineFacts } from './machine';
import { measureMemory, measurePhases, measureThroughput } from './more-measures';
import { findPeer, type PeerCommand, type PeerRequest, versionOf } from './peers';
import { measureRounds } from './rounds';
import { Runner } from './runner';
import { apptainerKind } from './runtimes/apptainer';
import { bwrapKind } from './runtimes/bwrap';
import { type Contestant, JobNumbers, type Setting } from './runtimes/contestant';
import { crunKind } from './runtimes/crun';
import { Davit } from './runtimes/davit';
import { Peer, type PeerKind } from './runtimes/peer';
import { podmanKind } from './runtimes/podman';
import { type BenchResult, type MemoryResult, type Operation, SCHEMA_VERSION, type Throughput } from './types';
import { Workspace } from './workspace';

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Of one measurement of throughput; the time ends it sooner. */
const MOST_JOBS = 100_000;

export interface LaunchBenchOptions {
  /** A path, or a URI as pull takes it. */
  image: string;
  operation: Operation;
  rounds: number;
  warmUp: number;
  concurrency: number;
  compare: readonly PeerRequest[];
  /** For the measurement of memory; 0 for none. */
  instances: number;
  /** For the measurement of throughput, of each case; 0 for none. */
  throughputMs: number;
  /** So many rounds more, not measured, tell where davit's time goes; 0 for none. */
  phaseRounds: number;
  /** The caller's; a clean one is made of it. */
  env: Readonly<Record<string, string | undefined>>;
  /** Commands get the caller's environment as it is. */
  callerEnvironment: boolean;
  temporaryParent: string;
  stateParent: string;
  version: string;
  /** What goes on, in words. */
  onProgress?: (text: string) => void;
  onRound?: (done: number, all: number) => void;
}

/** Ended by a signal; what was made has been removed. */
export class Interrupted extends Error {}

export class LaunchBench {
  private readonly workspace: Workspace;
  private readonly contestants: Contestant[] = [];
  private readonly runners: Runner[] = [];
  private readonly result: Pick<BenchResult, 'skipped' | 'notes' | 'phases'> = { skipped: [], notes: [], phases: [] };
  private readonly numbers = new JobNumbers();
  private isInterrupted = false;

  /** @throws RuntimeError STATE or NATIVE */
  constructor(private readonly options: LaunchBenchOptions) {
    this.workspace = Workspace.make(options.temporaryParent, options.stateParent);
  }

  /** Ends the measurement: run() throws Interrupted, when all that was made has been removed. */
  interrupt(): void {
    this.isInterrupted = true;
    for (const runner of this.runners) void runner.close();
  }

  /** @throws RuntimeError for the image, Interrupted, and Error for davit itself when it cannot be measured */
  async run(): Promise<BenchResult> {
    try {
      return await this.measure();
    } catch (error) {
      if (this.isInterrupted) throw new Interrupted();
      throw error;
    } finally {
      await this.close();
    }
  }

  private async measure(): Promise<BenchResult> {
    const { options, workspace, result } = this;
    const beganAt = new Date().toISOString();
    const { version, stateParent, temporaryParent } = options;
    const machine = machineFacts(version, { state: stateParent, temporary: temporaryParent });
    const image = BenchImage.open(options.image, workspace, this.ownEnvironment());
    await this.enter(image);
    this.say(`warming up ${this.contestants.map(({ runtime }) => runtime).join(', ')}`);
    const cases = await measureRounds(this.contestants, {
      rounds: options.rounds,
      warmUp: options.warmUp,
      check: () => this.check(),
      ...(options.onRound ? { onRound: options.onRound } : undefined),
      onFailure: (one, why) => result.notes.push(`${one.label}: ${why}`),
    });
    await this.phases();
    for (const contestant of this.contestants) await contestant.finish();
    const throughput = await this.throughput();
    const memory = await this.memory(image);
    return {
      schema: SCHEMA_VERSION,
      kind: 'davit bench launch',
      operation: options.operation,
      rounds: options.rounds,
      warmUp: options.warmUp,
      callerEnvironment: options.callerEnvironment,
      beganAt,
      endedAt: new Date().toISOString(),
      image: { path: image.path, kind: image.kind, sizeBytes: image.sizeBytes, fileSystem: image.fileSystem },
      machine: { ...machine, loadAfter: load() },
      runtimes: this.contestants.map(({ runtime, version: of, command }) => ({ name: runtime, version: of, command })),
      cases,
      throughput,
      memory,
      ...result,
    };
  }

  /** davit, and the peers that can be measured here. */
  private async enter(image: BenchImage): Promise<void> {
    const { options, workspace } = this;
    const setting: Setting = {
      operation: options.operation,
      numbers: this.numbers,
      namePrefix: `bench-${process.pid}-`,
      shared: workspace.shared,
      place: image.place,
      slots: options.concurrency,
      env: this.commandEnvironment(),
    };
    const runner = await this.startRunner(setting, 'davit');
    const note = (text: string): void => void this.result.notes.push(text);
    const davit = new Davit(setting, image, workspace.stateDir, runner, options.version, note);
    await davit.prepare();
    this.contestants.push(davit);
    for (const request of options.compare) {
      this.check();
      try {
        await this.enterPeer(setting, request, image);
      } catch (error) {
        if (this.isInterrupted) throw error;
        this.result.skipped.push({ peer: request.name, reason: (error as Error).message });
        this.say(`${request.name} is left out: ${(error as Error).message}`);
      }
    }
  }

  private async enterPeer(setting: Setting, request: PeerRequest, image: BenchImage): Promise<void> {
    const { name } = request;
    const searched = [this.options.env.PATH, SYSTEM_PATH].filter(Boolean).join(delimiter);
    const command = findPeer(request, searched);
    const version = versionOf(command);
    const work = this.workspace.makeDirectory(name);
    if (name !== 'apptainer' && !image.isUnpacked) this.say(`unpacking the image for ${name}`);
    const kind = this.peerKind(setting, name, command, image, work);
    const runner = await this.startRunner(setting, name, command);
    const peer = new Peer(kind, setting, runner, version, [...command.prefix, command.program].join(' '));
    this.contestants.push(peer);
    try {
      await peer.prepare();
    } catch (error) {
      this.contestants.pop();
      peer.sweep();
      await runner.close();
      throw error;
    }
  }

  private peerKind(
    setting: Setting,
    name: PeerRequest['name'],
    command: PeerCommand,
    image: BenchImage,
    work: string,
  ): PeerKind {
    if (name === 'apptainer') return apptainerKind(setting, command, image.path, work);
    const rootfs = image.rootfs(this.ownEnvironment());
    if (name === 'bwrap') return bwrapKind(setting, command, rootfs);
    return name === 'crun' ? crunKind(setting, command, rootfs, work) : podmanKind(setting, command, rootfs, work);
  }

  private async startRunner(setting: Setting, runtime: string, command?: PeerCommand): Promise<Runner> {
    this.check();
    const runner = await Runner.start({
      slots: setting.slots,
      fifoPrefix: join(setting.shared, `${runtime}-`),
      // Some versions of crun refuse the hybrid cgroup hierarchy, and only root can give them another view.
      cgroup2: process.getuid?.() === 0 && (runtime === 'crun' || runtime === 'podman'),
      directory: this.workspace.directory,
      ...(command && command.prefix.length > 0
        ? { prefix: command.prefix, program: this.workspace.runnerCopy() }
        : undefined),
    });
    this.runners.push(runner);
    this.check();
    return runner;
  }

  /** Looking costs time: these rounds are none of those that are measured. */
  private async phases(): Promise<void> {
    const { result } = this;
    const rounds = Math.min(this.options.phaseRounds, this.options.rounds);
    for (const contestant of this.contestants) {
      this.check();
      result.phases.push(
        ...(await measurePhases(contestant, {
          rounds,
          directory: this.workspace.directory,
          check: () => this.check(),
          onFailure: (label, why) => result.notes.push(`${label}: ${why}`),
        })),
      );
    }
  }

  private async throughput(): Promise<Throughput[]> {
    const { throughputMs, concurrency } = this.options;
    const results: Throughput[] = [];
    for (const contestant of throughputMs > 0 ? this.contestants : []) {
      this.check();
      this.say(`throughput of ${contestant.runtime}, ${concurrency} at a time`);
      const onFailure = (label: string, why: string): void => void this.result.notes.push(`${label}: ${why}`);
      const options = { concurrency, limitMs: throughputMs, most: MOST_JOBS, numbers: this.numbers, onFailure };
      try {
        results.push(...(await measureThroughput(contestant, { ...options, check: () => this.check() })));
      } catch (error) {
        this.check();
        onFailure(`${contestant.runtime}, throughput`, (error as Error).message);
      }
    }
    return results;
  }

  private async memory(image: BenchImage): Promise<MemoryResult[]> {
    const { instances } = this.options;
    const results: MemoryResult[] = [];
    for (const contestant of instances > 0 ? this.contestants : []) {
      this.check();
      this.say(`memory of ${instances} instances of ${contestant.runtime}`);
      try {
        const found = await measureMemory(contestant, { instances, place: image.place, numbers: this.numbers });
        if (found) results.push(found);
      } catch (error) {
        this.check();
        this.result.notes.push(`${contestant.runtime}, memory: ${(error as Error).message}`);
      }
    }
    return results;
  }

  /** In good order first; then whatever is left ends with the runners. */
  private async close(): Promise<void> {
    for (const contestant of this.isInterrupted ? [] : this.contestants) {
      await contestant.finish().catch(() => undefined);
    }
    for (const contestant of this.contestants) contestant.sweep();
    await Promise.all(this.runners.map((runner) => runner.close()));
    this.workspace.remove();
  }

  private check(): void {
    if (this.isInterrupted) throw new Interrupted();
  }

  private say(text: string): void {
    this.options.onProgress?.(text);
  }

  /** For commands that are measured. */
  private commandEnvironment(): Record<string, string | undefined> {
    const { env, callerEnvironment } = this.options;
    if (callerEnvironment) return { ...env };
    return { PATH: SYSTEM_PATH, HOME: env.HOME, LANG: 'C.UTF-8' };
  }

  /** For commands that are not: the caller's, with state of their own. */
  private ownEnvironment(): NodeJS.ProcessEnv {
    return {
      ...this.options.env,
      DAVIT_STATE_DIR: this.workspace.stateDir,
      DAVIT_TMPDIR: this.options.temporaryParent,
    };
  }
}
