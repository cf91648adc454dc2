// Does it stay so with many? Starts of 20 and of 200 instances, one after the other, the list of all, one stop for all.
import { apptainerFor } from './support/peers.mjs';
import { fixed } from './support/report.mjs';
import { summary } from './support/rounds.mjs';

const counts = [20, 200];
/** Apptainer needs minutes for more. */
const peerCounts = [20];
/** So many starts at the beginning are compared with so many at the end. */
const ends = 10;
const lists = 5;

export async function scale(bench) {
  const table = [['who', 'what', 'first starts ms', 'last starts', 'all starts', 'list', 'stop --all']];
  for (const subject of bench.subjects) {
    for (const count of counts) {
      table.push([subject.group, `davit, ${count}`, ...(await life(subject.davit, bench.image, count))]);
    }
    const apptainer = await apptainerFor(bench, subject);
    const run = (...args) => apptainer.run(subject, ...args);
    for (const count of apptainer ? peerCounts : [])
      table.push([subject.group, `apptainer, ${count}`, ...(await life(run, bench.peerImage, count))]);
  }
  return { title: 'many instances, one sample', table, facts: [`first and last starts: medians of ${ends}`] };
}

/** Wall times of a whole life in milliseconds, as texts. */
async function life(run, image, count) {
  const wall = async (...args) => (await run('instance', ...args)).wall;
  const starts = [];
  const listed = [];
  try {
    for (let i = 0; i < count; i++) starts.push(await wall('start', image, `scale${i}`));
    for (let i = 0; i < lists; i++) listed.push(await wall('list'));
  } finally {
    listed.push(await wall('stop', '--all'));
  }
  const stop = listed.pop();
  const all = starts.reduce((sum, value) => sum + value, 0);
  const [first, last] = [starts.slice(0, ends), starts.slice(-ends)].map((values) => summary(values).median);
  return [first, last, all, summary(listed).median, stop].map((value) => fixed(value, 1));
}
