/** Who we are to a registry (formats.md section 17.3): flags and variables, files in Docker's format, credential helpers. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../../errors';
import {
  type Credentials,
  credentialKey,
  credentialsIn,
  helperFor,
  parseDockerConfig,
} from '../../../formats/oci/docker-config';
import type { JsonObject } from '../../../formats/oci/json';
import { dockerConfigDirectory, userConfigDirectory } from '../../user-config';
import { askHelper } from './credentials-helper';

type Environment = Readonly<Record<string, string | undefined>>;

export interface CredentialOptions {
  env: Environment;
  /** `--authfile`: instead of the user's files. */
  authFile?: string;
  /** Given explicitly, both together: instead of everything else. */
  username?: string;
  password?: string;
  onWarning?: (text: string) => void;
  signal?: AbortSignal;
}

/**
 * Finds the credentials for a repository; `undefined` means that we are nobody, which is fine for public images.
 * @param registry host and port as the user named it; `docker.io` for Docker Hub
 * @throws RuntimeError CONFIG for a file that cannot be read
 */
export async function findCredentials(
  registry: string,
  repository: string,
  options: CredentialOptions,
): Promise<Credentials | undefined> {
  const { username, password, env, authFile } = options;
  if (username !== undefined && password !== undefined) return { username, password };
  const path = credentialFile(env, authFile);
  // A site may name a file by a variable that not all users have: public images still work.
  if (authFile !== undefined && !existsSync(path)) {
    options.onWarning?.(`There is no file with credentials "${path}"; going on without it`);
  }
  const config = readCredentialFile(path);
  const helper = helperFor(config, registry);
  if (helper !== undefined) {
    try {
      const found = await askHelper(helper, credentialKey(registry), env, options.signal);
      if (found) return found;
    } catch (error) {
      // A file of another machine names helpers that this one does not have; public images still work.
      if (!(error instanceof RuntimeError)) throw error;
      options.onWarning?.(`${error.message} (named in ${path}); going on without it`);
    }
  }
  return credentialsIn(config, registry, repository);
}

/** The file that is read, and that a login is written to. */
export function credentialFile(env: Environment, authFile?: string): string {
  if (authFile !== undefined) return authFile;
  const own = join(userConfigDirectory(env), 'docker-config.json');
  return existsSync(own) ? own : join(dockerConfigDirectory(env), 'config.json');
}

/** A missing file is an empty one. @throws RuntimeError CONFIG */
export function readCredentialFile(path: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return {};
    throw new RuntimeError('CONFIG', `read the credentials "${path}": ${errno ?? String(cause)}`, {
      path,
      errno,
      cause,
    });
  }
  return parseDockerConfig(text, path);
}
