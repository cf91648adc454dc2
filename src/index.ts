/** davit as a library: `import { Runtime } from 'davit'`. */
export { type ErrorCode, type ErrorDetails, RuntimeError } from './errors';
export type { InstanceInfo } from './runtime/instance/info';
export type { LogStream } from './runtime/instance/logs';
export { Runtime } from './runtime/instance/runtime';
export { cpuPercent, type InstanceUsage, type UsageSource } from './runtime/instance/usage';
export type * from './runtime/instance/runtime-options';
export type { FailedStart } from './runtime/instance/start-many';
export type { LaunchOptions } from './runtime/launch/options';
