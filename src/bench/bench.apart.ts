/** Measuring, in a bundle of its own (scripts/bundle.mjs): for `davit bench`, and for bench/ in the repository. */
export { Interrupted, LaunchBench } from './launch';
export { findPeer, onPath, parseCompare } from './peers';
export { htmlReport, svgReport } from './report/document';
export { textReport } from './report/text';
export { Runner, runnerPath } from './runner';
export { summarize } from './statistics';
