/** What a flag is: one row of the tables beside this file. */

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

/** Whether a command makes a container, or joins one. */
export function isLaunch(command: string): boolean {
  return (LAUNCHES as readonly string[]).includes(command);
}

/** One row; what is not said has its plain value. Written out, since every launch makes a hundred of them. */
export function flag(
  type: FlagType,
  name: string,
  help: string,
  details: FlagDetails = {},
  commands: readonly string[] = [],
  state: FlagState = 'works',
  note?: string,
): Flag {
  const { env } = details;
  return {
    name,
    type,
    help,
    key: details.key ?? camelCase(name),
    short: details.short,
    choices: details.choices,
    implied: details.implied ?? (type === 'bool' ? 'true' : undefined),
    default: details.default,
    env: env === undefined ? NO_NAMES : typeof env === 'string' ? [env] : env,
    envAdds: details.envAdds,
    commands: details.commands ?? commands,
    hidden: details.hidden,
    deprecated: details.deprecated,
    state: details.state ?? state,
    note: details.note ?? note,
    own: details.own,
    joins: details.joins,
  };
}

const NO_NAMES: readonly string[] = [];

/** `writable-tmpfs` → `writableTmpfs`. */
export function camelCase(name: string): string {
  return !name.includes('-') ? name : name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Every command has it. */
export const HELP = flag('bool', 'help', 'show this help', { short: 'h', joins: true });
