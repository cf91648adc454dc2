/** References to images in registries: `[host[:port]/]path[:tag][@digest]` (distribution, "reference" grammar). */
import { RuntimeError } from '../../errors';
import { parseDigest } from './digest';

export interface ImageReference {
  /** Host and port as the user named it; `docker.io` when no host was named. */
  registry: string;
  /** Path of the repository in the registry, such as `library/alpine`. */
  repository: string;
  /** Absent when a digest alone was given. */
  tag?: string;
  digest?: string;
}

export const DOCKER_HUB = 'docker.io';
const DEFAULT_TAG = 'latest';
const MAX_REPOSITORY = 255;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DOMAIN_LABEL = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])';
const HOST = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[A-Fa-f0-9:.]+\\])(?::[0-9]{1,5})?$`);

/**
 * Reads a reference, without its `docker://`.
 * @throws RuntimeError IMAGE_OPEN in the words of other programs
 */
export function parseReference(text: string): ImageReference {
  const { rest, digest } = splitDigest(text);
  const { name, tag } = splitTag(rest, text);
  const { registry, repository } = splitHost(name);
  if (repository !== repository.toLowerCase()) throw invalid(text, ': repository name must be lowercase');
  if (!HOST.test(registry) || repository.length > MAX_REPOSITORY) throw invalid(text);
  if (!repository.split('/').every((component) => COMPONENT.test(component))) throw invalid(text);
  const complete = registry === DOCKER_HUB && !repository.includes('/') ? `library/${repository}` : repository;
  return {
    registry,
    repository: complete,
    ...(tag === undefined && digest !== undefined ? undefined : { tag: tag ?? DEFAULT_TAG }),
    ...(digest === undefined ? undefined : { digest }),
  };
}

function splitDigest(text: string): { rest: string; digest?: string } {
  const at = text.indexOf('@');
  if (at < 0) return { rest: text };
  const digest = text.slice(at + 1);
  if (!parseDigest(digest)) throw invalid(text);
  return { rest: text.slice(0, at), digest };
}

/** A colon behind the last slash begins the tag; one before it belongs to the port. */
function splitTag(rest: string, text: string): { name: string; tag?: string } {
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  if (colon < 0) return { name: rest };
  const tag = rest.slice(colon + 1);
  if (!TAG.test(tag)) throw invalid(text);
  return { name: rest.slice(0, colon), tag };
}

/** The first component is a host when it looks like none of a path: a dot, a colon, or `localhost`. */
function splitHost(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = slash > 0 && (/[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (!isHost) return { registry: DOCKER_HUB, repository: name };
  const registry = first === `index.${DOCKER_HUB}` ? DOCKER_HUB : first;
  return { registry, repository: name.slice(slash + 1) };
}

function invalid(text: string, detail = ''): RuntimeError {
  return new RuntimeError('IMAGE_OPEN', `unable to parse image name ${text}: invalid reference format${detail}`, {
    path: text,
    hint: 'write [HOST[:PORT]/]NAME[:TAG], or [HOST[:PORT]/]NAME@sha256:DIGEST',
  });
}

/** `host/path:tag` or `host/path@digest`, with everything that was left out. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}
