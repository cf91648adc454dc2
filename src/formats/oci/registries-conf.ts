/** registries.conf of containers' programs (containers-registries.conf(5), version 2), as far as it concerns pulling. */
import { parse } from 'smol-toml';
import { RuntimeError } from '../../errors';
import { isObject, type JsonObject, optionalString, printable } from './json';

/** A place where a repository is asked for. */
export interface Location {
  /** `HOST[:PORT][/PATH]`; empty: as the user named it. */
  location: string;
  /** Certificates are not checked, and plain http does. */
  insecure: boolean;
}

export interface Mirror extends Location {
  pullFor: 'all' | 'digest-only' | 'tag-only';
}

/** One `[[registry]]`. */
export interface RegistryRule extends Location {
  /** `HOST[:PORT][/PATH]` or `*.DOMAIN`. */
  prefix: string;
  blocked: boolean;
  mirrors: Mirror[];
  /** Where it stands, for messages. */
  path: string;
}

/** @throws RuntimeError CONFIG */
export function parseRegistriesConf(text: string, path: string): RegistryRule[] {
  let file: unknown;
  try {
    file = parse(text);
  } catch (cause) {
    throw bad(path, (cause as Error).message.split('\n')[0] ?? '');
  }
  if (!isObject(file)) throw bad(path, 'no table');
  return tables(file.registry, path, 'registry').map((table) => decodeRule(table, path));
}

function decodeRule(table: JsonObject, path: string): RegistryRule {
  const location = trimmed(optionalString(table.location) ?? '');
  const prefix = trimmed(optionalString(table.prefix) ?? location);
  const isPattern = prefix.startsWith('*.');
  if (prefix === '' || (location === '' && !isPattern && table.blocked !== true && table.mirror === undefined)) {
    throw bad(path, 'a registry has neither "location" nor "prefix"');
  }
  const digestOnly = table['mirror-by-digest-only'] === true;
  return {
    prefix,
    location: location === '' && !isPattern ? prefix : location,
    insecure: table.insecure === true,
    blocked: table.blocked === true,
    mirrors: tables(table.mirror, path, 'registry.mirror').map((mirror) => decodeMirror(mirror, digestOnly, path)),
    path,
  };
}

function decodeMirror(table: JsonObject, digestOnly: boolean, path: string): Mirror {
  const location = trimmed(optionalString(table.location) ?? '');
  if (location === '') throw bad(path, 'a mirror has no "location"');
  const pullFor = optionalString(table['pull-from-mirror']) ?? '';
  if (pullFor !== '' && pullFor !== 'all' && pullFor !== 'digest-only' && pullFor !== 'tag-only') {
    throw bad(path, `"pull-from-mirror" is "${printable(pullFor, 40)}"`);
  }
  return { location, insecure: table.insecure === true, pullFor: pullFor || (digestOnly ? 'digest-only' : 'all') };
}

/**
 * The rule for a repository: the one with the longest prefix that it begins with.
 * @param name `HOST[:PORT]/REPOSITORY`
 */
export function ruleFor(name: string, rules: readonly RegistryRule[]): RegistryRule | undefined {
  let best: RegistryRule | undefined;
  let longest = -1;
  for (const rule of rules) {
    const length = matchLength(name, rule.prefix);
    // Of two for one prefix the one that was read later counts: drop-in files come behind the main one.
    if (length >= 0 && length >= longest) [best, longest] = [rule, length];
  }
  return best;
}

/** How much of a name a prefix stands for; -1 for nothing. */
export function matchLength(name: string, prefix: string): number {
  if (prefix.startsWith('*.')) {
    const host = name.split('/')[0] as string;
    return host.replace(/:\d+$/, '').endsWith(prefix.slice(1)) || host.endsWith(prefix.slice(1)) ? host.length : -1;
  }
  const ends = name.length === prefix.length || name[prefix.length] === '/';
  return name.startsWith(prefix) && ends ? prefix.length : -1;
}

function tables(value: unknown, path: string, name: string): JsonObject[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw bad(path, `"${name}" is no list of tables`);
}

function trimmed(text: string): string {
  return text.replace(/^https?:\/\//, '').replace(/\/+$/, '');
}

function bad(path: string, what: string): RuntimeError {
  return new RuntimeError('CONFIG', `read "${path}": ${what}`, { path, hint: 'see containers-registries.conf(5)' });
}
