/** Which files of containers' registries.conf count, and what they say about a repository. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import type { ImageReference } from '../../../formats/oci/reference';
import type { Location, RegistryRule } from '../../../formats/oci/registries-conf';
import { homeDirectory } from '../../user-config';
import { errnoText } from '../errno-text';

type Environment = Readonly<Record<string, string | undefined>>;

const SYSTEM_DIRECTORY = '/etc/containers';
const FILE = 'registries.conf';
const DROP_INS = 'registries.conf.d';

/** Where to ask for a repository, in order: mirrors, then the registry, which may be another than the user named. */
export interface Places {
  mirrors: Location[];
  primary: Location;
}

/**
 * What the site and the user say about a repository; `undefined` when they say nothing.
 * @throws RuntimeError CONFIG for files that cannot be read, and for a registry that is blocked
 */
export async function placesFor(
  { registry, repository, digest }: ImageReference,
  env: Environment,
  systemDirectory = SYSTEM_DIRECTORY,
): Promise<Places | undefined> {
  const texts = configurationFiles(env, systemDirectory).flatMap((path) => textOf(path));
  if (texts.length === 0) return undefined;
  const { matchLength, parseRegistriesConf, ruleFor } = await import('../../../formats/oci/registries-conf');
  const name = `${registry}/${repository}`;
  const rule = ruleFor(
    name,
    texts.flatMap(({ path, text }) => parseRegistriesConf(text, path)),
  );
  if (!rule) return undefined;
  if (rule.blocked) throw blocked(registry, rule);
  const rest = name.slice(rule.prefix.startsWith('*.') ? registry.length : matchLength(name, rule.prefix));
  const at = ({ location, insecure }: Location): Location => ({
    location: location === '' ? name : `${location}${rest}`,
    insecure,
  });
  const unwanted = digest === undefined ? 'digest-only' : 'tag-only';
  return { mirrors: rule.mirrors.filter(({ pullFor }) => pullFor !== unwanted).map(at), primary: at(rule) };
}

function blocked(registry: string, { path }: RegistryRule): RuntimeError {
  return new RuntimeError('CONFIG', `registry ${registry} is blocked in ${path}`, { path });
}

/** A user's own file replaces the site's and its drop-ins; the user's drop-ins always count. */
function configurationFiles(env: Environment, systemDirectory: string): string[] {
  const own = join(homeDirectory(env), '.config/containers');
  const hasOwn = textOf(join(own, FILE)).length > 0;
  const site = hasOwn ? [] : [join(systemDirectory, FILE), ...dropIns(systemDirectory)];
  return [...site, ...(hasOwn ? [join(own, FILE)] : []), ...dropIns(own)];
}

function dropIns(directory: string): string[] {
  try {
    const names = readdirSync(join(directory, DROP_INS)).filter((name) => name.endsWith('.conf'));
    return names.sort().map((name) => join(directory, DROP_INS, name));
  } catch {
    return [];
  }
}

/** Nothing for a file that is not there, and for one that has only comments: as it is delivered. */
function textOf(path: string): { path: string; text: string }[] {
  try {
    const text = readFileSync(path, 'utf8');
    return /^\s*[^#\s]/m.test(text) ? [{ path, text }] : [];
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return [];
    throw new RuntimeError('CONFIG', `read "${path}": ${errnoText(cause)}`, { path, errno, cause });
  }
}
