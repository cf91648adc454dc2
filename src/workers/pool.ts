/** The one worker pool. Imported when first needed: Piscina alone costs half as much as starting Node. */
import { join } from 'node:path';
import type { Piscina } from 'piscina';
import { RuntimeError } from '../errors';
import { packageRoot } from '../native';
import type { Reply } from './shared/reply';

/** Long tasks, one at a time for each thread: packing uses threads of its own. */
const MAX_THREADS = 2;
const IDLE_MS = 100;

let pool: Promise<Piscina> | undefined;

/** Path of the image addon, for tasks that use it. */
export function imageAddonPath(): string {
  return join(packageRoot(), 'build', 'Release', 'davit-image.node');
}

/**
 * Runs a task of src/workers in a worker thread.
 * @param name of the file, without its ending
 * @param payload plain data; the task documents its shape
 * @throws RuntimeError as the task says; NATIVE when davit is not built completely
 */
export async function runTask<Payload, Value>(name: string, payload: Payload): Promise<Value> {
  pool ??= import('piscina').then(
    (module) => new module.Piscina({ minThreads: 0, maxThreads: MAX_THREADS, idleTimeout: IDLE_MS }),
  );
  const filename = join(packageRoot(), 'dist', 'workers', `${name}.cjs`);
  const reply = await (await pool).run(payload, { filename }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError('NATIVE', `run worker "${name}": ${reason}`, {
      path: filename,
      cause,
      hint: 'run "npm run build" in the davit directory',
    });
  });
  const { error, value } = reply as Reply<Value> & { error?: undefined; value: Value };
  if (error) throw workerError(error);
  return value;
}

function workerError({ code, message, ...details }: Extract<Reply<never>, { error: unknown }>['error']): RuntimeError {
  return new RuntimeError(code, message, details);
}
