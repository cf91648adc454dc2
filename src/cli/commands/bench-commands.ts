/** Rows of commands.ts: measurements. */
import type { CommandSpec } from '../command-line/command';

export const BENCH_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'bench',
    usage: '<command>',
    summary: 'Measure launches on this machine',
    examples: ['davit bench launch lab.sif', 'davit help bench launch'],
    args: [0, -1],
    helps: true,
  },
  {
    name: 'bench launch',
    usage: '[bench options...] <image>',
    summary: 'Measure how fast containers of an image are ready',
    description:
      'Starts containers of the image with a tiny payload that says from inside when it runs, in rounds, by turns with ' +
      'the other runtimes named, and reports times, throughput and memory (docs/bench.md). All that is made is removed at ' +
      'the end.',
    examples: [
      'davit bench launch lab.sif',
      'davit bench launch --compare crun,bwrap,apptainer -n 100 --report report.html lab.sif',
      'davit bench launch --operation exec --json lab.sif',
    ],
    args: [1, 1],
    flagsAnywhere: true,
    load: () => import('./bench/launch'),
  },
];
