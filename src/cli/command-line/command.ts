/** What a command is: a row of commands.ts, and a module in commands/ that exports `run`, imported when it is called. */
import type { FlagSource } from '../flags';
import type { Terminal } from '../terminal/render';
import type { Options } from './parse';

export interface CommandContext {
  /** Words of the command, such as `instance start`. */
  readonly name: string;
  /** The command line, without the program's name. */
  readonly words: readonly string[];
  /** Indexes in `words` at which an option begins or may stand, in order. */
  readonly places: readonly number[];
  /** What follows the flags. The number has been checked already. */
  readonly args: readonly string[];
  /** Flags and environment variables, merged; see flags/ for what a command takes. */
  readonly options: Options;
  /** The rows of the table that this command takes. */
  readonly flags: FlagSource;
  /** The caller's environment, read once. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
}

/**
 * Carries the command out.
 * @returns the exit code; a launch never returns, since the launcher replaces this process.
 * @throws RuntimeError, which the dispatcher words: USAGE and NOT_FOUND with the usage text, others as `FATAL:`.
 */
export type Run = (context: CommandContext) => number | Promise<number>;

export interface CommandModule {
  run: Run;
}

/** A row of the table of commands. */
export interface CommandSpec {
  /** The words that call it, such as `instance start`. */
  readonly name: string;
  /** What follows the words in the usage line. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Paragraphs for `help`. */
  readonly description?: string;
  readonly examples?: readonly string[];
  /** Fewest and most positional arguments; -1 for any number. */
  readonly args: readonly [least: number, most: number];
  /** Imports the module when the command is called; groups and commands that are not there yet have none. */
  readonly load?: () => Promise<CommandModule>;
  /** A group that prints its help when none of its commands is named, with exit code 0; others call it an error. */
  readonly helps?: boolean;
  /** Flags may also stand behind arguments. */
  readonly flagsAnywhere?: boolean;
  /** Refused: not implemented yet. */
  readonly later?: boolean;
}
