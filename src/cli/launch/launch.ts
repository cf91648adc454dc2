/** The commands that launch: exec, run, shell, test, instance start, instance run. They differ in a few words only. */
import { RuntimeError } from '../../errors';
import { launcherPath, native } from '../../native';
import { loadConfig } from '../../runtime/config/config';
import { checkInstanceName } from '../../runtime/instance/names';
import { prepareImage } from '../../runtime/instance/prepare-image';
import type { InstanceRecord } from '../../runtime/instance/record';
import { InstanceStore } from '../../runtime/instance/store';
import { readCaller } from '../../runtime/launch/caller';
import { compileImageLaunch } from '../../runtime/launch/compile';
import { compileJoin, INSTANCE_URI } from '../../runtime/launch/join';
import type { Action, Caller } from '../../runtime/launch/options';
import type { CompiledPlan } from '../../runtime/launch/plan';
import { stateDirectory } from '../../runtime/state-directory';
import { doing, passTiming } from '../../timing';
import { begin, refuse } from '../../witness';
import type { CommandContext } from '../command-line/command';
import { refuseUnsupported } from '../command-line/unsupported';
import type { LaunchImage } from '../network/fetch';
import { dropWithoutEffect, launchOptions, settleNetwork } from './launch-options';
import { remember, remembers } from './plan-cache';

/** What only a list of names has (src/runtime/instance/hostlist.ts). */
const LIST_OF_NAMES = /[[\],]/;

/**
 * Launches; the launcher takes the place of this process.
 * @returns only for `--dry-run`: 0
 * @throws RuntimeError
 */
export async function launch(action: Action, context: CommandContext, isRun = false): Promise<number> {
  const { args, options, terminal } = context;
  const target = args[0] as string;
  const joins = target.startsWith(INSTANCE_URI);
  if (joins && action === 'start') {
    throw new RuntimeError('OPTION', 'While setting image/instance: starting an instance from another is not allowed');
  }
  if (action === 'shell' && args.length > 1) terminal.warning('Parameters to shell command are ignored');
  if (options.flag('json') && !options.has('dryRun')) throw new RuntimeError('OPTION', '--json needs --dry-run');

  if (joins) dropWithoutEffect(options, context.flags, terminal);
  refuseUnsupported(options, context.flags);
  if (action === 'start' && !options.has('dryRun') && isMany(context)) {
    return await (await import('./start-many')).startMany(context, isRun);
  }
  native().defaultSignals();
  if (remembers(context)) begin();
  doing('caller');
  const caller = readCaller(context.env);
  let fetched: LaunchImage | undefined;
  const fetch = async (reference: string): Promise<LaunchImage> => {
    refuse();
    fetched = await (await import('../network/fetch')).fetchForLaunch(reference, context);
    return fetched;
  };
  try {
    const plan = joins
      ? joinPlan(action, target.slice(INSTANCE_URI.length), caller, context)
      : await imagePlan(action, caller, context, isRun, fetch);
    return await carryOut(plan, context, (bytes) => remember(action, bytes, caller, context));
  } finally {
    fetched?.remove();
  }
}

/** A single name with --atomic or --jobs is an ordinary start. */
function isMany({ args, options }: CommandContext): boolean {
  return options.has('count') || LIST_OF_NAMES.test(args[1] as string);
}

/** The name in the plan: of several, which only a dry run compiles here, the first one's. @throws RuntimeError OPTION */
async function plannedName(context: CommandContext): Promise<string> {
  const { args, options, terminal } = context;
  let name = args[1] as string;
  if (isMany(context)) {
    const { countedNames, expandHostlist } = await import('../../runtime/instance/hostlist');
    const count = options.number('count');
    const names = count === undefined ? expandHostlist(name) : countedNames(name, count);
    name = names[0] as string;
    terminal.info(`the plan of ${name}, the first of ${names.length} instances`);
  }
  checkInstanceName(name);
  return name;
}

/** Prints the plan, or hands it to the launcher, which does not return. */
async function carryOut(
  plan: CompiledPlan,
  context: CommandContext,
  keep: (bytes: Uint8Array) => void,
): Promise<number> {
  const { options, terminal } = context;
  for (const { level, text } of plan.warnings) terminal.message(level, text);
  if (options.has('dryRun')) return await printPlan(plan, context);
  if (terminal.shows('verbose')) await explain(plan, context);
  const bytes = plan.bytes();
  doing('remember');
  keep(bytes);
  doing('handOver');
  passTiming();
  return native().execLauncher(launcherPath(), bytes);
}

