/**
 * The part of a build that needs a root: another davit process carries it out, in a mount namespace, and for a plain user
 * as root of a user namespace. When this process is killed, that one ends what it has started, and clears up. What goes
 * there is a file in the build's private directory; an error comes back the same way.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, RuntimeError } from '../../errors';
import type { Definition, Stage } from '../../formats/definition/definition';
import { native, packageRoot } from '../../native';
import { loadConfig } from '../config/config';
import { REPORT_FD, spawnPlan } from '../instance/spawn';
import { readCaller } from '../launch/caller';
import { FALLBACK_SHELL } from '../launch/compile';
import { type NamespacePlan, planNamespaces } from '../launch/namespaces';
import { Notes } from '../launch/notes';
import { defaultLaunchOptions } from '../launch/options';
import { type CompiledPlan, compiled, DAVIT_VERSION, MODE, PLAN_FORMAT } from '../launch/plan';
import { fetched, referencesOf } from './bootstrap/from-uri';
import { ERROR_FILE, OWN_FILES, TASK_FILE } from './bundle/abandoned';
import { Bundle } from './bundle/bundle';
import type { Build } from './bundle/context';
import type { Wanted } from './bundle/fetching';
import { Interruption } from './bundle/interruption';
import { type BuildOptions, INSIDE_VARIABLE } from './bundle/options';
import { performing } from './bundle/performing';
import { type Rights, rightsOf } from './bundle/rights';
import { buildStages } from './stages';
import { exitWords } from './sections/exit-words';
import { type FakerootCommand, fakerootVariables, findFakeroot, startFakeroot } from './sections/fakeroot-command';
import { runProgram } from './sections/host-script';

/** What the other process is told. */
interface InsideTask {
  options: BuildOptions;
  env: Record<string, string | undefined>;
  cwd: string;
  definition: Definition;
  /** Path of each image that was fetched, by its URI. */
  fetched: Record<string, string>;
  bundle: string;
  /** One id is mapped, and fakeroot(1) is there to remember the others. */
  fakeroot?: FakerootCommand;
  /** Nothing is built; what an earlier process has left is removed. */
  clearsOnly?: boolean;
}

interface InsideError {
  code: ErrorCode;
  message: string;
  errno?: string;
  path?: string;
  hint?: string;
  step?: number;
}

/** Maps cannot stand in JSON. */
const encode = (_key: string, value: unknown): unknown => (value instanceof Map ? { map: [...value] } : value);
const decode = (_key: string, value: unknown): unknown => {
  const map = (value as { map?: unknown } | null)?.map;
  return Array.isArray(map) ? new Map(map as [unknown, unknown][]) : value;
};

/** Builds the stages in namespaces. @throws RuntimeError NAMESPACE, IMAGE_BUILD and what the build throws */
export async function buildInside(definition: Definition, build: Build, rights: Rights): Promise<void> {
  const { options, env, caller, interruption } = build;
  const namespaces = rights.kind === 'host' ? HOST_NAMESPACES : fakerootNamespaces(build);
  const bundle = Bundle.make(options, env, interruption);
  const task: InsideTask = {
    options,
    env: { ...env },
    cwd: caller.cwd,
    definition,
    fetched: await performing(fetchBases(definition.stages, build)),
    bundle: bundle.directory,
    fakeroot: rights.kind === 'host' ? undefined : chooseFakeroot(namespaces, build),
  };
  // Whoever has killed such a process has left files that only its like can remove.
  const clear = (place: Bundle): Promise<void> =>
    runTask({ ...task, bundle: place.directory, clearsOnly: true }, namespaces, build, place).catch(() => undefined);
  for (const directory of bundle.abandoned) {
    const place = new Bundle(directory);
    await clear(place);
    place.remove();
  }
  try {
    await runTask(task, namespaces, build, bundle);
  } finally {
    if (!options.noCleanup && bundle.names().some((name) => !OWN_FILES.includes(name))) await clear(bundle);
  }
}

