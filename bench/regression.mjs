// Has davit become slower? Times as ratios to bwrap of the same round are compared with those of a stored baseline.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { root } from './support/clock.mjs';
import { compare, ratiosOf } from './support/ratios.mjs';
import { fixed } from './support/report.mjs';
import { measure } from './support/rounds.mjs';

const stored = join(root, 'bench/baseline.json');
const schema = 1;
const running = 20;
const defaultTolerance = 1.4;

/**
 * @param options save: store what is found; baseline: a file; tolerance: how many times a ratio may be the stored one
 * @returns `failed`, when a ratio has become worse
 */
export async function regression(bench, rounds, { save, baseline = stored, tolerance = defaultTolerance } = {}) {
  if (!bench.bwrap) throw new Error('regression: bwrap is what davit is compared with, and it is not on PATH');
  const before = save ? undefined : readBaseline(baseline);
  const rows = await measure(await regressionCases(bench), rounds);
  for (const subject of bench.subjects) await subject.davit('instance', 'stop', '--all');
  const found = ratiosOf(rows);
  if (save) {
    writeFileSync(
      baseline,
      `${JSON.stringify({ schema, rounds, ratios: { ...keptRatios(baseline), ...found } }, null, 2)}\n`,
    );
    return {
      title: 'baseline',
      table: tableOf(compare(found, {}, tolerance)),
      facts: [`stored in ${baseline}`, ...busyWords()],
    };
  }
  const compared = compare(found, before.ratios, tolerance);
  const worse = compared.filter((row) => row.verdict === 'worse');
  return {
    title: 'regression: ratios to bwrap of the same round',
    table: tableOf(compared),
    facts: [
      `worse is what has both ratios above ${tolerance} times those of ${baseline}`,
      ...busyWords(),
      ...worse.map(({ who, what }) => `WORSE: ${who}, ${what}`),
    ],
    failed: worse.length > 0,
  };
}

async function regressionCases(bench) {
  const cases = [];
  for (const subject of bench.subjects) {
    const { group, davit } = subject;
    for (let i = 0; i < running; i++) await davit('instance', 'start', bench.image, `holder${i}`);
    const add = (name, run, more = {}) => cases.push({ group, name, run, ...more });
    const stop = () => davit('instance', 'stop', 'b');
    const start = () => davit('instance', 'start', bench.image, 'b');
    add('bwrap', () => subject.command(...bench.bwrap.command(subject)));
    add('instance start', start, { after: stop });
    add('exec', () => davit('exec', bench.image, '/bin/true'));
    add('exec instance://', () => davit('exec', 'instance://holder0', '/bin/true'));
    add('instance list', () => davit('instance', 'list'));
    add('instance stop', stop, { before: start });
  }
  return cases;
}

function tableOf(rows) {
  const shown = (value) => (value === undefined ? '-' : fixed(value, 2));
  const head = ['who', 'what', 'median x bwrap', 'stored', 'least x bwrap', 'stored', 'verdict'];
  const cells = rows.map(({ who, what, now, then, verdict }) => [
    who,
    what,
    shown(now.median),
    shown(then?.median),
    shown(now.least),
    shown(then?.least),
    verdict,
  ]);
  return [head, ...cells];
}

function readBaseline(path) {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`regression: read ${path}: ${error.code}; "npm run bench -- regression --save" stores one`);
  }
  const read = JSON.parse(text);
  if (read.schema !== schema) throw new Error(`regression: ${path} is of another version: store it anew with --save`);
  return read;
}

/** What is stored of users that are not measured now. */
function keptRatios(path) {
  try {
    return readBaseline(path).ratios;
  } catch {
    return {};
  }
}

/** Ratios bear a busy machine better than times do, but not well. */
function busyWords() {
  const load = loadavg()[0];
  return load > availableParallelism() + 1
    ? [`the machine is busy (load ${fixed(load, 1)}): measure again before believing it`]
    : [];
}
