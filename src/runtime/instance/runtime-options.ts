/** What the methods of Runtime take and return. */
import type { LaunchOptions } from '../launch/options';
import type { InstanceInfo } from './info';
import type { LogStream } from './logs';
import type { StartTimes } from './spawn';
import type { ManyOutcome } from './start-many';

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

export interface StartManyOptions extends StartOptions {
  /** All or nothing: after a failure nothing more is started, and what this call has started is stopped again. */
  atomic?: boolean;
  /** Launches at one time, 1 to 32; eight for each core when absent. */
  jobs?: number;
  /** Nothing more is started once it is aborted. With `atomic` that counts as a failure. */
  signal?: AbortSignal;
  /** Told what the compiler of the launch warns of, once for all instances. */
  onWarning?: (text: string) => void;
  /** Told when each start began and ended, those of failures too, when all is over. */
  onTimes?: (name: string, times: StartTimes, failed: boolean) => void;
}

export type StartManyResult = ManyOutcome<StartedInstance>;

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
