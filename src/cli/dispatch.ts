/** From the words of a command line to an exit code: finds the command, reads its options, words every error. */
import { RuntimeError } from '../errors';
import { type LoggedCommand, operatorLog } from '../log';
import { errnoText } from '../runtime/image/errno-text';
import { beginTiming, doing } from '../timing';
import type { CommandContext, CommandModule, CommandSpec } from './command-line/command';
import { applyEnvironment, type Environment, lookUp } from './command-line/environment';
import { FlagError, type Options, parseFlags, parseFlagsAnywhere } from './command-line/parse';
import { refuseUnsupported } from './command-line/unsupported';
import { version } from './command-line/version';
import { findCommand, wrongArgumentCount } from './commands/commands';
import { type FlagSource, flagsBeforeCommand, flagsOf, lazyFlags } from './flags';
import { HELP, isLaunch } from './flags/flag';
import { timingFlags } from './flags/global';
import { helpText, optionsText, usageText } from './help/help';
import { isTerminal, LEVEL, type Terminal } from './terminal/render';

const OK = 0;
const USAGE_EXIT = 1;
const FAILED = 255;

/**
 * Runs one command line.
 * @param argv the words behind the program's name
 * @returns the exit code; a launch does not return
 */
export async function dispatch(argv: readonly string[], env: Environment, terminal: Terminal): Promise<number> {
  const code = await runWords(argv, env, terminal);
  if (terminal.lost === undefined) return code;
  terminal.fatal(`write /dev/stdout: ${errnoText(terminal.lost)}`);
  return code === OK ? FAILED : code;
}

async function runWords(argv: readonly string[], env: Environment, terminal: Terminal): Promise<number> {
  let command: CommandSpec | undefined;
  try {
    const { options, rest } = parseFlags(argv, globalFlags);
    setUpTerminal(options, env, terminal);
    askForTiming(options);
    if (options.flag('version')) {
      terminal.out(`davit version ${version()}\n`);
      return OK;
    }
    if (rest[0] === 'help' || (options.flag('help') && rest.length > 0)) {
      return await showHelp(rest[0] === 'help' ? rest.slice(1) : rest, terminal);
    }
    if (options.flag('help')) {
      terminal.out(helpText(undefined));
      return OK;
    }
    if (rest.length === 0) {
      terminal.out(usageText(undefined));
      return USAGE_EXIT;
    }
    const found = findNamed(rest);
    command = found.command;
    if (command === undefined) {
      terminal.err(`Error: unknown command "${rest[0]}" for "davit"\n\n`);
      terminal.out(usageText(undefined));
      return USAGE_EXIT;
    }
    const inner = commandBehindFlags(command, found.rest);
    command = inner?.command ?? command;
    return await runCommand(command, argv, inner?.rest ?? found.rest, options, env, terminal, inner?.options);
  } catch (error) {
    return report(error, command, terminal);
  }
}

/** The longest command that the words name, and the words behind it. */
function findNamed(words: readonly string[]): { command: CommandSpec | undefined; rest: readonly string[] } {
  let command = findCommand(words[0] as string);
  let rest = words.slice(1);
  while (command && rest.length > 0) {
    const inner = findCommand(`${command.name} ${rest[0]}`);
    if (!inner) break;
    command = inner;
    rest = rest.slice(1);
  }
  return { command, rest };
}

/** `remote --config FILE list`: the flags of a group stand before the command in it. */
function commandBehindFlags(
  { name, load, later }: CommandSpec,
  words: readonly string[],
): { command: CommandSpec; rest: readonly string[]; options: Options } | undefined {
  if (load !== undefined || later || !words[0]?.startsWith('-')) return undefined;
  const { options, rest } = parseFlags(words, () => [...flagsOf(name), HELP, ...timingFlags()]);
  const command = options.flag('help') || rest.length === 0 ? undefined : findCommand(`${name} ${rest[0]}`);
  return command && { command, rest: rest.slice(1), options };
}

async function runCommand(
  command: CommandSpec,
  argv: readonly string[],
  words: readonly string[],
  globals: Options,
  env: Environment,
  terminal: Terminal,
  given?: Options,
): Promise<number> {
  if (command.later) return refuseLater(command, words, terminal);
  const flags = lazyFlags(() => [...flagsOf(command.name), HELP, ...timingFlags()]);
  const parse = command.flagsAnywhere ? parseFlagsAnywhere : parseFlags;
  const { options, rest } = parse(words, flags, given);
  askForTiming(options);
  if (options.flag('help') || command.helps) {
    terminal.out(helpText(command));
    return OK;
  }
  if (command.load === undefined) throw new RuntimeError('USAGE', 'invalid command');
  const wrong = wrongArgumentCount(command, rest.length);
  if (wrong !== undefined) throw new RuntimeError('USAGE', wrong);
  warnOfDeprecated(options, flags, terminal);
  applyEnvironment(options, flags, env, terminal);
  // A launch looks first at whether it joins an instance: then most options do not matter.
  if (!isLaunch(command.name)) refuseUnsupported(options, flags);
  if (globals.has('config')) options.set('config', globals.text('config') ?? '', 'flag', '--config');
  const places = [...globals.places, ...options.places].map((left) => argv.length - left);
  const context = { name: command.name, words: argv, places, args: rest, options, flags, env, terminal };
  const module = await command.load();
  doing('command', command.name);
  return await runLogged(context, module);
}

