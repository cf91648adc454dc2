/** What all reports say alike. */
import type { BenchResult, CaseResult, Metric, Operation } from '../types';

export const TITLES: Record<Operation, string> = {
  start: 'instance start, ready, stop',
  exec: 'one command in a container of its own',
  join: 'one command in a running container',
};

export const METRIC_TITLES: Record<Metric, string> = {
  ready: 'ready',
  returned: 'returned',
  stopped: 'stopped',
  cpu: 'CPU',
};

/** Three digits that count, never an exponent. */
export function digits(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** Facts as rows of a name and a text. */
export function facts(result: BenchResult): [name: string, text: string][] {
  const { machine, image } = result;
  const size = image.kind === 'directory' ? '' : `, ${digits(image.sizeBytes / 2 ** 20)} MiB`;
  const kind = machine.virtual ? ', virtual' : '';
  const governor = machine.governor === '' ? '' : `, governor ${machine.governor}`;
  return [
    ['operation', TITLES[result.operation]],
    ['rounds', `${result.rounds}, behind ${result.warmUp} for warming up`],
    ['image', `${image.path} (${image.kind}${size}, on ${image.fileSystem || 'an unknown file system'})`],
    ['user', `${machine.user} (${machine.uid})`],
    ['environment', result.callerEnvironment ? "the caller's" : 'clean'],
    ['processor', `${machine.cpus} x ${machine.cpuModel} (${machine.arch}${kind}${governor})`],
    ['memory', `${digits(machine.memoryMib / 1024)} GiB`],
    ['system', `${machine.distribution}, Linux ${machine.kernel}, Node ${machine.node}`],
    ['state', `on ${machine.stateFileSystem}, temporary files on ${machine.temporaryFileSystem}`],
    ['load', `${machine.loadBefore} before, ${machine.loadAfter} after`],
    ['time', `${result.beganAt} to ${result.endedAt}`],
    ...result.runtimes.map(({ name, version, command }): [string, string] => [name, `${version} (${command})`]),
  ];
}

/** What was left out, and what was noticed. */
export function remarks({ skipped, notes }: BenchResult): string[] {
  return [...skipped.map(({ peer, reason }) => `${peer} is left out: ${reason}`), ...notes];
}

/** All values of a metric; rounds that failed are not in it. */
export function valuesOf({ samples }: CaseResult, metric: Metric): number[] {
  return samples.map((sample) => sample?.[metric]).filter((value): value is number => typeof value === 'number');
}

/** The cases of which there is anything to show. */
export function shownCases({ cases }: BenchResult): CaseResult[] {
  return cases.filter(({ summary }) => summary.ready !== undefined);
}
