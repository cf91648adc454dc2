/** Measuring, in a bundle of its own (scripts/bundle.mjs): for `davit bench`, and for bench/ in the repository. */
export { Interrupted, LaunchBench, type LaunchBenchOptions } from './launch';
export { BenchImage } from './image';
export { machineFacts } from './machine';
export { ownProcesses } from './memory';
export { findPeer, parseCompare, PEERS, versionOf } from './peers';
export { htmlReport, svgReport } from './report/document';
export { textReport } from './report/text';
export { type BatchOutcome, failureOf, Runner, runnerPath, type Step } from './runner';
export { logAxis, median, pairedRatio, percentile, summarize } from './statistics';
export { type BenchResult, OPERATIONS, type Operation } from './types';
export { Workspace } from './workspace';
