// npm run bench [-- QUESTION...] [--rounds N] [--json FILE] [--svg FILE]: measures davit beside an empty Node and its peers.
// npm run bench -- regression [--save] [--baseline FILE] [--tolerance N]: has it become slower? Exit code 1 when it has.
import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { api } from './api.mjs';
import { bulk } from './bulk.mjs';
import { exec } from './exec.mjs';
import { closeBench, openBench } from './support/bench.mjs';
import { interrupt } from './support/rounds.mjs';
import { print } from './support/report.mjs';
import { imageQuestions } from './images.mjs';
import { launch } from './launch.mjs';
import { layers } from './layers.mjs';
import { plot } from './support/plot.mjs';
import { listStop } from './list-stop.mjs';
import { memory } from './memory.mjs';
import { regression } from './regression.mjs';
import { scale } from './scale.mjs';
import { start } from './start.mjs';

const questions = { launch, start, exec, 'list-stop': listStop, memory, scale, bulk, api, layers, ...imageQuestions };
/** Not among those that are measured when none is named. */
const checks = { regression };
const all = { ...questions, ...checks };
const usage =
  `usage: run.mjs [${Object.keys(all).join('|')}]... [--rounds N] [--json FILE] [--svg FILE] ` +
  '[--save] [--baseline FILE] [--tolerance N]';

async function main() {
  const options = {
    rounds: { type: 'string', default: '20' },
    json: { type: 'string' },
    svg: { type: 'string' },
    save: { type: 'boolean' },
    baseline: { type: 'string' },
    tolerance: { type: 'string' },
  };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const rounds = Number(values.rounds);
  const tolerance = values.tolerance === undefined ? undefined : Number(values.tolerance);
  const known = positionals.every((name) => Object.hasOwn(all, name));
  if (!(rounds >= 1) || !known || (tolerance !== undefined && !(tolerance >= 1))) throw new Error(usage);
  const bench = openBench();
  const results = [];
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupt(signal));
  try {
    const machine = { cpus: availableParallelism(), kernel: release(), node: process.version, rounds };
    say(`${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}, ${rounds} rounds`);
    for (const name of positionals.length > 0 ? positionals : Object.keys(questions)) {
      const load = loadavg()[0];
      const result = await all[name](bench, rounds, { ...values, tolerance });
      result.load = [load, loadavg()[0]];
      print(result);
      say(`load: ${result.load.map((value) => value.toFixed(1)).join(' before, ')} after`);
      results.push({ name, ...result });
      if (result.failed) process.exitCode = 1;
    }
    const skips = [...bench.skips];
    const plots = results.flatMap(({ plot: wanted = [] }) => wanted);
    if (values.svg && plots.length > 0) writeFileSync(values.svg, plot(plots, machine));
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, skips, results }, null, 2)}\n`);
  } finally {
    await closeBench(bench);
  }
}

function say(text) {
  process.stdout.write(`\n${text}\n`);
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
