// What does the library cost: a hundred instances from one process?
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fixed } from './support/report.mjs';
import { difference, summary } from './support/rounds.mjs';

const child = fileURLToPath(new URL('./support/api-child.mjs', import.meta.url));

export async function api(bench) {
  const table = [['who', 'what', 'median ms', 'min', 'p90']];
  const facts = [];
  for (const subject of bench.subjects) {
    const found = JSON.parse(await runChild(subject, [bench.image, bench.sandbox]));
    for (const [what, values] of Object.entries(found.each)) {
      const { median, min, p90 } = summary(values);
      table.push([subject.group, what, fixed(median, 2), fixed(min, 2), fixed(p90, 2)]);
    }
    for (const [what, ms] of Object.entries(found.once))
      table.push([subject.group, what, fixed(ms, 1), fixed(ms, 1), fixed(ms, 1)]);
    const row = (what) => ({ samples: found.each[what].map((wall) => ({ wall })) });
    const ms = difference(row('start, SIF in use'), row('start, directory'));
    facts.push(`${subject.group}: SIF in use minus directory, median of the differences: ${fixed(ms, 2)} ms`);
  }
  return { title: 'library: one process, 100 instances', table, facts };
}

function runChild({ uid, gid, env }, args) {
  const identity = process.getuid() === 0 ? { uid, gid } : {};
  const options = { ...identity, env, cwd: '/tmp', maxBuffer: 1 << 24 };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [child, ...args], options, (error, out) => (error ? reject(error) : resolve(out)));
  });
}
