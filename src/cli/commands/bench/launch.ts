/** `davit bench launch`: measures launches of an image. */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LaunchBench, LaunchBenchOptions } from '../../../bench/launch';
import type { BenchResult, Operation } from '../../../bench/types';
import { errnoOf, RuntimeError } from '../../../errors';
import { temporaryParent } from '../../../runtime/image/temporary';
import { stateDirectory } from '../../../runtime/state-directory';
import type { CommandContext } from '../../command-line/command';
import type { Options } from '../../command-line/parse';
import { version } from '../../command-line/version';
import { formatTable, isTerminal } from '../../terminal/render';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const DEFAULT_WIDTH = 80;
/** Upper ends of what makes sense; beyond, a typing error is likelier. */
const MOST = {
  rounds: 1_000_000,
  concurrency: 1000,
  instances: 10_000,
  warmUp: 100_000,
  phases: 100_000,
  throughput: 86_400,
} as const;
const NAMES = {
  rounds: 'rounds',
  concurrency: 'concurrency',
  instances: 'instances',
  warmUp: 'warm-up',
  phases: 'phases',
} as const;

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal } = context;
  const report = reportOf(options.text('report'));
  const bench = await import('../../../bench/bench.apart');
  const compare = bench.parseCompare(options.list('compare'), context.env);
  const progress = progressLine(context);
  const measurement = new bench.LaunchBench({ ...launchOptions(context), compare, ...progress });
  const result = await interruptible(measurement, progress.clear);
  if (options.flag('json')) terminal.json(result);
  else terminal.out(bench.textReport(result, { width: width(), ascii: !hasUtf8(context.env), formatTable }));
  if (report) writing(report.path, () => writeFileSync(report.path, bench[report.render](result)));
  return 0;
}

function launchOptions(context: CommandContext): Omit<LaunchBenchOptions, 'compare'> {
  const { options, env, args } = context;
  const throughput = options.number('throughput') ?? 5;
  if (throughput > MOST.throughput) throw badNumber('throughput', MOST.throughput, 0);
  return {
    image: args[0] as string,
    operation: (options.text('operation') ?? 'start') as Operation,
    rounds: whole(options, 'rounds', 500, 1),
    warmUp: whole(options, 'warmUp', 5, 0),
    concurrency: whole(options, 'concurrency', 4, 1),
    instances: whole(options, 'instances', 20, 0),
    throughputMs: throughput * 1000,
    phaseRounds: whole(options, 'phases', 20, 0),
    env,
    callerEnvironment: options.flag('callerEnvironment'),
    temporaryParent: temporaryParent(env, options.text('tmpdir')),
    stateParent: stateDirectory(process.getuid?.() ?? 0, env),
    version: version(),
  };
}

/** @throws RuntimeError OPTION for a number that makes no sense */
function whole(options: Options, key: keyof typeof NAMES, otherwise: number, least: number): number {
  const value = options.number(key) ?? otherwise;
  if (value < least || value > MOST[key]) throw badNumber(NAMES[key], MOST[key], least);
  return value;
}

function badNumber(name: string, most: number, least: number): RuntimeError {
  return new RuntimeError('OPTION', `--${name}: not a number from ${least} to ${most}`, { path: `--${name}` });
}

interface Report {
  path: string;
  render: 'htmlReport' | 'svgReport';
}

/**
 * A report is written when minutes have been measured: whether it can be is asked before.
 * @throws RuntimeError OPTION, also for a file name whose ending is neither
 */
function reportOf(path: string | undefined): Report | undefined {
  if (path === undefined) return undefined;
  writing(path, () => {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
    accessSync(there ? path : dirname(path), constants.W_OK);
  });
  if (/\.html?$/i.test(path)) return { path, render: 'htmlReport' };
  if (/\.svg$/i.test(path)) return { path, render: 'svgReport' };
  throw new RuntimeError('OPTION', `--report "${path}": the name must end in .html or .svg`, { path });
}

function writing(path: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new RuntimeError('OPTION', `write the report "${path}": ${errno ?? String(cause)}`, { path, errno, cause });
  }
}

/** A signal ends the measurement; when all that it made has been removed, the signal takes its default effect. */
async function interruptible(measurement: LaunchBench, clear: () => void): Promise<BenchResult> {
  let received: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    received ??= signal;
    measurement.interrupt();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await measurement.run();
  } finally {
    clear();
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    if (received) process.kill(process.pid, received);
  }
}

/** What goes on: messages, and on a terminal the number of the round. */
function progressLine({ terminal }: CommandContext) {
  const counts = isTerminal(2) && terminal.shows('info');
  let isShown = false;
  const clear = (): void => {
    if (isShown) terminal.err('\r\x1b[K');
    isShown = false;
  };
  return {
    clear,
    onProgress: (text: string): void => {
      clear();
      terminal.info(text);
    },
    onRound: (done: number, all: number): void => {
      if (!counts) return;
      isShown = done < all;
      terminal.err(`\r\x1b[K${isShown ? `round ${done} of ${all}` : ''}`);
    },
  };
}

function width(): number {
  return process.stdout.columns ?? DEFAULT_WIDTH;
}

/** Whether the terminal is told to show more than ASCII (locale(7)); NO_COLOR and TERM=dumb ask for plain text. */
function hasUtf8(env: CommandContext['env']): boolean {
  if (env.NO_COLOR || env.TERM === 'dumb') return false;
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '') ?? '';
  return /utf-?8/i.test(locale);
}
