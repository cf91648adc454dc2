/** Bases that come from somewhere else: registries, libraries, archives. They are fetched as SIF files. */
import { resolve } from 'node:path';
import { headerValue, type Stage } from '../../../formats/definition/definition';
import { inspectImage } from '../../image/open';
import { unsupportedUri } from '../../image/uri';
import type { Fetching, Wanted } from '../bundle/fetching';
import type { BootstrapAgent } from './agent';
import { requiredHeader } from './header';
import { fillFromImage } from './local-image';
import { fingerprintsOf, unsignable, type Verifying, verifyBase } from './verify-base';

/** Agents that are the scheme of a URI, and what stands behind the scheme. */
const SCHEMES: Record<string, '//' | ''> = {
  docker: '//',
  'docker-archive': '',
  'docker-daemon': '',
  library: '//',
  oci: '',
  'oci-archive': '',
  oras: '//',
  shub: '//',
  http: '//',
  https: '//',
};

export function isUriAgent(name: string): boolean {
  return Object.hasOwn(SCHEMES, name);
}

/** Whether the image behind a URI is made here out of layers; the others are SIF files already. */
export function isConverted(reference: string): boolean {
  return /^(docker|docker-daemon|docker-archive|oci|oci-archive):/i.test(reference);
}

export const fromUri: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const wanted = wantedOf(stage);
    const path = await fetched(wanted, ctx.fetching);
    await verifyFetched(wanted, path, fingerprintsOf(stage), { ...ctx, env: ctx.caller.env });
    if (isConverted(wanted.reference)) ctx.onInfo('Extracting OCI image...');
    return await fillFromImage(path, rootfs, { ...ctx, onInfo: () => undefined });
  },
};

/** The signatures that the header asks for; without `Fingerprints` none are looked at. @throws RuntimeError INTEGRITY */
export async function verifyFetched(
  { reference }: Wanted,
  path: string,
  fingerprints: readonly string[],
  verifying: Verifying,
): Promise<void> {
  if (fingerprints.length === 0) return;
  if (isConverted(reference)) throw unsignable(reference);
  await verifyBase(inspectImage(path), reference, fingerprints, verifying);
}

/**
 * The image a stage begins with.
 * @returns `undefined` for agents that make something of their own
 * @throws RuntimeError DEFINITION when the header lacks a key
 */
export function localSource(stage: Stage): { kind: 'file'; path: string } | ({ kind: 'uri' } & Wanted) | undefined {
  const agent = headerValue(stage, 'bootstrap').toLowerCase();
  if (agent === 'localimage') return { kind: 'file', path: requiredHeader(stage, 'from') };
  return isUriAgent(agent) ? { kind: 'uri', ...wantedOf(stage) } : undefined;
}

/** Everything that has to be fetched for a stage. @throws RuntimeError DEFINITION */
export function referencesOf(stage: Stage): Wanted[] {
  const source = localSource(stage);
  if (source) return source.kind === 'uri' ? [source] : [];
  const key = { busybox: 'mirrorurl', arch: 'confurl' }[headerValue(stage, 'bootstrap').toLowerCase()];
  const url = key === undefined ? '' : headerValue(stage, key);
  return /^https?:\/\//.test(url) ? [{ reference: url }] : [];
}

function wantedOf(stage: Stage): Wanted {
  const library = headerValue(stage, 'library');
  return { reference: uriOf(stage), ...(library === '' ? {} : { library }) };
}

/** `docker://REGISTRY/NAMESPACE/FROM`. @throws RuntimeError DEFINITION */
export function uriOf(stage: Stage): string {
  const agent = headerValue(stage, 'bootstrap').toLowerCase();
  const from = requiredHeader(stage, 'from');
  const place = agent === 'docker' ? [headerValue(stage, 'registry'), headerValue(stage, 'namespace')] : [];
  const parts = [...place.filter((part) => part !== ''), from].map((part) => part.replace(/^\/+|\/+$/g, ''));
  return `${agent}:${SCHEMES[agent]}${agent === 'docker' ? parts.join('/') : from.replace(/^\/\//, '')}`;
}

/** The image behind a URI as a file. @throws RuntimeError */
export async function fetched(wanted: Wanted, fetching: Fetching | undefined): Promise<string> {
  const { reference } = wanted;
  const scheme = reference.slice(0, reference.indexOf(':'));
  if (!fetching || scheme === 'shub') throw unsupportedUri(scheme, reference);
  return resolve(await fetching.toFile(wanted));
}
