/** `instance start` and `instance run` of several instances: ranges of names, or --count. */
import { RuntimeError } from '../../errors';
import { native } from '../../native';
import { imageScheme } from '../../runtime/image/uri';
import { countedNames, expandHostlist, foldNames } from '../../runtime/instance/hostlist';
import { Runtime } from '../../runtime/instance/runtime';
import type { StartManyResult } from '../../runtime/instance/runtime-options';
import type { CommandContext } from '../command-line/command';
import { launchOptions, settleNetwork } from './launch-options';

/**
 * Starts them and returns when all are up.
 * @throws RuntimeError, also when one of them could not be started: each has been named by then
 */
export async function startMany(context: CommandContext, isRun: boolean): Promise<number> {
  const { args, options, env, terminal } = context;
  const [image, name, ...rest] = args as [string, string, ...string[]];
  const count = options.number('count');
  const names = count === undefined ? expandHostlist(name) : countedNames(name, count);
  settleNetwork(options, process.getuid?.() === 0, terminal);
  const jobs = options.number('jobs');
  const configFile = options.text('config');
  const runtime = new Runtime({ env, ...(configFile === undefined ? {} : { configFile }) });
  const fetched =
    imageScheme(image) === undefined
      ? undefined
      : await (await import('../network/fetch')).fetchForLaunch(image, context);
  const interrupted = onInterrupt();
  try {
    const result = await runtime.startMany(fetched?.path ?? image, names, {
      ...launchOptions(options),
      args: rest,
      run: isRun,
      atomic: options.flag('atomic'),
      ...(jobs === undefined ? {} : { jobs }),
      signal: interrupted.signal,
      onWarning: (text) => terminal.warning(text),
      onTimes: (instance, { beginNs, endNs }, failed) => native().addStartTiming(instance, beginNs, endNs, failed),
    });
    return report(result, names.length, context);
  } finally {
    interrupted.dispose();
    fetched?.remove();
  }
}

/** The first Ctrl-C lets what has begun come to its end and starts nothing more; the second one ends this process. */
function onInterrupt(): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, abort);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of signals) process.removeListener(signal, abort);
    },
  };
}

function report(result: StartManyResult, wanted: number, { terminal }: CommandContext): number {
  const { started, failed, withdrawn, skipped } = result;
  if (terminal.shows('info')) for (const { name, earlyErrors } of started) terminal.err(prefixLines(name, earlyErrors));
  for (const { name, error } of failed) {
    terminal.error(`${name}: ${error.message}`);
    const output = error.cause instanceof Error ? error.cause.message : '';
    terminal.err(prefixLines(name, output));
  }
  if (failed.length + skipped.length === 0) {
    const what = started.length === 1 ? 'instance' : `${started.length} instances`;
    terminal.info(`${what} started successfully`);
    return 0;
  }
  const missing = [...failed.map(({ name }) => name), ...skipped];
  const words = [`${missing.length} of ${wanted} instances failed to start: ${foldNames(missing)}`];
  if (withdrawn.length > 0) words.push(`stopped again: ${foldNames(withdrawn)}`);
  const hint = failed.find(({ error }) => error.hint !== undefined)?.error.hint;
  throw new RuntimeError('LAUNCH_STEP', words.join('; '), hint === undefined ? {} : { hint });
}

function prefixLines(name: string, text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => `${name}: ${line}\n`).join('');
}
