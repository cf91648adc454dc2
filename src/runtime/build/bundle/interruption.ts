/** Signals during a build: the running child is ended first, then everything that was made is removed. */
import { RuntimeError } from '../../../errors';
import { endHosts } from '../../../workers/hosts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof SIGNALS)[number];

/** A child that does not end is killed. */
const PATIENCE_MS = 10_000;

export interface Child {
  kill(signal: NodeJS.Signals): void;
}

/**
 * Watches for the signals that end a build. With a child running they are passed on, and the build fails by `check`
 * when the child has ended; otherwise what was registered is undone at once, and the signal takes its default effect.
 */
export class Interruption {
  private received?: EndSignal;
  private child?: Child;
  private killer?: NodeJS.Timeout;
  private readonly undos: (() => void)[] = [];
  private readonly handler = (signal: NodeJS.Signals) => this.onSignal(signal as EndSignal);

  constructor(private readonly endProcess: (signal: EndSignal) => void = endByDefault) {}

  /** Runs `work` with the handlers in place, and undoes what it has registered, whatever comes of it. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    for (const name of SIGNALS) process.on(name, this.handler);
    try {
      return await work();
    } finally {
      this.undoAll();
      this.forgetSignals();
      if (this.received) this.endProcess(this.received);
    }
  }

  /** Registers what is undone at the end. @returns a function that forgets it */
  atEnd(undo: () => void): () => void {
    this.undos.push(undo);
    return () => {
      const at = this.undos.indexOf(undo);
      if (at >= 0) this.undos.splice(at, 1);
    };
  }

  /** Whether a signal has come. */
  get interrupted(): boolean {
    return this.received !== undefined;
  }

  /** @throws RuntimeError IMAGE_BUILD when a signal has come */
  check(): void {
    if (this.received) throw new RuntimeError('IMAGE_BUILD', `interrupted by ${this.received}`);
  }

  /** Waits for a child; signals that come meanwhile are passed on to it. @throws like check() */
  async during<T>(child: Child, end: Promise<T>): Promise<T> {
    this.child = child;
    try {
      return await end;
    } finally {
      this.child = undefined;
      clearTimeout(this.killer);
      // The signal that has ended the child may not have been delivered here yet.
      await new Promise((resolve) => setImmediate(resolve));
      this.check();
    }
  }

  private onSignal(signal: EndSignal): void {
    if (this.received) return;
    this.received = signal;
    const { child } = this;
    if (child) {
      child.kill(signal);
      this.killer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      return;
    }
    endHosts();
    this.undoAll();
    this.forgetSignals();
    this.endProcess(signal);
  }

  private forgetSignals(): void {
    for (const name of SIGNALS) process.removeListener(name, this.handler);
  }

  private undoAll(): void {
    for (let undo = this.undos.pop(); undo; undo = this.undos.pop()) undo();
  }
}

/** Who else listens has something of its own to remove, and ends the process then. */
function endByDefault(signal: EndSignal): void {
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
