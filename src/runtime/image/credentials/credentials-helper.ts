/** Docker's credential helpers: programs `docker-credential-NAME` that keep secrets in a key ring. */
import { RuntimeError } from '../../../errors';
import type { Credentials } from '../../../formats/oci/docker-config';
import { isObject, printable } from '../../../formats/oci/json';

/** Their protocol has this for "nothing stored", on standard output. */
const NOT_FOUND = /credentials not found/i;
/** Stands for the user name when the secret is a refresh token. */
const TOKEN_USER = '<token>';
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT = 1 << 20;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Asks a helper for the credentials of a server.
 * @param name the suffix; anything that is no plain word is refused
 * @throws RuntimeError CONFIG when the helper is missing or fails
 */
export async function askHelper(
  name: string,
  server: string,
  env: Environment,
  signal?: AbortSignal,
): Promise<Credentials | undefined> {
  const { status, stdout, stderr } = await runHelper(name, 'get', server, env, signal);
  if (status !== 0) {
    if (NOT_FOUND.test(stdout)) return undefined;
    throw helperError(name, `ended with status ${status}: ${printable(stdout || stderr)}`);
  }
  const reply = parseReply(name, stdout);
  if (reply.username === TOKEN_USER) return { username: '', password: '', identityToken: reply.secret };
  return { username: reply.username, password: reply.secret };
}

/** Stores credentials. @throws RuntimeError CONFIG */
export async function storeWithHelper(
  name: string,
  server: string,
  { username, password }: Credentials,
  env: Environment,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: password });
  const { status, stdout, stderr } = await runHelper(name, 'store', input, env);
  if (status !== 0) throw helperError(name, `ended with status ${status}: ${printable(stdout || stderr)}`);
}

/** Forgets credentials; nothing stored is fine. @throws RuntimeError CONFIG */
export async function eraseWithHelper(name: string, server: string, env: Environment): Promise<void> {
  const { status, stdout, stderr } = await runHelper(name, 'erase', server, env);
  if (status === 0 || NOT_FOUND.test(stdout)) return;
  throw helperError(name, `ended with status ${status}: ${printable(stdout || stderr)}`);
}

function parseReply(name: string, text: string): { username: string; secret: string } {
  let reply: unknown;
  try {
    reply = JSON.parse(text);
  } catch {
    reply = undefined;
  }
  if (isObject(reply) && typeof reply.Username === 'string' && typeof reply.Secret === 'string') {
    return { username: reply.Username, secret: reply.Secret };
  }
  throw helperError(name, 'answered something that is no credentials');
}

interface Outcome {
  status: number | string;
  stdout: string;
  stderr: string;
}

async function runHelper(
  name: string,
  verb: string,
  input: string,
  env: Environment,
  signal?: AbortSignal,
): Promise<Outcome> {
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) throw helperError(name, 'has no name that a program can have');
  const { execFile } = await import('node:child_process');
  return await new Promise((done, fail) => {
    const options = { env: { ...env }, signal, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT };
    const child = execFile(`docker-credential-${name}`, [verb], options, (error, stdout, stderr) => {
      if (error === null) return done({ status: 0, stdout, stderr });
      if (signal?.aborted) return fail(signal.reason);
      const { code } = error as { code?: number | string };
      // execvp(3): EACCES also where PATH has a directory that the caller may not search.
      if (code === 'ENOENT') return fail(helperError(name, 'is not on PATH'));
      if (code === 'EACCES') return fail(helperError(name, 'is not on PATH, or may not be executed'));
      done({ status: code ?? error.message, stdout, stderr });
    });
    // A helper that ends without reading is judged by its status, not by our broken pipe.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

function helperError(name: string, what: string): RuntimeError {
  const program = `docker-credential-${printable(name, 60)}`;
  return new RuntimeError('CONFIG', `the credential helper ${program} ${what}`, {
    path: program,
    hint: 'correct credHelpers or credsStore, or name another file with --authfile',
  });
}
