/** The library: instances started, listed, entered and stopped from one program, hundreds at a time. */
import { RuntimeError } from '../../errors';
import { native } from '../../native';
import { loadConfig } from '../config/config';
import { readCaller } from '../launch/caller';
import { compileImageLaunch } from '../launch/compile';
import { compileJoin } from '../launch/join';
import { type Caller, defaultLaunchOptions, type LaunchOptions } from '../launch/options';
import type { CompiledPlan } from '../launch/plan';
import { stateDirectory } from '../state-directory';
import { Capture } from './capture';
import { type InstanceInfo, instanceInfo } from './info';
import { Limiter } from '../../workers/shared/limiter';
import { signalNumber, stopInstances } from './lifecycle';
import { followLog, LogReader, type LogStream, logPath } from './logs';
import { checkInstanceName, globMatcher } from './names';
import { prepareImage } from './prepare-image';
import type { InstanceRecord } from './record';
import { SILENT_OUTPUT, type Spawned, spawnPlan } from './spawn';
import { InstanceStore } from './store';

const INSTANCE_URI = 'instance://';
const DEFAULT_STOP_TIMEOUT_S = 10;
/** Launches in progress at one time; more wait their turn. Each is a process for some milliseconds. */
const MAX_LAUNCHES = 32;

export interface RuntimeOptions {
  /** Where instances are kept; as on the command line when absent. Absolute. */
  stateDir?: string;
  /** The environment that launches see and options are read from; `process.env` when absent. */
  env?: Readonly<Record<string, string | undefined>>;
  /** A configuration file in the place of the site's. */
  configFile?: string;
}

export interface StartOptions extends Partial<LaunchOptions> {
  /** Arguments of the startscript, or of the runscript with `run`. */
  args?: readonly string[];
  /** Execute the runscript, as `instance run` does. */
  run?: boolean;
  /** Descriptor for the standard input of the startscript; /dev/null when absent. */
  stdin?: number;
}

export interface StartedInstance extends InstanceInfo {
  /** What the startscript has written to its error output before the start returned. */
  earlyErrors: string;
}

export interface ExecOptions extends Partial<LaunchOptions> {
  /** Descriptor for the standard input; /dev/null when absent. */
  stdin?: number;
  /** `inherit`: the output goes where this program's goes; otherwise it is in the result. */
  output?: 'capture' | 'inherit';
}

export interface ExecResult {
  /** Exit code, or 128 + signal. */
  exitStatus: number;
  /** Number of the signal that ended the command. */
  signal?: number;
  /** Empty with `output: 'inherit'`. */
  stdout: Buffer;
  stderr: Buffer;
}

export interface StopOptions {
  /** Name or number; SIGINT when absent. */
  signal?: string | number;
  /** Until SIGKILL; 10 when absent. */
  timeoutSeconds?: number;
}

export interface LogOptions {
  stream?: LogStream;
  /** Go on until the instance has ended. */
  follow?: boolean;
  signal?: AbortSignal;
}

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
    const { args = [], run = false, stdin = -1, ...launch } = options;
    return await this.limiter.run(async () => {
      const request = { action: 'start' as const, instanceName: name, isRun: run, args: [...args] };
      const plan = await this.compileImage(image, launch, request);
      const { report } = await this.spawn(plan, [stdin, -1, -1]);
      if (!report) throw new RuntimeError('NATIVE', `start instance ${name}: the launcher ended without a word`);
      return { ...(await this.startedRecord(name)), earlyErrors: report.outputTail };
    });
  }

  /** Live instances whose names match a shell pattern, sorted by name. */
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
    const addon = native();
    await stopInstances(records, addon, (processes, timeoutMs) => addon.waitProcessesAsync(processes, timeoutMs), {
      signal: number,
      timeoutMs: Math.max(0, timeoutSeconds) * 1000,
    });
    const store = this.store();
    for (const { name } of records) store.remove(name);
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

  private async compileImage(
    given: string,
    launch: Partial<LaunchOptions>,
    request: Pick<Parameters<typeof compileImageLaunch>[0], 'action' | 'args' | 'command' | 'instanceName' | 'isRun'>,
  ): Promise<CompiledPlan> {
    const options = { ...defaultLaunchOptions(), ...launch };
    const caller = this.caller();
    const { configFile } = this.options;
    const { config } = loadConfig({ env: this.env, ...(configFile === undefined ? {} : { file: configFile }) });
    const prepared = await prepareImage({ given, options, caller, config });
    const stateDir = this.stateDir();
    return compileImageLaunch({ ...request, ...prepared, options, caller, config, stateDir, output: SILENT_OUTPUT });
  }

  private compileJoin(name: string, command: readonly string[], launch: Partial<LaunchOptions>): CompiledPlan {
    const found = this.store().find(name);
    if (found?.state === 'damaged') throw new RuntimeError('STATE', found.problem, { path: name });
    if (found?.state !== 'alive') throw missing(name);
    return compileJoin({
      action: 'exec',
      instance: found.record,
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

  private async startedRecord(name: string): Promise<InstanceInfo> {
    const found = this.store().find(name);
    if (found?.state !== 'alive') {
      throw new RuntimeError('INSTANCE_MISSING', `instance ${name} ended right after its start`, { path: name });
    }
    return instanceInfo(found.record);
  }

  private records(pattern: string): InstanceRecord[] {
    return this.store()
      .list(globMatcher(pattern))
      .flatMap((found) => (found.state === 'alive' ? [found.record] : []));
  }

  private caller(): Caller {
    return readCaller(this.env);
  }

  private stateDir(): string {
    return this.options.stateDir ?? stateDirectory(process.getuid?.() ?? 0, this.env);
  }

  private store(): InstanceStore {
    return new InstanceStore(this.stateDir(), native(), { uid: process.getuid?.() ?? 0 });
  }
}

function missing(name: string): RuntimeError {
  return new RuntimeError('INSTANCE_MISSING', `no instance found with name ${name}`, { path: name });
}
