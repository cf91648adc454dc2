/**
 * Every flag once. Parsing, usage texts, help, completions and docs/compatibility.md derive from these rows; the rows
 * themselves lie in flags/, one file a group of commands, and are made only for the command that is called.
 */
import { benchFlags } from './bench';
import { buildFlags } from './build';
import { type Flag, isLaunch } from './flag';
import { globalFlags } from './global';
import { imageFlags } from './image';
import { instanceFlags } from './instance';
import { launchFlags } from './launch';
import { limitFlags } from './limits';
import { otherFlags } from './other';
import { registryFlags } from './registry';
import { remoteFlags } from './remote';
import { sifFlags } from './sif';
import { signingFlags } from './signing';

/** The flags that stand before the command. */
export function flagsBeforeCommand(): readonly Flag[] {
  return globalFlags();
}

/** The flags of one command. */
export function flagsOf(command: string): readonly Flag[] {
  return groupsOf(command).flatMap((group) => group().filter((row) => row.commands.includes(command)));
}

/** Rows that are made when they are first asked for: a command line without flags needs none. */
export type FlagSource = () => readonly Flag[];

/** The rows of a command, made once. */
export function lazyFlags(make: FlagSource): FlagSource {
  let rows: readonly Flag[] | undefined;
  return () => {
    rows ??= make();
    return rows;
  };
}

/** In the order of their names, as they are shown. */
export function sortedFlags(flags: readonly Flag[]): Flag[] {
  return [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function groupsOf(command: string): (() => Flag[])[] {
  if (isLaunch(command)) return [launchFlags, limitFlags];
  if (command.startsWith('instance ')) return [instanceFlags];
  if (command === 'build') return [buildFlags];
  if (command === 'bench launch') return [benchFlags];
  if (['pull', 'push', 'search', 'delete', 'cache', 'registry'].includes(command.split(' ')[0] as string)) {
    return [registryFlags];
  }
  if (['inspect', 'overlay create', 'run-help'].includes(command) || command.startsWith('image ')) return [imageFlags];
  if (command.startsWith('sif ')) return [sifFlags];
  if (['sign', 'verify', 'key'].includes(command.split(' ')[0] as string)) return [signingFlags];
  if (/^(remote|keyserver)\b/.test(command)) return [remoteFlags, otherFlags];
  return [otherFlags];
}

/** Everything there is, for documentation and tests. */
export function allFlags(): Flag[] {
  return [
    globalFlags,
    launchFlags,
    limitFlags,
    instanceFlags,
    buildFlags,
    imageFlags,
    registryFlags,
    remoteFlags,
    sifFlags,
    signingFlags,
    benchFlags,
    otherFlags,
  ].flatMap((group) => group());
}