async function runTask(task: InsideTask, namespaces: NamespacePlan, build: Build, bundle: Bundle): Promise<void> {
  const { env, interruption } = build;
  writeFileSync(bundle.file(TASK_FILE), JSON.stringify(task, encode), { mode: 0o600 });
  const plan = enterPlan(bundle.file(TASK_FILE), namespaces, build);
  let pid = 0;
  const onStart = (started: number): void => {
    pid = started;
  };
  const end = spawnPlan(plan, native(), {
    env: { DAVIT_FRONT: env.DAVIT_FRONT },
    stdio: [0, 1, 2],
    onStart,
    parentDeathSignal: constants.signals.SIGTERM,
  });
  const kill = (name: NodeJS.Signals): boolean => process.kill(pid, name);
  const { exitStatus, signal } = await interruption.during({ kill }, end);
  if (existsSync(bundle.file(ERROR_FILE))) throw insideError(readFileSync(bundle.file(ERROR_FILE), 'utf8'));
  if (exitStatus === 0) return;
  throw new RuntimeError('IMAGE_BUILD', `While performing build: the build process: ${exitWords(exitStatus, signal)}`);
}

function insideError(text: string): RuntimeError {
  const { code, message, ...details } = JSON.parse(text) as InsideError;
  return new RuntimeError(code, message, details);
}

/** Everything is fetched before anything is built: with the caller's own rights, and a missing image is known early. */
async function fetchBases(stages: Stage[], { fetching }: Build): Promise<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const wanted of stages.flatMap(referencesOf)) paths[wanted.reference] = await fetched(wanted, fetching);
  return paths;
}

/** Root keeps his ids. */
const HOST_NAMESPACES: NamespacePlan = {
  mode: MODE.inPlace,
  namespaces: { user: false, mount: true, pid: false, ipc: false, uts: false, net: false },
  inside: { uid: 0, gid: 0 },
  fakeroot: false,
};

/** The ids of a build: those of `--fakeroot`. */
function fakerootNamespaces({ options, env, caller, onInfo, onWarning }: Build): NamespacePlan {
  const notes = new Notes();
  const launch = { ...defaultLaunchOptions(), fakeroot: true, ignoreSubuid: options.ignoreSubuid ?? false };
  const { config } = loadConfig({ env });
  const plan = planNamespaces({ options: launch, caller, config, isInstance: false, fuse: false, notes });
  for (const { level, text } of notes.list) (level === 'warning' ? onWarning : onInfo)(text);
  return plan;
}

/** With subordinate ids there is nothing to pretend. */
function chooseFakeroot({ namespaces }: NamespacePlan, { options, env, onInfo }: Build): FakerootCommand | undefined {
  const mapped = namespaces.idMap?.uid?.length ?? 0;
  if (mapped > 1 || options.ignoreFakerootCommand) return undefined;
  const found = findFakeroot(env);
  if (found) onInfo('Using fakeroot command combined with root-mapped namespace');
  return found;
}

/** Node again, in place of the launcher, with the host's files and another user's rights. */
function enterPlan(task: string, { namespaces }: NamespacePlan, { options, caller, env }: Build): CompiledPlan {
  const messageLevel = options.messageLevel ?? 1;
  const color = options.color ?? false;
  const entry = [process.execPath, '--', join(packageRoot(), 'dist', 'davit.cjs')];
  const flags = options.jsonProgress ? ['--json-progress'] : [];
  const words = [...(color ? [] : ['--nocolor']), 'build', ...flags, '--', options.target, options.source];
  const { PATH, HOME, LANG, TERM } = env;
  const variables = { PATH, HOME, LANG, TERM, DAVIT_MESSAGELEVEL: String(messageLevel), [INSIDE_VARIABLE]: task };
  const set = Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  return compiled(
    {
      format: PLAN_FORMAT,
      davitVersion: DAVIT_VERSION,
      mode: MODE.inPlace,
      namespaces: { ...namespaces, mount: true, pid: false, ipc: false, uts: false, net: false },
      steps: [{ propagation: { private: false } }],
      program: {
        environment: { onlyAllowed: true, allow: [], block: [], blockPrefixes: [], set },
        script: 'unset DAVIT_HOST_NAMES\nexec "$@"\n',
        arguments: [...entry, ...words],
        shell: FALLBACK_SHELL,
        workingDirectory: { path: caller.cwd, fatal: true, fallbacks: [] },
        setUmask: true,
        umask: caller.umask,
      },
      output: { messageLevel, color, reportFd: REPORT_FD, image: options.target },
    },
    [],
  );
}

