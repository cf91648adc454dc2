/** Runs tasks of this directory, each in a process of its own (host.ts). Imported when first needed. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { RuntimeError } from '../errors';
import { packageRoot } from '../native';
import type { HostMessage, HostRequest } from './host';
import { partialAt, rememberHost } from './hosts';
import { Limiter } from './shared/limiter';
import type { Reply } from './shared/reply';

export interface TaskOptions {
  /** What the task makes: removed when it does not end because this process was ended. */
  partial?: string;
  /** So many numbers that the task counts with, as `counters` of its payload; they are told several times a second. */
  counters?: number;
  onCounters?: (values: number[]) => void;
  /** Ends the task at once. */
  signal?: AbortSignal;
}

/** Long tasks that take all processors by themselves. */
const MOST_AT_ONCE = 2;
const limiter = new Limiter(MOST_AT_ONCE);
const MOST_WORDS = 4096;
/** They delay the start of a process that uses no network by tens of milliseconds, or are not meant for it. */
const NOT_INHERITED = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'NODE_CHANNEL_FD'];

/** Path of the image addon, for tasks that use it. */
export function imageAddonPath(): string {
  return join(packageRoot(), 'build', 'Release', 'davit-image.node');
}

/**
 * Runs a task of src/workers.
 * @param name of the file, without its ending
 * @param payload plain data; the task documents its shape
 * @throws RuntimeError as the task says; NATIVE when it crashes, or davit is not built completely; the signal's reason
 */
export async function runTask<Payload extends object, Value>(
  name: string,
  payload: Payload,
  options: TaskOptions = {},
): Promise<Value> {
  return await limiter.run(async () => {
    const { fork } = await import('node:child_process');
    // From here on nothing is waited for before answerOf() listens to the signal.
    options.signal?.throwIfAborted();
    const env = { ...process.env };
    for (const variable of NOT_INHERITED) delete env[variable];
    const host = fork(join(packageRoot(), 'dist', 'workers', 'host.cjs'), [], {
      env,
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const reply = (await answerOf(host, name, payload, options)) as Reply<Value> & { error?: undefined; value: Value };
    if (reply.error) throw workerError(reply.error);
    return reply.value;
  });
}

function answerOf(
  host: ChildProcess,
  name: string,
  payload: object,
  { partial, counters = 0, onCounters, signal }: TaskOptions,
): Promise<Reply<unknown>> {
  const begun = partial === undefined ? undefined : partialAt(partial);
  const forget = host.pid === undefined ? () => undefined : rememberHost({ pid: host.pid, partial: begun });
  const request: HostRequest = { name, payload, counters, partial: begun };
  const kill = (): void => void host.kill('SIGKILL');
  const words = lastWords(host);
  let last: Exclude<HostMessage, { kind: 'counters' }> | undefined;
  return new Promise<Reply<unknown>>((resolve, reject) => {
    host.on('message', (message: HostMessage) => {
      if (message.kind === 'counters') return onCounters?.(message.values);
      last = message;
      kill(); // there is nothing left for it to do
    });
    host.once('error', (cause) => reject(lost(name, cause.message)));
    // Its last message may come after its end: "close" comes after both.
    host.once('close', (status, by) => {
      if (last?.kind === 'reply') resolve(last.reply);
      else if (signal?.aborted) reject(signal.reason);
      else reject(last ? lost(name, last.reason) : crashed(name, status, by, words()));
    });
    signal?.addEventListener('abort', kill, { once: true });
    host.send(request, (error) => void (error && kill()));
  }).finally(() => {
    signal?.removeEventListener('abort', kill);
    forget();
  });
}

/** The end of what a process says to its error output, for the moment when it says nothing else any more. */
function lastWords(host: ChildProcess): () => string {
  let text = '';
  host.stderr?.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(-MOST_WORDS);
  });
  return () =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !/^(at |Node\.js v|\^|\}|throw )/.test(line))
      .at(-1) ?? '';
}

function lost(name: string, reason: string): RuntimeError {
  return new RuntimeError('NATIVE', `run worker "${name}": ${reason}`, {
    path: name,
    hint: 'if davit is not built completely, run "npm run build" in its directory',
  });
}

function crashed(name: string, status: number | null, by: NodeJS.Signals | null, words: string): RuntimeError {
  const how = by === null ? `ended with status ${status}` : `was ended by ${by}`;
  const said = words === '' ? '' : `: ${words}`;
  const hint =
    by === 'SIGKILL'
      ? 'memory may have run out: the kernel’s log tells'
      : by === null
        ? 'run "npm run build" in the davit directory'
        : 'that is a defect of davit, or of a library it uses: please report it together with the image';
  return new RuntimeError('NATIVE', `run worker "${name}": it ${how}${said}`, { path: name, hint });
}

function workerError({ code, message, ...details }: Extract<Reply<never>, { error: unknown }>['error']): RuntimeError {
  return new RuntimeError(code, message, details);
}