/** Where the launcher replaces this process, what is logged is the beginning, or why it could not begin. */
async function runLogged(context: CommandContext, { run }: CommandModule): Promise<number> {
  const { name: command, args, env } = context;
  const log = operatorLog(env.DAVIT_LOG);
  const entry: LoggedCommand = { command, args, uid: process.getuid?.() ?? -1 };
  try {
    if (isLaunch(command) || command === 'instance stats') log.ran(entry);
    const exitCode = await run(context);
    log.ran(entry, exitCode);
    return exitCode;
  } catch (error) {
    log.failed(entry, error instanceof RuntimeError ? error : new RuntimeError('INTERNAL', String(error)));
    throw error;
  }
}

/** --timing and --trace, which stand before the command or among its options. */
function askForTiming(options: Options): void {
  if (!options.has('timing') && !options.has('trace')) return;
  if (options.has('trace') && options.text('trace') === undefined) {
    throw new RuntimeError('OPTION', '--trace needs the name of a file');
  }
  beginTiming(options.flag('timing'), options.text('trace'));
}

const globalFlags = lazyFlags(flagsBeforeCommand);

function warnOfDeprecated(options: Options, flags: FlagSource, terminal: Terminal): void {
  if (options.isEmpty()) return;
  for (const { name, key, deprecated } of flags()) {
    if (deprecated === undefined || options.source(key) !== 'flag' || options.given(key) !== `--${name}`) continue;
    terminal.warning(`Flag --${name} has been deprecated, ${deprecated}`);
  }
}

/** A command that Apptainer has and davit has not yet. Its help works. */
function refuseLater(command: CommandSpec, words: readonly string[], terminal: Terminal): number {
  if (words.includes('--help') || words.includes('-h')) {
    terminal.out(helpText(command));
    return OK;
  }
  throw new RuntimeError('OPTION', `not supported yet: davit ${command.name}`, {
    hint: 'docs/compatibility.md says what is there',
  });
}

async function showHelp(words: readonly string[], terminal: Terminal): Promise<number> {
  if (words.includes('--man')) {
    terminal.out((await import('./help/man-page')).manPage(version()));
    return OK;
  }
  const names = words.filter((word) => !word.startsWith('-'));
  if (names.length === 0) {
    terminal.out(helpText(undefined));
    return OK;
  }
  const { command } = findNamed(names);
  // As in Apptainer, an unknown topic is an answer, not an error.
  terminal.out(command ? helpText(command) : `Unknown help topic [\`${names.join(' ')}\`]\n${usageText(undefined)}`);
  return OK;
}

/** Levels and colours. A flag beats the environment's flags, and they beat MESSAGELEVEL. */
function setUpTerminal(options: Options, env: Environment, terminal: Terminal): void {
  applyEnvironment(options, globalFlags, env, terminal);
  const level = lookUp('MESSAGELEVEL', env, terminal)?.value;
  if (options.flag('debug')) terminal.level = LEVEL.debug;
  else if (options.flag('verbose')) terminal.level = LEVEL.verbose;
  else if (options.flag('quiet')) terminal.level = LEVEL.quiet;
  else if (options.flag('silent')) terminal.level = LEVEL.silent;
  else if (level !== undefined && /^-?\d$/.test(level)) terminal.level = Number(level);
  terminal.color = !options.flag('nocolor') && isTerminal(2);
  if (options.flag('buildConfig')) {
    throw new RuntimeError('OPTION', 'not supported yet: --build-config');
  }
}

/** Words an error. @returns the exit code. */
function report(error: unknown, command: CommandSpec | undefined, terminal: Terminal): number {
  if (!(error instanceof RuntimeError)) {
    terminal.fatal(
      error instanceof Error ? error.message : String(error),
      'this is a fault of davit; --debug shows where',
    );
    terminal.debug(error instanceof Error ? (error.stack ?? '') : '');
    return new RuntimeError('INTERNAL', '').exitCode;
  }
  if (error.code === 'USAGE' || error.code === 'NOT_FOUND') {
    const word = command === undefined ? 'davit' : command.name.slice(command.name.lastIndexOf(' ') + 1);
    // The error first, as a terminal shows it with Apptainer.
    terminal.err(`Error for command "${word}": ${error.message}\n\n`);
    terminal.out(error instanceof FlagError ? optionsText(command) : usageText(command));
    return error.exitCode;
  }
  terminal.fatal(error.message, error.hint);
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause)
    terminal.debug(cause.stack ?? cause.message);
  if (terminal.shows('debug')) terminal.debug(error.stack ?? '');
  return error.exitCode;
}
