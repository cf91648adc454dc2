/**
 * Where a repository is asked for: the mirrors of davit's configuration, those of registries.conf, then the registry itself
 * or what registries.conf has in its place.
 */
import { RuntimeError } from '../../../errors';
import type { ImageReference } from '../../../formats/oci/reference';
import type { Location } from '../../../formats/oci/registries-conf';
import { findCredentials } from '../credentials/credentials';
import type { FetchContext } from '../source/source';
import { hostOf, isLoopback } from '../transfer/proxy';
import { placesFor } from './registries-conf';
import { Registry, type Transport } from './registry';

export interface Endpoint {
  registry: Registry;
  /** The name of the repository there. */
  repository: string;
}

/**
 * @param lenient a registry on this very machine may do without https, as Apptainer has it for `oras:`
 * @throws RuntimeError CONFIG for a mirror that is no URL
 */
export async function endpointsFor(
  reference: ImageReference,
  context: FetchContext,
  lenient = false,
): Promise<Endpoint[]> {
  const { registry, repository } = reference;
  const mirrors = context.settings.registryMirrors.flatMap((setting) => mirrorOf(setting, registry));
  return [
    ...mirrors.map((url) => mirrorEndpoint(url, repository, context)),
    ...(await ownEndpoints(reference, context, lenient)),
  ];
}

async function ownEndpoints(reference: ImageReference, context: FetchContext, lenient: boolean): Promise<Endpoint[]> {
  const { registry, repository } = reference;
  const places = await placesFor(reference, context.env);
  if (!places) return [{ registry: new Registry({ ...common(registry, context, lenient), registry }), repository }];
  const { mirrors, primary } = places;
  const url = ({ location, insecure }: Location): URL => new URL(`${insecure ? 'http' : 'https'}://${location}`);
  const ask = (place: Location, isMirror: boolean): Endpoint => {
    const { host, pathname } = url(place);
    const options = common(host, context, lenient);
    const transport = place.insecure ? 'unchecked' : options.transport;
    const credentials = isMirror ? credentialsOfFiles(host, context) : options.credentials;
    return {
      registry: new Registry({ ...options, registry: host, transport, credentials }),
      repository: pathname.slice(1),
    };
  };
  return [...mirrors.map((mirror) => ask(mirror, true)), ask(primary, false)];
}

/** What --no-https allows, and what Apptainer allows without it for a registry on this very machine. */
export function transportFor(registry: string, noHttps: boolean, lenient: boolean): Transport {
  if (noHttps) return 'unchecked';
  return lenient && isLoopback(hostOf(new URL(`https://${registry}`))) ? 'http-too' : 'https';
}

function common(registry: string, context: FetchContext, lenient: boolean) {
  const { client, options, env, signal, onWarning } = context;
  const transport = transportFor(registry, options.noHttps ?? false, lenient);
  const { authFile, dockerUsername: username, dockerPassword: password } = options;
  const credentials = { env, authFile, username, password, onWarning, signal };
  return { client, transport, signal, credentials: (name: string) => findCredentials(registry, name, credentials) };
}

/** The user's password for the registry is none of a mirror's business: what files say about the mirror is. */
function credentialsOfFiles(host: string, { env, options, signal, onWarning }: FetchContext) {
  const credentials = { env, authFile: options.authFile, onWarning, signal };
  return (name: string) => findCredentials(host, name, credentials);
}

function mirrorEndpoint(url: URL, repository: string, context: FetchContext): Endpoint {
  const { client, options, signal } = context;
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  const registry = new Registry({
    client,
    registry: url.host,
    endpoint: url,
    transport: options.noHttps ? 'unchecked' : 'https',
    credentials: credentialsOfFiles(url.host, context),
    signal,
  });
  return { registry, repository: prefix === '' ? repository : `${prefix}/${repository}` };
}

/** `docker.io=https://mirror.site/hub`, when it is about this registry. */
function mirrorOf(setting: string, registry: string): URL[] {
  const equals = setting.indexOf('=');
  const name = setting.slice(0, Math.max(equals, 0)).trim();
  const text = setting.slice(equals + 1).trim();
  const url = text.includes('://') ? text : `https://${text}`;
  if (name === '' || !URL.canParse(url)) {
    throw new RuntimeError('CONFIG', `"registry mirror = ${setting}" is not of the form REGISTRY=URL`, {
      hint: 'write for example: registry mirror = docker.io=https://mirror.example.org',
    });
  }
  return name === registry ? [new URL(url)] : [];
}

/**
 * Asks one endpoint after the other until one answers.
 * @returns what it answered, and which one it was
 * @throws what the last one threw
 */
export async function firstAnswer<T>(
  endpoints: readonly Endpoint[],
  context: Pick<FetchContext, 'onVerbose' | 'signal'>,
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<{ value: T; endpoint: Endpoint }> {
  for (const [at, endpoint] of endpoints.entries()) {
    try {
      return { value: await ask(endpoint), endpoint };
    } catch (error) {
      context.signal?.throwIfAborted();
      if (at === endpoints.length - 1) throw error;
      context.onVerbose(`Mirror ${endpoint.registry.name}: ${(error as Error).message}`);
    }
  }
  throw new RuntimeError('INTERNAL', 'no registry to ask');
}
