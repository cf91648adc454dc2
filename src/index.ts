/** davit as a library: `import { Runtime } from 'davit'`. */
export { type ErrorCode, type ErrorDetails, RuntimeError } from './errors';
export type { InstanceInfo } from './runtime/instance/info';
export type { LogStream } from './runtime/instance/logs';
export {
  type ExecOptions,
  type ExecResult,
  type LogOptions,
  Runtime,
  type RuntimeOptions,
  type StartedInstance,
  type StartOptions,
  type StopOptions,
} from './runtime/instance/runtime';
export type { LaunchOptions } from './runtime/launch/options';
