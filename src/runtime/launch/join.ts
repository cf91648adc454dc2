/** Launches inside a running instance: `exec`, `run`, `shell`, `test` on instance://NAME. */
import { stateDirectory } from '../state-directory';
import { scriptOf, workingDirectory, FALLBACK_SHELL } from './compile';
import { planEnvironment } from './environment';
import { collectInjected } from './injected';
import { Notes } from './notes';
import type { Action, Caller, LaunchOptions } from './options';
import { remainingCapabilities } from './privileges';
import { type CompiledPlan, compiled, DAVIT_VERSION, MODE, type OutputRequest, PLAN_FORMAT, type Step } from './plan';
import { rawArguments } from './raw-arguments';

/** What a join needs to know of the instance; InstanceRecord has it. */
export interface JoinTarget {
  name: string;
  image: string;
  imageName: string;
  bindList: string;
  home: string;
  noNewPrivs: boolean;
  dropAllCapabilities: boolean;
  /** Mask of capabilities that were kept; 0: all. */
  keepCapabilities?: number;
}

export interface JoinRequest {
  action: Action;
  instance: JoinTarget;
  options: LaunchOptions;
  caller: Caller;
  args: string[];
  /** exec: the command and its arguments. */
  command?: string[];
  /** Where the instance's record lies; DAVIT_STATE_DIR or the default when absent. */
  stateDir?: string;
  output: OutputRequest;
}

const DEFAULT_UMASK = 0o022;

/**
 * Compiles a join: the caller's environment, working directory and terminal; the instance's namespaces, HOME and
 * privileges.
 * @throws RuntimeError OPTION
 */
export function compileJoin(request: JoinRequest): CompiledPlan {
  const { action, instance, options, caller, output } = request;
  const notes = new Notes();
  warnOfIgnored(options, instance.name, notes);
  const injection = collectInjected(options, caller, notes);
  const container = { path: instance.image, name: instance.imageName, binds: instance.bindList };
  return compiled(
    {
      format: PLAN_FORMAT,
      davitVersion: DAVIT_VERSION,
      mode: MODE.join,
      steps: joinPrivileges(instance, options, notes),
      program: {
        environment: planEnvironment({ action, options, injection, home: instance.home, container, isInstance: true }),
        script: scriptOf(action, request, injection),
        arguments: request.command ?? request.args,
        ...rawArguments(request.command ?? request.args),
        shell: FALLBACK_SHELL,
        workingDirectory: workingDirectory(options.cwd, caller.cwd, instance.home),
        setUmask: true,
        umask: options.noUmask ? DEFAULT_UMASK : caller.umask,
      },
      join: { stateDir: request.stateDir ?? stateDirectory(caller.uid, caller.env), name: instance.name },
      output: { ...output, image: `instance://${instance.name}` },
    },
    notes.list,
  );
}

/** Never more than the instance's own. */
function joinPrivileges(instance: JoinTarget, options: LaunchOptions, notes: Notes): Step[] {
  const noNewPrivs = instance.noNewPrivs || options.noPrivs;
  if (instance.dropAllCapabilities || options.noPrivs) return [{ privileges: { noNewPrivs, dropAll: true } }];
  const keepMask = remainingCapabilities(instance.keepCapabilities ?? 0, options.dropCaps, notes);
  if (keepMask === undefined) return noNewPrivs ? [{ privileges: { noNewPrivs } }] : [];
  return [{ privileges: keepMask === 0 ? { noNewPrivs, dropAll: true } : { noNewPrivs, keepMask } }];
}

/** Options that shape a container, which this one already is. The original drops them without a word. */
function warnOfIgnored(options: LaunchOptions, name: string, notes: Notes): void {
  if (options.fakeroot) notes.info('--fakeroot is ignored when joining an instance');
  const { bind, mount, overlay, scratch, noMount } = options;
  const given: [boolean, string][] = [
    [bind.length > 0, '--bind'],
    [mount.length > 0, '--mount'],
    [overlay.length > 0, '--overlay'],
    [scratch.length > 0, '--scratch'],
    [noMount.length > 0, '--no-mount'],
    [options.home !== undefined, '--home'],
    [options.noHome, '--no-home'],
    [options.workdir !== undefined, '--workdir'],
    [options.writable, '--writable'],
    [options.writableTmpfs, '--writable-tmpfs'],
    [options.contain, '--contain'],
    [options.containAll, '--containall'],
    [options.hostname !== undefined, '--hostname'],
    [options.dns !== undefined, '--dns'],
    [options.userns, '--userns'],
    [options.pid, '--pid'],
    [options.ipc, '--ipc'],
    [options.uts, '--uts'],
    [options.net, '--net'],
    [options.network !== undefined, '--network'],
  ];
  const flags = given.filter(([present]) => present).map(([, flag]) => flag);
  if (flags.length === 0) return;
  const verb = flags.length === 1 ? 'has' : 'have';
  notes.warning(`${flags.join(', ')} ${verb} no effect: instance ${name} is running already`);
}
