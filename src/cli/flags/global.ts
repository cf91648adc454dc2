/** Flags in front of the command. */
import { type Flag, flag } from './flag';

export function globalFlags(): Flag[] {
  return [
    flag('bool', 'build-config', 'use the reduced configuration for builds', {
      hidden: true,
      state: 'later',
      note: 'an internal switch of Apptainer',
    }),
    flag('string', 'config', 'read this configuration file', { short: 'c', env: 'CONFIG_FILE' }),
    flag('bool', 'debug', 'show what happens in detail, and stack traces', { short: 'd', env: 'DEBUG' }),
    flag('bool', 'help', 'show help', { short: 'h' }),
    flag('bool', 'nocolor', 'no colours, also on a terminal', { env: 'NOCOLOR' }),
    flag('bool', 'quiet', 'no info messages', { short: 'q', env: 'QUIET' }),
    flag('bool', 'silent', 'only errors', { short: 's', env: 'SILENT' }),
    flag('bool', 'verbose', 'more messages', { short: 'v', env: 'VERBOSE' }),
    flag('bool', 'version', 'show the version'),
    ...timingFlags(),
  ];
}

/** Flags that every command takes among its own as well. */
export function timingFlags(): Flag[] {
  const details = { own: true, joins: true } as const;
  return [
    flag('bool', 'timing', 'print how long each phase of the command took', details),
    flag('string', 'trace', 'write the phases to this file, in the format of chrome://tracing', details),
  ];
}
