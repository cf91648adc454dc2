/** Whom TLS connections trust: the system's authorities, what Node was told, and what a site or its registry names. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { errnoOf, RuntimeError } from '../../../errors';
import type { Environment } from './proxy';

/** Where distributions keep the bundle of all authorities: Debian, Fedora, openSUSE, Alpine. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Directories with one subdirectory a registry, as Docker and Podman read them (containers-certs.d(5)). */
const REGISTRY_DIRECTORIES = ['/etc/containers/certs.d', '/etc/docker/certs.d'];

/** The caller's own come before them. */
function registryDirectoriesFor(env: Environment): string[] {
  const own = env.HOME === undefined || env.HOME === '' ? [] : [join(env.HOME, '.config/containers/certs.d')];
  return [...own, ...REGISTRY_DIRECTORIES];
}

export interface TrustOptions {
  env: Environment;
  /** `registry ca file` of the configuration: trusted in addition. */
  caFile?: string;
  /** For tests. */
  registryDirectories?: readonly string[];
}

/**
 * The TLS context for a host; making one parses all certificates, so it is made once a host.
 * @param host with its port where one was named
 * @throws RuntimeError CONFIG for a file that was asked for and cannot be used
 */
export function secureContextFor(host: string, options: TrustOptions): SecureContext {
  const { env, caFile, registryDirectories = registryDirectoriesFor(options.env) } = options;
  const own = registryFiles(host, registryDirectories);
  const more = caFile === undefined ? undefined : checked(required(caFile), caFile);
  const ca = [systemCertificates(env), more, own.ca];
  try {
    return createSecureContext({
      ca: ca.flat().filter((text) => text !== undefined),
      ...(own.cert.length > 0 && own.key.length > 0 ? { cert: own.cert, key: own.key } : undefined),
    });
  } catch (cause) {
    throw noCertificates(`certificates for ${host}`, (cause as Error).message);
  }
}

/** The authorities that the system and its user trust, as PEM texts. @throws RuntimeError CONFIG */
export function systemCertificates(env: Environment): string[] {
  const system = env.SSL_CERT_FILE ? required(env.SSL_CERT_FILE) : firstReadable(SYSTEM_BUNDLES);
  const more = optional(env.NODE_EXTRA_CA_CERTS);
  return [...(system === undefined ? rootCertificates : [system]), ...(more === undefined ? [] : [more])];
}

/** Node leaves out without a word what it cannot read. */
function checked(text: string, path: string): string {
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const one of found) new X509Certificate(one);
  } catch (cause) {
    throw noCertificates(`"${path}"`, (cause as Error).message);
  }
  if (found.length === 0) throw noCertificates(`"${path}"`, 'there are none in it');
  return text;
}

function noCertificates(what: string, why: string): RuntimeError {
  return new RuntimeError('CONFIG', `read the certificates of ${what}: ${why}`, {
    hint: 'the file must hold certificates as PEM text',
  });
}

/** Authorities and client certificates of one registry. */
function registryFiles(host: string, directories: readonly string[]): { ca: string[]; cert: string[]; key: string[] } {
  const files = { ca: [] as string[], cert: [] as string[], key: [] as string[] };
  for (const directory of directories) {
    for (const name of list(join(directory, host))) {
      const kind = name.endsWith('.crt') ? 'ca' : name.endsWith('.cert') ? 'cert' : name.endsWith('.key') ? 'key' : '';
      const text = kind === '' ? undefined : optional(join(directory, host, name));
      if (kind !== '' && text !== undefined) files[kind].push(text);
    }
  }
  return files;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function firstReadable(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = optional(path);
    if (text !== undefined) return text;
  }
  return undefined;
}

function optional(path: string | undefined): string | undefined {
  try {
    return path === undefined ? undefined : readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function required(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RuntimeError('CONFIG', `read the certificates "${path}": ${errnoOf(cause) ?? String(cause)}`, {
      path,
      errno: errnoOf(cause),
      cause,
    });
  }
}
