/** Flags of instance list, stop, stats and logs. */
import { type Flag, flag } from './flag';

const LIST = ['instance list'];
const STOP = ['instance stop'];
const STATS = ['instance stats'];
const LOGS = ['instance logs'];

export function instanceFlags(): Flag[] {
  return [
    flag('bool', 'all', 'also show instances that run in shared namespaces, and damaged ones', {
      short: 'a',
      env: 'ALL',
      commands: LIST,
      note: 'shows damaged instances; there are none in shared namespaces as yet',
    }),
    flag('bool', 'json', 'print JSON', {
      short: 'j',
      env: 'JSON',
      commands: LIST,
      note: 'Apptainer’s keys first, ours behind them: state, exitStatus, exitedAt, startedAt, driver …',
    }),
    flag('bool', 'logs', 'print where the log files are', { short: 'l', env: 'LOGS', commands: LIST }),
    flag('string', 'user', 'list the instances of this user (root only)', { short: 'u', env: 'USER', commands: LIST }),
    flag('bool', 'verbose', 'also print the state and the exit status', { short: 'v', own: true, commands: LIST }),

    flag('bool', 'all', 'stop all instances', { short: 'a', env: 'ALL', commands: STOP }),
    flag('bool', 'force', 'kill at once (SIGKILL)', { short: 'F', env: 'FORCE', commands: STOP }),
    flag('string', 'signal', 'signal to send, by name or number (default SIGINT)', {
      short: 's',
      env: 'SIGNAL',
      commands: STOP,
    }),
    flag('int', 'timeout', 'seconds until instances that are still there are killed', {
      short: 't',
      default: '10',
      commands: STOP,
    }),
    flag('string', 'user', 'stop instances of this user (root only)', { short: 'u', env: 'USER', commands: STOP }),

    flag('bool', 'json', 'print JSON, once', {
      short: 'j',
      commands: STATS,
      note: 'at once, not after a second; what is known of Apptainer’s keys, then ours: instance, pid, sources',
    }),
    flag('bool', 'no-stream', 'print once, after a second', { commands: STATS }),
    flag('string', 'user', 'an instance of this user (root only)', {
      short: 'u',
      env: 'USER',
      commands: STATS,
    }),

    flag('bool', 'err', 'the error output instead of the output', { short: 'e', own: true, commands: LOGS }),
    flag('bool', 'follow', 'go on printing what is written', { short: 'f', own: true, commands: LOGS }),
    flag('string', 'user', 'an instance of this user (root only)', {
      short: 'u',
      env: 'USER',
      own: true,
      commands: LOGS,
    }),
  ];
}
