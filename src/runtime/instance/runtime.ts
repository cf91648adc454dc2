/** The library: instances started, listed, entered and stopped from one program, hundreds at a time. */
import { RuntimeError } from '../../errors';
import { native } from '../../native';
import { loadConfig } from '../config/config';
import { readCaller } from '../launch/caller';
import { compileImageLaunch } from '../launch/compile';
import { compileJoin, INSTANCE_URI } from '../launch/join';
import { type Caller, defaultLaunchOptions, type LaunchOptions } from '../launch/options';
import type { CompiledPlan } from '../launch/plan';
import { absoluteDirectory, stateDirectory } from '../state-directory';
import { Capture } from './capture';
import { type InstanceInfo, instanceInfo } from './info';
import { Limiter } from '../../workers/shared/limiter';
import { signalNumber, stopInstances } from './lifecycle';
import { followLog, LogReader, logPath } from './logs';
import { expandHostlist, nameMatcher } from './hostlist';
import { checkInstanceName } from './names';
import { prepareImage } from './prepare-image';
import type { InstanceRecord } from './record';
import type {
  ExecOptions,
  ExecResult,
  LogOptions,
  RuntimeOptions,
  StartManyOptions,
  StartManyResult,
  StartOptions,
  StartedInstance,
  StopOptions,
} from './runtime-options';
import { SILENT_OUTPUT, type Spawned, spawnPlan } from './spawn';
import { startAttempt, startBatch } from './start-batch';
import { settleMany } from './start-many';
import { InstanceStore } from './store';
import { type InstanceUsage, readUsage } from './usage';

const DEFAULT_STOP_TIMEOUT_S = 10;
/** Launches in progress at one time; more wait their turn. Each is a process for some milliseconds. */
const MAX_LAUNCHES = 32;

/**
 * Instances of the calling user.
 *
 * ```ts
 * const runtime = new Runtime();
 * await runtime.start('lab.sif', 'web', { bind: ['/data'], args: ['8080'] });
 * const { stdout } = await runtime.exec('instance://web', ['cat', '/etc/os-release']);
 * await runtime.stop('web');
 * ```
 *
 * Every method rejects with a RuntimeError, whose `code` is stable.
 */
export class Runtime {
  private readonly env: Readonly<Record<string, string | undefined>>;
  private readonly limiter = new Limiter(MAX_LAUNCHES);

  constructor(private readonly options: RuntimeOptions = {}) {
    this.env = options.env ?? process.env;
  }

  /**
   * Starts an instance and resolves when its startscript has been executed.
   * @param image path of a SIF, a squashfs file or a sandbox directory
   * @throws RuntimeError INSTANCE_NAME, INSTANCE_EXISTS, IMAGE_…, OPTION, BIND, CONFIG, NAMESPACE, LAUNCH_STEP
   */
  async start(image: string, name: string, options: StartOptions = {}): Promise<StartedInstance> {
    checkInstanceName(name);
    return await this.limiter.run(async () => {
      const plan = await this.compileStart(image, name, options);
      const { report } = await this.spawn(plan, [options.stdin ?? -1, -1, -1]);
      if (!report) throw new RuntimeError('NATIVE', `start instance ${name}: the launcher ended without a word`);
      const { started, error } = startAttempt(this.store(), name, report, options.waitSeconds ?? 0);
      if (!started) throw error;
      return started;
    });
  }