/**
 * The other side: carries a task out.
 * @param file that buildInside() wrote
 * @returns the exit code; the error, when there was one, lies beside the task
 */
export async function continueInside(
  file: string,
  say: Pick<Build, 'onInfo' | 'onWarning' | 'onVerbose' | 'onProgress'>,
): Promise<number> {
  const task = JSON.parse(readFileSync(file, 'utf8'), decode) as InsideTask;
  const { options, env, definition, fetched: paths, bundle, clearsOnly, fakeroot } = task;
  const key = process.env.FAKEROOTKEY;
  if (fakeroot && key === undefined && !clearsOnly) return await againUnderFakeroot(fakeroot);
  const interruption = new Interruption();
  const caller = { ...readCaller(env), umask: process.umask() };
  const rights = rightsOf({ caller });
  if (rights.kind === 'enter')
    throw new RuntimeError('NAMESPACE', 'this process is no root, neither here nor of a user namespace');
  const fetching = {
    toFile: async ({ reference }: Wanted): Promise<string> => paths[reference] ?? '',
    toTarget: async (): Promise<void> => undefined,
  };
  const build: Build = { options, env, caller, fetching, interruption, ...say };
  const place = new Bundle(bundle);
  if (clearsOnly) {
    place.clear(OWN_FILES);
    return 0;
  }
  try {
    await interruption.guard(async () => {
      // Files of other ids can be removed by this process alone. So must be all of it when nobody waits for it any more;
      // that shows late: while threads of a killed parent are left, the signal has come and getppid(2) still names it.
      const clear = (): void => (interruption.interrupted ? place.remove() : place.clear(OWN_FILES));
      if (!options.noCleanup) interruption.atEnd(clear);
      const faked = fakeroot && key !== undefined ? { library: fakeroot.library, key } : undefined;
      await performing(buildStages(definition, build, rights, place, faked));
    });
    return 0;
  } catch (error) {
    if (!interruption.interrupted) writeFileSync(place.file(ERROR_FILE), JSON.stringify(plainError(error)));
    return error instanceof RuntimeError ? error.exitCode : 255;
  }
}

/** This very process once more, with fakeroot's library in it. @returns its exit code */
async function againUnderFakeroot(command: FakerootCommand): Promise<number> {
  const interruption = new Interruption();
  return await interruption.guard(async () => {
    const { key, stop } = await startFakeroot(command);
    interruption.atEnd(stop);
    const env = { ...process.env, ...fakerootVariables(command.library, key) };
    const args = [...process.execArgv, ...process.argv.slice(1)];
    const { exitStatus, signal } = await runProgram(process.execPath, args, env, { interruption });
    if (signal === undefined) return exitStatus;
    throw new RuntimeError(
      'IMAGE_BUILD',
      `While performing build: the build process: ${exitWords(exitStatus, signal)}`,
    );
  });
}

function plainError(error: unknown): InsideError {
  if (!(error instanceof RuntimeError)) {
    return { code: 'INTERNAL', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  const { code, message, errno, path, hint, step } = error;
  return { code, message, errno, path, hint, step };
}
