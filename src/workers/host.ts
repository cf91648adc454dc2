/**
 * A process of its own for one task, so that a crash of native code is an error of the caller's and not his end. The task
 * runs in a thread of it (Piscina); the main thread tells the caller how far it is, and notices when he is gone.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Piscina } from 'piscina';
import { type Partial, removePartial } from './hosts';
import type { Reply } from './shared/reply';

export interface HostRequest {
  /** Of the task: a file beside this one, without its ending. */
  name: string;
  payload: object;
  /** So many counters are shared with the task, as `counters` in its payload. */
  counters: number;
  /** Removed when the caller has vanished. */
  partial?: Partial;
}

export type HostMessage =
  | { kind: 'counters'; values: number[] }
  | { kind: 'reply'; reply: Reply<unknown> }
  /** The thread has ended without an answer. */
  | { kind: 'lost'; reason: string };

const TELL_MS = 100;
/** Files are native code's business: what is left for JavaScript is lists of small things. */
const HEAP = { maxOldGenerationSizeMb: 512 };
/** When memory runs out, this process goes before the caller's, and before most others (proc(5), oom_score_adj). */
const OOM_SCORE = '500';

async function serve({ name, payload, counters, partial }: HostRequest): Promise<void> {
  process.once('disconnect', () => {
    removePartial(partial);
    process.kill(process.pid, 'SIGKILL'); // the thread cannot be stopped while it is in native code
  });
  const shared = new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT * counters));
  const tell = (message: HostMessage): void => void process.send?.(message);
  const tellCounters = (): void => tell({ kind: 'counters', values: Array.from(shared, Number) });
  const timer = counters > 0 ? setInterval(tellCounters, TELL_MS) : undefined;
  try {
    const filename = join(__dirname, `${name}.cjs`);
    const pool = new Piscina({ minThreads: 1, maxThreads: 1, filename, resourceLimits: HEAP });
    const reply = await pool.run(counters > 0 ? { ...payload, counters: shared } : payload);
    if (counters > 0) tellCounters();
    tell({ kind: 'reply', reply });
  } catch (error) {
    tell({ kind: 'lost', reason: error instanceof Error ? error.message : String(error) });
  } finally {
    clearInterval(timer);
  }
}

function main(): void {
  // Ctrl-C reaches every process of the terminal's group: the caller decides what comes of it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  process.once('message', (request: HostRequest) => void serve(request));
  try {
    writeFileSync('/proc/self/oom_score_adj', OOM_SCORE);
  } catch {
    // a hint to the kernel, no more
  }
}

main();