  /**
   * Starts many instances of one image with the same options. What they have in common is worked out once, and they are
   * launched several at a time.
   *
   * ```ts
   * const { started, failed } = await runtime.startMany('lab.sif', 'web-[1-200]', { atomic: true });
   * ```
   *
   * That some could not be started is no rejection: `failed` has each with its name and its RuntimeError.
   * @param names a list of names, or a text with ranges: `web-[1-200]`, `n[01-16,20]`, `web,db`; at most 10,000 names
   * @throws RuntimeError INSTANCE_NAME, IMAGE_…, OPTION, BIND, CONFIG, NAMESPACE: before anything was started; STATE when
   * `atomic` could not stop what had started
   */
  async startMany(
    image: string,
    names: string | readonly string[],
    options: StartManyOptions = {},
  ): Promise<StartManyResult> {
    const all = expandHostlist(typeof names === 'string' ? names : names.join(','));
    const { atomic = false, jobs = defaultJobs(), signal, onWarning, onTimes, ...start } = options;
    if (!Number.isInteger(jobs) || jobs < 1 || jobs > MAX_LAUNCHES) {
      throw new RuntimeError('OPTION', `launch ${jobs} at a time: not a number from 1 to ${MAX_LAUNCHES}`);
    }
    if (all.length > 1 && start.pidFile !== undefined) {
      throw new RuntimeError('OPTION', '--pid-file names one file: it cannot be given to several instances');
    }
    const { plan, warnings } = await this.compileStart(image, all[0] as string, start, onWarning);
    for (const { level, text } of warnings) if (level === 'warning') onWarning?.(text);
    const attempts = await this.limiter.run(() =>
      startBatch({
        ...{ plan, names: all, jobs, atomic, env: this.env, stdin: start.stdin ?? -1 },
        ...{ store: this.store(), addon: native(), ...(signal ? { signal } : {}), ...(onTimes ? { onTimes } : {}) },
      }),
    );
    return await settleMany<StartedInstance>({
      names: all,
      attempts,
      atomic,
      withdraw: async (started) => {
        const ours = new Map(started.map((info) => [info.name, info.keeperPid]));
        const records = this.recordsOf((name) => ours.has(name)).filter((r) => ours.get(r.name) === r.keeperPid);
        await this.stopRecords(records);
      },
    });
  }

  /** Live instances whose names match a shell pattern or ranges (`web-[1-200]`), sorted by name. */
  async list(pattern = '*'): Promise<InstanceInfo[]> {
    return this.records(pattern).map(instanceInfo);
  }

