/**
 * The operator's log: one JSON line for what a command was and how it ended, in the file that DAVIT_LOG names. For
 * those who look after a node; never for control flow, and never on the terminal. Off unless asked for, and pino is
 * loaded only then: it costs more than a whole launch.
 */
import type { RuntimeError } from './errors';
import { withoutLogin } from './runtime/image/uri';

export interface LoggedCommand {
  /** `instance start` */
  command: string;
  /** The words behind the command, as given, but for user and password in a URL. */
  args: readonly string[];
  uid: number;
}

type Log = (level: 'info' | 'error', fields: object, message: string) => void;

/**
 * @param file absolute path of the log, appended to; nothing is logged without one
 * @returns functions that never throw: a log that cannot be written must not stop a service
 */
export function operatorLog(file: string | undefined): {
  ran(entry: LoggedCommand, exitCode?: number): void;
  failed(entry: LoggedCommand, error: Pick<RuntimeError, 'code' | 'message' | 'step' | 'errno' | 'path'>): void;
} {
  let log: Log | undefined;
  const write: Log = (level, fields, message) => {
    try {
      log ??= open(file as string);
      log(level, fields, message);
    } catch {
      // a full disk, a missing directory: the command goes on
    }
  };
  if (file === undefined || file === '') return { ran: () => undefined, failed: () => undefined };
  return {
    ran: (entry, exitCode) =>
      write('info', { ...shown(entry), exitCode }, exitCode === undefined ? 'launching' : 'done'),
    failed: (entry, { code, message, step, errno, path }) =>
      write('error', { ...shown(entry), code, step, errno, path: path && withoutLogin(path) }, withoutLogin(message)),
  };
}

function shown(entry: LoggedCommand): LoggedCommand {
  return { ...entry, args: entry.args.map(withoutLogin) };
}

function open(file: string): Log {
  // require: import() would give the line to a later turn of the event loop, which a launch never reaches.
  const pino = (require('pino') as typeof import('pino')).default;
  const destination = pino.destination({ dest: file, append: true, sync: true, mkdir: false });
  const logger = pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return (level, fields, message) => logger[level](fields, message);
}
