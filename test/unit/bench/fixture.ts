/** A result of every part, for the tests of reports. */
import type { BenchResult, CaseResult, Sample } from '../../../src/bench/types';
import { caseResults } from '../../../src/bench/rounds';

const sample = (ready: number): Sample => ({ ready, returned: ready + 1, stopped: 30, cpu: 0.5 });

export function cases(labels: readonly string[]): CaseResult[] {
  return caseResults(
    labels.map((label, at) => ({
      case: { runtime: label, variant: '', label },
      samples: [sample(2 * (at + 1)), at === 1 ? null : sample(3 * (at + 1)), sample(10 * (at + 1))],
      failures: at === 1 ? 1 : 0,
    })),
  );
}

export function result(labels: readonly string[] = ['davit', 'crun'], path = '/images/lab.sif'): BenchResult {
  return {
    schema: 1,
    kind: 'davit bench launch',
    operation: 'start',
    rounds: 3,
    warmUp: 1,
    callerEnvironment: false,
    beganAt: '2026-01-02T03:04:05.000Z',
    endedAt: '2026-01-02T03:04:06.000Z',
    image: { path, kind: 'SIF', sizeBytes: 3 * 2 ** 20, fileSystem: 'ext4' },
    machine: {
      kernel: '6.1.0',
      distribution: 'Debian',
      arch: 'x64',
      cpuModel: 'CPU',
      cpus: 2,
      governor: 'performance',
      virtual: true,
      memoryMib: 16384,
      node: 'v20',
      davit: '0.1.0',
      user: 'u',
      uid: 7,
      stateFileSystem: 'tmpfs',
      temporaryFileSystem: 'ext4',
      loadBefore: 0.5,
      loadAfter: 1,
    },
    runtimes: labels.map((name) => ({ name, version: '1', command: `/bin/${name}` })),
    cases: cases(labels),
    throughput: [
      {
        label: labels[0] as string,
        what: 'lives',
        runtime: 'davit',
        concurrency: 4,
        jobs: 10,
        failures: 0,
        wallMs: 500,
        perSecond: 20,
      },
    ],
    memory: [
      {
        runtime: 'davit',
        label: labels[0] as string,
        instances: 20,
        totalKib: 4000,
        perInstanceKib: 200,
        processes: [{ name: 'davit-init', count: 20, kib: 4000 }],
        unreadable: 0,
      },
    ],
    phases: [
      {
        label: labels[0] as string,
        runtime: 'davit',
        rounds: 3,
        phases: [
          { name: 'door', counted: true, p50: 0.2, mean: 0.2 },
          { name: 'mount', detail: 'squashfs', counted: true, p50: 0.4, mean: 0.5 },
        ],
      },
    ],
    skipped: [{ peer: 'podman', reason: 'not on PATH' }],
    notes: ['crun: status 1: no'],
  };
}