  /**
   * Runs a command in a running instance (`instance://NAME`), or in a container of its own out of an image.
   * A command that does not exist is no rejection: its exit status is 255, as on the command line, and stderr says why.
   * @throws RuntimeError INSTANCE_MISSING, LAUNCH_STEP, IMAGE_…, OPTION, BIND, CONFIG, NAMESPACE
   */
  async exec(target: string, command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    if (command.length === 0) throw new RuntimeError('OPTION', 'exec needs a command');
    const { stdin = -1, output = 'capture', ...launch } = options;
    return await this.limiter.run(async () => {
      const plan = target.startsWith(INSTANCE_URI)
        ? this.compileJoin(target.slice(INSTANCE_URI.length), command, launch)
        : await this.compileImage(target, launch, { action: 'exec', args: [], command: [...command] });
      if (output === 'inherit') {
        const { exitStatus, signal } = await this.spawn(plan, [stdin, 1, 2]);
        return { exitStatus, ...(signal ? { signal } : {}), stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
      }
      const [out, err] = [new Capture(), new Capture()];
      try {
        const { exitStatus, signal } = await this.spawn(plan, [stdin, out.fd, err.fd]);
        return { exitStatus, ...(signal ? { signal } : {}), stdout: out.read(), stderr: err.read() };
      } finally {
        out.close();
        err.close();
      }
    });
  }

  /**
   * Stops the instances whose names match, and resolves when they have ended.
   * @returns what was stopped; empty when nothing matched
   * @throws RuntimeError OPTION for a signal that is none, STATE for what survived SIGKILL
   */
  async stop(
    pattern: string,
    { signal = 'SIGINT', timeoutSeconds = DEFAULT_STOP_TIMEOUT_S }: StopOptions = {},
  ): Promise<InstanceInfo[]> {
    const number = signalNumber(String(signal));
    if (number === undefined) throw new RuntimeError('OPTION', `no signal "${signal}"`);
    const records = this.records(pattern);
    await this.stopRecords(records, number, timeoutSeconds);
    return records.map(instanceInfo);
  }

  /**
   * What an instance has written, also after it has ended.
   * @throws RuntimeError INSTANCE_MISSING when there is neither an instance nor a log of it
   */
  async *logs(name: string, { stream = 'out', follow = false, signal }: LogOptions = {}): AsyncGenerator<Uint8Array> {
    checkInstanceName(name);
    const store = this.store();
    const found = store.find(name);
    const reader = new LogReader(
      logPath(store.stateDir, name, stream, found?.state === 'alive' ? found.record : undefined),
    );
    if (!found && !reader.exists()) throw missing(name);
    const isAlive = (): boolean => follow && store.find(name) !== undefined;
    yield* followLog(reader, { isAlive, ...(signal ? { signal } : {}) });
  }

  /**
   * What an instance uses, by now: processor time, memory, transfers, threads. How busy it is takes two readings:
   * ```ts
   * const before = await runtime.stats('web');
   * await setTimeout(1000);
   * console.log(`${cpuPercent(before, await runtime.stats('web'))} % of a processor`);
   * ```
   * @throws RuntimeError INSTANCE_MISSING, also when it ends meanwhile; STATE
   */
  async stats(name: string): Promise<InstanceUsage> {
    return readUsage(this.recordOf(name));
  }

  private async compileStart(
    image: string,
    name: string,
    { args = [], run = false, stdin: _, ...launch }: StartOptions,
    onWarning?: (text: string) => void,
  ): Promise<CompiledPlan> {
    const request = { action: 'start' as const, instanceName: name, isRun: run, args: [...args] };
    return await this.compileImage(image, launch, request, onWarning);
  }

  private async stopRecords(
    records: InstanceRecord[],
    signal = signalNumber('SIGINT') as number,
    timeoutSeconds = DEFAULT_STOP_TIMEOUT_S,
  ): Promise<void> {
    const addon = native();
    await stopInstances(records, addon, (processes, timeoutMs) => addon.waitProcessesAsync(processes, timeoutMs), {
      signal,
      timeoutMs: Math.max(0, timeoutSeconds) * 1000,
    });
    const store = this.store();
    for (const { name } of records) store.remove(name);
  }

  private async compileImage(
    given: string,
    launch: Partial<LaunchOptions>,
    request: Pick<Parameters<typeof compileImageLaunch>[0], 'action' | 'args' | 'command' | 'instanceName' | 'isRun'>,
    onWarning: (text: string) => void = () => {},
  ): Promise<CompiledPlan> {
    const options = { ...defaultLaunchOptions(), ...launch };
    const caller = this.caller();
    const { configFile } = this.options;
    const file = configFile === undefined ? {} : { file: configFile };
    const { config, warnings } = loadConfig({ env: this.env, ...file });
    warnings.forEach(onWarning);
    const prepared = await prepareImage({ given, options, caller, config, onWarning });
    const stateDir = this.stateDir();
    return compileImageLaunch({ ...request, ...prepared, options, caller, config, stateDir, output: SILENT_OUTPUT });
  }

  private compileJoin(name: string, command: readonly string[], launch: Partial<LaunchOptions>): CompiledPlan {
    this.recordOf(name);
    return compileJoin({
      action: 'exec',
      name,
      options: { ...defaultLaunchOptions(), ...launch },
      caller: this.caller(),
      args: [],
      command: [...command],
      stateDir: this.stateDir(),
      output: SILENT_OUTPUT,
    });
  }

  private spawn(plan: CompiledPlan, stdio: [number, number, number]): Promise<Spawned> {
    return spawnPlan(plan, native(), { env: this.env, stdio });
  }

  private records(pattern: string): InstanceRecord[] {
    return this.recordsOf(nameMatcher(pattern));
  }

  private recordsOf(matches: (name: string) => boolean): InstanceRecord[] {
    return this.store()
      .list(matches)
      .flatMap((found) => (found.state === 'alive' ? [found.record] : []));
  }

  /** @throws RuntimeError INSTANCE_MISSING, STATE */
  private recordOf(name: string): InstanceRecord {
    const found = this.store().find(name);
    if (found?.state === 'damaged') throw new RuntimeError('STATE', found.problem, { path: name });
    if (found?.state !== 'alive') throw missing(name);
    return found.record;
  }

  private caller(): Caller {
    return readCaller(this.env);
  }

  private stateDir(): string {
    const { stateDir } = this.options;
    return stateDir === undefined ? stateDirectory(process.getuid?.() ?? 0, this.env) : absoluteDirectory(stateDir);
  }

  private store(): InstanceStore {
    return new InstanceStore(this.stateDir(), native(), { uid: process.getuid?.() ?? 0 });
  }
}

/** A launch waits for the kernel (namespaces, unmounts) several times as long as it computes. */
function defaultJobs(): number {
  const { availableParallelism } = require('node:os') as typeof import('node:os');
  return Math.min(8 * availableParallelism(), MAX_LAUNCHES);
}

function missing(name: string): RuntimeError {
  return new RuntimeError('INSTANCE_MISSING', `no instance found with name ${name}`, { path: name });
}
