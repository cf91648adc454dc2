/** The result of `davit bench launch`, which is also what --json prints. Its members are described in docs/bench.md. */
import type { Machine } from './machine';
import type { Summary } from './statistics';

export const SCHEMA_VERSION = 1;

export const OPERATIONS = ['start', 'exec', 'join'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Milliseconds of one round; `null` for what the runtime does not have. */
export interface Sample {
  /** From before the first command was started to the first instruction of the payload. */
  ready: number;
  /** To the return of the last command that starts it. */
  returned: number | null;
  /** From the beginning of the first command that ends it to the return of the last. */
  stopped: number | null;
  /** User and system time of the starting commands. */
  cpu: number | null;
}
export const METRICS = ['ready', 'returned', 'stopped', 'cpu'] as const;
export type Metric = (typeof METRICS)[number];

export interface CaseResult {
  /** `davit`, `crun`, … */
  runtime: string;
  /** `remembered`, `compiled`, `first use`; '' for peers. */
  variant: string;
  /** What stands in tables. */
  label: string;
  /** One for each round; `null` for a round that failed. */
  samples: (Sample | null)[];
  failures: number;
  summary: Partial<Record<Metric, Summary>>;
  /** Median of `ready` divided by that of the first case, round by round. */
  ratio?: number;
}

export interface Throughput {
  label: string;
  /** `starts` without ends, `lives` from nothing to nothing. */
  what: 'starts' | 'lives';
  runtime: string;
  concurrency: number;
  jobs: number;
  failures: number;
  wallMs: number;
  perSecond: number;
}

export interface MemoryResult {
  runtime: string;
  label: string;
  instances: number;
  /** Proportional set size of all processes of the runtime but the payloads, in KiB. */
  totalKib: number;
  perInstanceKib: number;
  processes: { name: string; count: number; kib: number }[];
  /** Processes whose memory this user may not look at; they are not in the sum. */
  unreadable: number;
}

/** Where the time of one case goes, from inside: rounds of their own, in which davit looks at its clock. */
export interface PhaseResult {
  label: string;
  runtime: string;
  rounds: number;
  /** In the order in which they begin. Milliseconds. */
  phases: {
    /** As docs/timing.md has it; `kernel` for what no process of davit sees. */
    name: string;
    /** A part of the phase; without one it is what remains of it. */
    detail?: string;
    /** It is a part of `ready`; others overlap with the payload. */
    counted: boolean;
    p50: number;
    mean: number;
  }[];
}

export interface Skipped {
  peer: string;
  reason: string;
}

export interface BenchResult {
  schema: typeof SCHEMA_VERSION;
  kind: 'davit bench launch';
  operation: Operation;
  rounds: number;
  warmUp: number;
  /** Commands are in the caller's environment, not in a clean one. */
  callerEnvironment: boolean;
  beganAt: string;
  endedAt: string;
  image: { path: string; kind: string; sizeBytes: number; fileSystem: string };
  machine: Machine;
  runtimes: { name: string; version: string; command: string }[];
  cases: CaseResult[];
  throughput: Throughput[];
  memory: MemoryResult[];
  phases: PhaseResult[];
  skipped: Skipped[];
  notes: string[];
}
