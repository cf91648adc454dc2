// A thousand instances: how fast they come, how fast one more is then, how fast they are listed and go.
import { fileURLToPath } from 'node:url';
import { davit } from './support/bench.mjs';
import { fixed } from './support/report.mjs';
import { summary } from './support/rounds.mjs';

const child = fileURLToPath(new URL('./support/bulk-child.mjs', import.meta.url));
const count = 1000;
const range = `c-[1-${count}]`;
const bySingleStarts = 300;
/** Samples of what takes a second or so each. */
const repeats = 3;

export async function bulk(bench, rounds) {
  const table = [['who', 'what', 'median', 'min', 'max']];
  for (const subject of bench.subjects) {
    await subject.davit('instance', 'start', bench.image, 'holder');
    for (const [what, digits, values] of await measured(bench, subject, rounds)) {
      const { median, min } = summary(values);
      table.push([subject.group, what, ...[median, min, Math.max(...values)].map((value) => fixed(value, digits))]);
    }
    await subject.davit('instance', 'stop', 'holder');
  }
  return { title: `${count} instances`, table, facts: [`median of ${repeats}; of starts one by one: of ${rounds}`] };
}

async function measured(bench, subject, rounds) {
  const run = async (...args) => (await subject.davit('instance', ...args)).wall;
  const found = { inProcess: [], range: [], single: [], list: [], stop: [] };
  const first = await startsOneByOne(subject, bench.image, rounds);
  const thousandth = [];
  for (let i = 0; i < repeats; i++) {
    const { out } = await subject.withState({ output: true }, process.execPath, child, bench.image, range);
    found.inProcess.push((count / JSON.parse(out)) * 1000);
    thousandth.push(...(await startsOneByOne(subject, bench.image, Math.ceil(rounds / repeats))));
    found.list.push(await run('list'));
    found.stop.push(await run('stop', 'c-*'));
    found.range.push((count / (await run('start', bench.image, range))) * 1000);
    await run('stop', 'c-*');
    const words = `seq ${bySingleStarts} | xargs -P2 -I{} ${davit} -q instance start ${bench.image} c-{}`;
    found.single.push((bySingleStarts / (await subject.withState({}, '/bin/sh', '-c', words)).wall) * 1000);
    await run('stop', 'c-*');
  }
  first.push(...(await startsOneByOne(subject, bench.image, rounds)));
  const [alone, among] = [summary(first), summary(thousandth)];
  return [
    ['startMany(), in one process, starts/s', 0, found.inProcess],
    [`instance start ${range}, Node included, starts/s`, 0, found.range],
    [`xargs -P2 davit instance start, ${bySingleStarts}, starts/s`, 0, found.single],
    ['instance start, 1 other alive, ms', 2, first],
    [`instance start, ${count} others alive, ms`, 2, thousandth],
    ['ratio of their medians', 2, [among.median / alone.median]],
    ['ratio of their least values', 2, [among.min / alone.min]],
    [`instance list, ${count} alive, ms`, 1, found.list],
    [`instance stop of ${count}, ms`, 0, found.stop],
  ];
}

/** Wall times in milliseconds, remembered launches. */
async function startsOneByOne(subject, image, samples) {
  const times = [];
  for (let i = -1; i < samples; i++) {
    const { wall } = await subject.davit('instance', 'start', image, 'one');
    await subject.davit('instance', 'stop', 'one');
    if (i >= 0) times.push(wall);
  }
  return times;
}
