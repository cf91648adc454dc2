/** Every command once: its words, its usage line, its help and the module that carries it out. */
import type { CommandSpec } from '../command-line/command';
import { BENCH_COMMANDS } from './bench-commands';
import { IMAGE_COMMANDS } from './image-commands';
import { REMOTE_COMMANDS } from './remote-commands';
import { SIF_COMMANDS } from './sif-commands';
import { SIGNING_COMMANDS } from './signing-commands';

const IMAGE_HELP =
  'The image is a SIF file, a bare squashfs file, a sandbox directory, a URI as pull takes it (docker://…), or ' +
  'instance://NAME for a running instance. ' +
  'Everything behind it belongs to the payload, also when it begins with a dash.';
const START_HELP =
  'The image is a SIF file, a bare squashfs file, a sandbox directory, or a URI as pull takes it (docker://…). ' +
  'Everything behind the name is an argument, also when it begins with a dash.';

const ANY = -1;

const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'build',
    usage: '[local options...] <IMAGE PATH> <BUILD SPEC>',
    summary: 'Make an image',
    description:
      'Makes a SIF file that davit and Apptainer run, or with --sandbox a directory. The specification is a definition ' +
      'file (docs/definition-files.md), an image, a sandbox directory, or a URI as pull takes it.',
    examples: [
      'davit build service.sif service.def',
      'davit build --build-arg VERSION=2 service.sif service.def',
      'davit build service.sif rootfs/',
      'davit build --sandbox rootfs service.sif',
    ],
    args: [2, 2],
    load: () => import('./image/build'),
  },
  {
    name: 'completion',
    usage: '<bash|zsh|fish>',
    summary: 'Print a completion script for a shell',
    description: 'The script completes commands and flags. Load it with: source <(davit completion bash)',
    args: [1, 1],
    load: async () => (await import('./completion')).completionOf({ allCommands, subcommandsOf }),
  },
  {
    name: 'exec',
    usage: '[exec options...] <container> <command>',
    summary: 'Run a command in a container',
    description: `Runs the command in the image's environment, or in a running instance. ${IMAGE_HELP}`,
    examples: ['davit exec lab.sif python3 --version', 'davit exec instance://web ps'],
    args: [2, ANY],
    load: () => import('./container/exec'),
  },
  { name: 'help', usage: '[command] | --man', summary: 'Show help for a command', args: [0, ANY] },
  {
    name: 'instance',
    usage: '<command>',
    summary: 'Services: containers that run in the background',
    description: 'An instance is a named container that goes on running when the command that started it has ended.',
    examples: ['davit instance start lab.sif web', 'davit help instance start'],
    args: [0, ANY],
  },
  {
    name: 'instance list',
    usage: '[list options...] [<instance name glob>]',
    summary: 'List the running instances',
    description:
      'Lists your instances, sorted by name. Names are selected by a pattern or by ranges as instance start takes them, ' +
      'quoted, so that the shell leaves them alone.',
    examples: ['davit instance list', "davit instance list 'web*'", "davit instance list 'web-[1-200]'"],
    args: [0, 1],
    load: () => import('./instance/list'),
  },
  {
    name: 'instance logs',
    usage: '[logs options...] <instance name>',
    summary: 'Print what an instance has written',
    description:
      'Prints the output, or with --err the error output, of an instance, also after it was stopped. A pattern or ranges ' +
      'print several, each under its name.',
    examples: ['davit instance logs web', 'davit instance logs -f --err web'],
    args: [1, 1],
    load: () => import('./instance/logs'),
  },
  {
    name: 'instance run',
    usage: '[start options...] <container path> <instance name> [runscript args...]',
    summary: 'Start an instance with the runscript of an image',
    description: `As instance start, but executes the runscript. ${START_HELP}`,
    examples: ['davit instance run lab.sif job1 --steps 10'],
    args: [2, ANY],
    load: () => import('./instance/run'),
  },
  {
    name: 'instance start',
    usage: '[start options...] <container path> <instance name> [startscript args...]',
    summary: 'Start an instance',
    description:
      'Executes the startscript of the image in a container of its own and returns when it runs. Its output goes to log ' +
      `files (davit instance logs). The instance stays when the startscript has ended. ${START_HELP} A name with ` +
      'ranges, such as web-[1-200], n[01-16,20] or web,db, starts several at once.',
    examples: [
      'davit instance start lab.sif web',
      "davit instance start --atomic lab.sif 'web-[1-200]'",
      'davit instance start --writable-tmpfs --bind /data lab.sif web 8080',
    ],
    args: [2, ANY],
    load: () => import('./instance/start'),
  },
  {
    name: 'instance stats',
    usage: '[stats options...] <instance name>',
    summary: 'Show what an instance uses',
    description:
      'Processor time, memory, transfers from and to block devices, and threads, every second until Ctrl-C. They are those ' +
      'of the control group of the instance where it has one to itself, else of its processes.',
    examples: ['davit instance stats web', 'davit instance stats --no-stream web', 'davit instance stats --json web'],
    args: [1, 1],
    load: () => import('./instance/stats'),
  },
  {
    name: 'instance stop',
    usage: '[stop options...] [instance]',
    summary: 'Stop instances',
    description:
      'Sends SIGINT, or the signal given, to the instances named by a name, a pattern or ranges, and SIGKILL to those that are ' +
      'still there after the timeout.',
    examples: [
      'davit instance stop web',
      "davit instance stop 'web*'",
      "davit instance stop 'web-[1-200]'",
      'davit instance stop --all',
    ],
    args: [0, 1],
    load: () => import('./instance/stop'),
  },
  {
    name: 'run',
    usage: '[run options...] <container> [args...]',
    summary: 'Run the runscript of an image',
    description: `Runs what the image is made for, with the arguments. ${IMAGE_HELP}`,
    examples: ['davit run lab.sif', 'davit run --app client instance://web'],
    args: [1, ANY],
    load: () => import('./container/run'),
  },
  {
    name: 'shell',
    usage: '[shell options...] <container>',
    summary: 'Run a shell in a container',
    description: `Runs bash, or sh where the image has no bash. ${IMAGE_HELP}`,
    examples: ['davit shell lab.sif', 'davit shell instance://web'],
    args: [1, ANY],
    load: () => import('./container/shell'),
  },
  {
    name: 'test',
    usage: '[exec options...] <image path>',
    summary: 'Run the test script of an image',
    description: `Runs the test script; an image without one passes. ${IMAGE_HELP}`,
    args: [1, ANY],
    load: () => import('./container/test'),
  },
  {
    name: 'version',
    usage: '',
    summary: 'Print the version',
    args: [0, ANY],
    load: () => import('./version'),
  },
  ...BENCH_COMMANDS,
  ...IMAGE_COMMANDS,
  ...SIF_COMMANDS,
  ...SIGNING_COMMANDS,
  ...REMOTE_COMMANDS,
  ...[
    ['capability', 'Capabilities granted to users'],
    ['checkpoint', 'Checkpoints of instances'],
    ['config', 'The configuration'],
    ['oci', 'OCI bundles'],
    ['plugin', 'Plugins'],
  ].map(
    ([name, summary]): CommandSpec => ({
      name: name as string,
      usage: '[options...] [args...]',
      summary: summary as string,
      args: [0, ANY],
      later: true,
    }),
  ),
];

/** Other words for a command. */
const ALIASES: Record<string, string> = { caps: 'capability', keys: 'key', siftool: 'sif' };

export function allCommands(): readonly CommandSpec[] {
  return COMMANDS;
}

export function findCommand(name: string): CommandSpec | undefined {
  const found = ALIASES[name] ?? name;
  return COMMANDS.find((command) => command.name === found);
}

/** Commands one word longer than `group`; the top level for ''. */
export function subcommandsOf(group: string): CommandSpec[] {
  const depth = group === '' ? 1 : group.split(' ').length + 1;
  const prefix = group === '' ? '' : `${group} `;
  return COMMANDS.filter(({ name }) => name.startsWith(prefix) && name.split(' ').length === depth);
}

/** Why a number of arguments is wrong, in the words of Apptainer, or `undefined` when it is right. */
export function wrongArgumentCount({ args: [least, most] }: CommandSpec, count: number): string | undefined {
  if (count >= least && (most === ANY || count <= most)) return undefined;
  if (most === ANY) return `requires at least ${least} arg(s), only received ${count}`;
  if (most === least) return `accepts ${least} arg(s), received ${count}`;
  return `accepts between ${least} and ${most} arg(s), received ${count}`;
}
