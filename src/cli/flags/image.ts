/** Flags of inspect and run-help. */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const row = (commands: string, type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: commands.split(' '), ...details });

export function imageFlags(): Flag[] {
  return inspectFlags();
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
