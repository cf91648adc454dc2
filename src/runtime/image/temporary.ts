/** A directory for what must not outlive a command, made when it is first asked for. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import { endHosts } from '../../workers/hosts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class TemporaryDirectory {
  private made: string | undefined;
  private count = 0;

  /** @param parent where it is made: `--tmpdir`, `$TMPDIR` … */
  constructor(private readonly parent: string) {}

  /** The directory, which is the caller's alone. @throws RuntimeError IMAGE_BUILD */
  path(): string {
    if (this.made !== undefined) return this.made;
    // Before the directory is there: a signal must find somebody who removes it.
    for (const name of SIGNALS) process.on(name, this.stop);
    try {
      this.made = mkdtempSync(join(this.parent, 'davit-'));
    } catch (cause) {
      this.ignoreSignals();
      const errno = errnoOf(cause);
      throw new RuntimeError(
        'IMAGE_BUILD',
        `make a temporary directory in "${this.parent}": ${errno ?? String(cause)}`,
        {
          path: this.parent,
          errno,
          cause,
          hint: 'DAVIT_TMPDIR names another place',
        },
      );
    }
    return this.made;
  }

  /** A path in it that nothing has yet. */
  newPath(): string {
    this.count += 1;
    return join(this.path(), String(this.count));
  }

  /** Removes all files but one. */
  keepOnly(path: string): void {
    const directory = this.path();
    for (const name of readdirSync(directory)) {
      const other = join(directory, name);
      if (other !== path) rmSync(other, { recursive: true, force: true });
    }
  }

  remove(): void {
    this.ignoreSignals();
    if (this.made !== undefined) rmSync(this.made, { recursive: true, force: true, maxRetries: 3 });
    this.made = undefined;
  }

  private ignoreSignals(): void {
    for (const name of SIGNALS) process.removeListener(name, this.stop);
  }

  private readonly stop = (signal: NodeJS.Signals): void => {
    endHosts();
    this.remove();
    process.kill(process.pid, signal); // now with its default effect, or another listener's
  };
}

/** `--tmpdir`, then DAVIT_TMPDIR and its twins, then TMPDIR, then /tmp (formats.md section 9). */
export function temporaryParent(env: Readonly<Record<string, string | undefined>>, given?: string): string {
  const named = [given, env.DAVIT_TMPDIR, env.APPTAINER_TMPDIR, env.SINGULARITY_TMPDIR, env.TMPDIR];
  return named.find((value) => value !== undefined && value.trim() !== '') ?? '/tmp';
}
