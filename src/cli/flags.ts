/**
 * Every flag once. Parsing, usage texts, help, completions and docs/compatibility.md derive from these rows; the rows
 * themselves lie in flags/, one file a group of commands, and are made only for the command that is called.
 */
import { buildFlags } from './flags/build';
import { globalFlags } from './flags/global';
import { imageFlags } from './flags/image';
import { instanceFlags } from './flags/instance';
import { launchFlags } from './flags/launch';
import { limitFlags } from './flags/limits';
import { otherFlags } from './flags/other';

/**
 * `list` is split at commas (CSV rules), `array` is not; `map` is NAME=VALUE; `seconds` a decimal; `choice` one of
 * `choices`.
 */
export type FlagType = 'bool' | 'string' | 'int' | 'seconds' | 'choice' | 'list' | 'array' | 'map';

/** `accepted`: taken without effect, because there is nothing to do for it. `later`: refused, not implemented yet. */
export type FlagState = 'works' | 'accepted' | 'later';

export interface Flag {
  readonly name: string;
  /** Name in Options. Two flags with one key are two spellings of one option. */
  readonly key: string;
  readonly short?: string;
  readonly type: FlagType;
  readonly choices?: readonly string[];
  /** The value when the flag stands without one. */
  readonly implied?: string;
  /** What the option is worth when nobody gives it, where that is not the type's zero. */
  readonly default?: string;
  /** Variable names without prefix, in the order they are asked. */
  readonly env: readonly string[];
  /** The environment's values are added behind the flag's, instead of being hidden by them. */
  readonly envAdds?: boolean;
  /** Commands that take it; empty: before the command. */
  readonly commands: readonly string[];
  readonly help: string;
  readonly hidden?: boolean;
  /** What to use instead. */
  readonly deprecated?: string;
  readonly state: FlagState;
  /** How it differs from Apptainer's, or why it is not there yet; for docs/compatibility.md. */
  readonly note?: string;
  /** Not a flag of Apptainer. */
  readonly own?: boolean;
  /** It has an effect on `instance://NAME` too. */
  readonly joins?: boolean;
}

export type FlagDetails = Partial<Omit<Flag, 'name' | 'type' | 'help' | 'env'>> & { env?: string | readonly string[] };

/** Commands that make a container out of an image. */
export const ACTIONS = ['exec', 'run', 'shell', 'test'] as const;
export const STARTS = ['instance start', 'instance run'] as const;
export const LAUNCHES = [...ACTIONS, ...STARTS] as const;

/** One row; what is not said has its plain value. */
export function flag(type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag {
  const { env = [], ...rest } = details;
  return {
    commands: [],
    state: 'works',
    ...(type === 'bool' ? { implied: 'true' } : undefined),
    ...rest,
    name,
    type,
    help,
    key: rest.key ?? camelCase(name),
    env: typeof env === 'string' ? [env] : env,
  };
}

/** `writable-tmpfs` → `writableTmpfs`. */
export function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The flags that stand before the command. */
export function flagsBeforeCommand(): Flag[] {
  return globalFlags();
}

/** The flags of one command, in the order of their names. */
export function flagsOf(command: string): Flag[] {
  const flags = groupsOf(command).flatMap((group) => group().filter((row) => row.commands.includes(command)));
  return flags.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function groupsOf(command: string): (() => Flag[])[] {
  if ((LAUNCHES as readonly string[]).includes(command)) return [launchFlags, limitFlags];
  if (command.startsWith('instance ')) return [instanceFlags];
  if (command === 'build') return [buildFlags];
  if (['pull', 'push', 'search', 'delete', 'inspect', 'run-help'].includes(command)) return [imageFlags];
  return [otherFlags];
}

/** Everything there is, for documentation and tests. */
export function allFlags(): Flag[] {
  return [globalFlags, launchFlags, limitFlags, instanceFlags, buildFlags, imageFlags, otherFlags].flatMap((group) =>
    group(),
  );
}