async function imagePlan(
  action: Action,
  caller: Caller,
  context: CommandContext,
  isRun: boolean,
  fetch: (reference: string) => Promise<LaunchImage>,
): Promise<CompiledPlan> {
  const { args, options, terminal, env } = context;
  settleNetwork(options, caller.uid === 0, terminal);
  const instanceName = action === 'start' ? await plannedName(context) : '';
  doing('configuration');
  const file = options.text('config');
  const { config, warnings } = loadConfig({ env, ...(file === undefined ? {} : { file }) });
  for (const text of warnings) terminal.warning(text);
  if (!config.planCache) refuse();
  const request = { action, options: launchOptions(options), caller, config, output: outputOf(context) };
  doing('image', args[0]);
  const prepared = await prepareImage({
    ...request,
    given: args[0] as string,
    dryRun: options.has('dryRun'),
    fetch,
    onInfo: (text) => terminal.info(text),
    onWarning: (text) => terminal.warning(text),
  });
  doing('compile');
  if (action !== 'start') return compileImageLaunch({ ...request, ...prepared, ...payload(action, args) });
  return compileImageLaunch({
    ...request,
    ...prepared,
    instanceName,
    isRun,
    args: args.slice(2),
  });
}

function joinPlan(action: Action, name: string, caller: Caller, context: CommandContext): CompiledPlan {
  const { options, args, env } = context;
  doing('instance', name);
  // For its words where there is none, or a damaged record. The launcher looks again.
  findInstance(name, new InstanceStore(stateDirectory(caller.uid, env), native(), { uid: caller.uid }));
  if (!keepsPlans(context)) refuse();
  doing('compile');
  return compileJoin({
    action,
    name,
    options: launchOptions(options),
    caller,
    output: outputOf(context),
    ...payload(action, args),
  });
}

/** What the configuration says of it; a join asks for nothing else there, and no fault in it is in the way of one. */
function keepsPlans({ env, options }: CommandContext): boolean {
  const file = options.text('config');
  try {
    return loadConfig({ env, ...(file === undefined ? {} : { file }) }).config.planCache;
  } catch {
    return false;
  }
}

/** @throws RuntimeError INSTANCE_MISSING, or STATE when its record is damaged */
export function findInstance(name: string, store: InstanceStore): InstanceRecord {
  const found = store.find(name);
  if (found?.state === 'alive') return found.record;
  if (found?.state === 'damaged') {
    throw new RuntimeError('STATE', `While setting image/instance: ${found.problem}`, {
      path: name,
      hint: `end it with: davit instance stop ${name}`,
    });
  }
  throw new RuntimeError('INSTANCE_MISSING', `While setting image/instance: no instance found with name ${name}`, {
    path: name,
    hint: 'davit instance list shows what is running',
  });
}

/** What runs: for exec a command, for run and test arguments, for shell nothing. */
function payload(action: Action, args: readonly string[]): { args: string[]; command?: string[] } {
  if (action === 'exec') return { args: [], command: args.slice(1) };
  return { args: action === 'shell' ? [] : args.slice(1) };
}

function outputOf({ terminal }: CommandContext): { messageLevel: number; color: boolean } {
  return { messageLevel: terminal.level, color: terminal.color };
}

/** What is about to be done: where and by which steps, and for --debug also with which program and environment. */
async function explain(plan: CompiledPlan, { terminal }: CommandContext): Promise<void> {
  const { describePlan } = await import('../../runtime/launch/describe');
  const lines = describePlan(plan.plan).trimEnd().split('\n');
  const program = lines.indexOf('program');
  for (const [i, line] of lines.entries()) terminal.message(i < program ? 'verbose' : 'debug', line);
}

async function printPlan(plan: CompiledPlan, { options, terminal }: CommandContext): Promise<number> {
  const { describePlan, planToJson } = await import('../../runtime/launch/describe');
  if (options.text('dryRun') === 'json' || options.flag('json')) terminal.out(`${planToJson(plan.plan)}\n`);
  else terminal.out(describePlan(plan.plan));
  return 0;
}
