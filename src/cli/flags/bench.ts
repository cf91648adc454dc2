/** Flags of `bench launch`, which Apptainer has not. */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const row = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { ...details, own: true }, ['bench launch']);

export function benchFlags(): Flag[] {
  return [
    row('bool', 'caller-environment', 'start commands in the environment of the caller instead of a clean one'),
    row('list', 'compare', 'runtimes to measure too: apptainer, crun, bwrap, podman, or all; NAME=COMMAND to call one'),
    row('int', 'concurrency', 'how many at a time for the throughput', { short: 'c', default: '4' }),
    row('int', 'instances', 'how many for the memory of an instance; 0: not measured', { default: '20' }),
    row('bool', 'json', 'print the result with all samples as JSON'),
    row('choice', 'operation', 'what is measured', { choices: ['start', 'exec', 'join'], default: 'start' }),
    row('int', 'phases', 'rounds more that tell where the time of davit goes; 0: none', { default: '20' }),
    row('string', 'report', 'write a report with plots to this file: NAME.html or NAME.svg'),
    row('int', 'rounds', 'how many rounds', { short: 'n', default: '500' }),
    row('seconds', 'throughput', 'seconds for the throughput of each runtime; 0: not measured', { default: '5' }),
    row('string', 'tmpdir', 'directory for temporary files', { env: 'TMPDIR' }),
    row('int', 'warm-up', 'how many rounds before those that count', { default: '5' }),
  ];
}
