/** docker-daemon: — an image that Docker on this machine has: asked for through its socket, as an archive. */
import { createWriteStream, existsSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { errnoOf, RuntimeError } from '../../../errors';
import { isObject, printable } from '../../../formats/oci/json';
import type { FetchContext } from '../source/source';
import { Archive } from './archive';
import { imageOfDockerArchive } from './docker-archive';
import type { OciImage } from './image';
import { progressOf } from './progress-of';

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
const MAX_ERROR_BYTES = 64 << 10;

/**
 * @param text `NAME:TAG` or the id of an image
 * @throws RuntimeError NETWORK (there is no daemon), REGISTRY (it has no such image)
 */
export async function dockerDaemonImage(text: string, context: FetchContext): Promise<OciImage> {
  const path = context.temporary.newPath();
  const progress = progressOf(context.onProgress, `docker-daemon:${text}`, 'from the daemon');
  const sizeBytes = await save(text, path, context);
  progress.bytes(sizeBytes);
  progress.end();
  return await imageOfDockerArchive(await Archive.open(path, context), undefined);
}

/** GET /images/NAME/get of the Docker Engine API. */
async function save(name: string, path: string, { options, signal }: FetchContext): Promise<number> {
  const host = options.dockerHost ?? DEFAULT_HOST;
  const request = httpRequest({
    ...addressOf(host),
    path: `/images/${encodeURIComponent(name)}/get`,
    headers: { host: 'docker' },
    signal,
  });
  try {
    const response = await new Promise<import('node:http').IncomingMessage>((done, fail) => {
      request.once('response', done).once('error', fail).end();
    });
    if (response.statusCode !== 200) {
      const words = await errorWords(response);
      throw new RuntimeError('REGISTRY', `loading image from docker engine: ${words}`, { path: name });
    }
    const target = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    await pipeline(response, target, { signal });
    return target.bytesWritten;
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof RuntimeError) throw cause;
    throw unreachable(host, cause);
  }
}

function addressOf(host: string): { socketPath: string } | { host: string; port: number } {
  const socketPath = /^unix:\/\/(\/.*)$/.exec(host)?.[1];
  if (socketPath !== undefined) return { socketPath };
  const [, name, port = '2375'] = /^(?:tcp|http):\/\/([^/:]+)(?::(\d+))?\/?$/.exec(host) ?? [];
  if (name !== undefined) return { host: name, port: Number(port) };
  throw new RuntimeError('OPTION', `the Docker daemon "${host}" is neither unix:///PATH nor tcp://HOST:PORT`, {
    path: '--docker-host',
  });
}

async function errorWords(response: import('node:http').IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (text.length < MAX_ERROR_BYTES) text += chunk.toString('utf8');
  }
  try {
    const body: unknown = JSON.parse(text);
    if (isObject(body) && typeof body.message === 'string') return printable(body.message);
  } catch {
    // not its usual form
  }
  return `status ${response.statusCode}`;
}

function unreachable(host: string, cause: unknown): RuntimeError {
  const socket = /^unix:\/\/(.*)$/.exec(host)?.[1];
  const denied = errnoOf(cause) === 'EACCES';
  const message = denied
    ? `permission denied while trying to connect to the Docker daemon socket at ${host}`
    : `Cannot connect to the Docker daemon at ${host}. Is the docker daemon running?`;
  const hint =
    socket !== undefined && !existsSync(socket)
      ? 'without Docker on this machine: "docker save" the image elsewhere, and name it by docker-archive:FILE'
      : denied
        ? 'users of the daemon are usually members of the group docker'
        : undefined;
  return new RuntimeError('NETWORK', `loading image from docker engine: ${message}`, {
    path: host,
    errno: errnoOf(cause),
    cause,
    hint,
  });
}
