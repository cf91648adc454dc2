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

export interface JoinRequest {
  action: Action;
  /** Name of the instance. */
  name: string;
  options: LaunchOptions;
  caller: Caller;
  args: string[];
  /** exec: the command and its arguments. */
  command?: string[];
  /** Where the instance's record lies; DAVIT_STATE_DIR or the default when absent. */
  stateDir?: string;
  output: OutputRequest;
}

/** How a running instance is named in the place of an image. */
export const INSTANCE_URI = 'instance://';

const DEFAULT_UMASK = 0o022;

/** Fields of InstanceRecord (src/schema/record.proto): their numbers. The launcher reads them. */
export const RECORD = { image: 6, home: 10, bindList: 15, imageName: 16 } as const;

/**
 * Compiles a join: the caller's environment, working directory and terminal; the instance's namespaces, HOME and
 * privileges. Nothing of the instance but its name is in the plan, so that one plan serves every instance: what its
 * record says is taken from it by the launcher, which reads it in any case.
 * @throws RuntimeError OPTION
 */
export function compileJoin(request: JoinRequest): CompiledPlan {
  const { action, name, options, caller, output } = request;
  const notes = new Notes();
  warnOfIgnored(options, name, notes);
  const injection = collectInjected(options, caller, notes);
  const container = {
    path: { fromRecord: RECORD.image },
    name: { fromRecord: RECORD.imageName },
    binds: { fromRecord: RECORD.bindList },
  };
  const home = { fromRecord: RECORD.home };
  return compiled(
    {
      format: PLAN_FORMAT,
      davitVersion: DAVIT_VERSION,
      mode: MODE.join,
      steps: furtherPrivileges(options, notes),
      program: {
        environment: planEnvironment({ action, options, injection, home, container, isInstance: true }),
        script: scriptOf(action, request, injection),
        arguments: request.command ?? request.args,
        ...rawArguments(request.command ?? request.args),
        shell: FALLBACK_SHELL,
        workingDirectory: options.cwd === undefined ? { ofCaller: true } : workingDirectory(options.cwd, '/', '/'),
        // Otherwise the caller's, which the launcher has.
        ...(options.noUmask ? { setUmask: true, umask: DEFAULT_UMASK } : {}),
      },
      join: { stateDir: request.stateDir ?? stateDirectory(caller.uid, caller.env), name },
      output: { ...output, image: INSTANCE_URI + name },
    },
    notes.list,
  );
}

/** What is taken away beyond what the instance lacks: that, the launcher takes from its record first. */
function furtherPrivileges(options: LaunchOptions, notes: Notes): Step[] {
  if (options.noPrivs) return [{ privileges: { noNewPrivs: true, dropAll: true } }];
  const keepMask = remainingCapabilities(options.dropCaps, notes);
  if (keepMask === undefined) return [];
  return [{ privileges: keepMask === 0 ? { dropAll: true } : { keepMask } }];
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
