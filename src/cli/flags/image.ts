/** Flags of inspect, run-help, overlay create and image. */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const row = (commands: string, type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: commands.split(' '), ...details });

export function imageFlags(): Flag[] {
  return [...inspectFlags(), ...overlayFlags(), ...warmFlags()];
}

function inspectFlags(): Flag[] {
  const inspect = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
    row('inspect', type, name, help, details);
  return [
    inspect('bool', 'all', 'everything, as JSON'),
    row('inspect run-help', 'string', 'app', 'of one SCIF app'),
    inspect('bool', 'deffile', 'the definition file', { short: 'd' }),
    inspect('bool', 'environment', 'the environment scripts', { short: 'e' }),
    inspect('bool', 'helpfile', 'the help text', { short: 'H' }),
    inspect('bool', 'json', 'print JSON', { short: 'j' }),
    inspect('bool', 'labels', 'the labels', { short: 'l' }),
    inspect('bool', 'list-apps', 'the names of the SCIF apps'),
    inspect('bool', 'runscript', 'the runscript', { short: 'r' }),
    inspect('bool', 'startscript', 'the startscript', { short: 's' }),
    inspect('bool', 'test', 'the test script', { short: 't' }),
  ];
}

function warmFlags(): Flag[] {
  return [
    flag('string', 'for', 'for how long, from now on: 90s, 10m, 1h30m', { commands: ['image warm'], default: '10m' }),
    flag('bool', 'json', 'print JSON', { commands: ['image list'], short: 'j' }),
  ];
}

function overlayFlags(): Flag[] {
  const overlay = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
    flag(type, name, help, { ...details, commands: ['overlay create'] });
  return [
    overlay('list', 'create-dir', 'directories to make inside'),
    overlay('bool', 'fakeroot', 'for use with --fakeroot', { short: 'f', env: 'FAKEROOT' }),
    overlay('int', 'size', 'size in MiB', { short: 's', default: '64' }),
    overlay('bool', 'sparse', 'take no room before it is written to', { short: 'S', env: 'SPARSE' }),
    overlay('string', 'tmpdir', 'directory for temporary files', { env: 'TMPDIR', hidden: true }),
  ];
}
