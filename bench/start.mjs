// What does `instance start` cost, beside an empty Node, crun and apptainer?
import { loopDevices, untilUnused } from './support/bench.mjs';
import { apptainerFor } from './support/peers.mjs';
import { fixed } from './support/report.mjs';
import { difference, inSequence, measure } from './support/rounds.mjs';

const inUse = 'davit instance start, SIF in use';
const directory = 'davit instance start, directory';

export async function start(bench, rounds) {
  const cases = [];
  for (const subject of bench.subjects) {
    await subject.davit('instance', 'start', bench.image, 'holder');
    cases.push(...davitCases(bench, subject), ...(await peerCases(bench, subject)));
    if (subject.uid === process.getuid()) cases.push(...hereCases(bench, subject));
  }
  let loops = 0;
  const counted = cases.map((entry) => ({
    ...entry,
    after: async () => {
      loops = Math.max(loops, loopDevices(bench.image));
      await entry.after?.();
    },
  }));
  const rows = await measure(counted, rounds);
  for (const subject of bench.subjects) await subject.davit('instance', 'stop', 'holder');
  return { title: 'instance start', rows, facts: facts(bench, rows, loops) };
}

function davitCases(bench, subject) {
  const { group, davit, compiled } = subject;
  const after = () => davit('instance', 'stop', 'b');
  const begin = (image) => () => davit('instance', 'start', image, 'b');
  return [
    { group, name: 'node -e 0', run: subject.node },
    { group, name: inUse, run: begin(bench.image), after },
    { group, name: directory, run: begin(bench.sandbox), after },
    { group, name: `${inUse}, compiled`, run: () => compiled('instance', 'start', bench.image, 'b'), after },
    {
      group,
      name: 'davit instance start, SIF, first use',
      before: () => untilUnused(bench.first),
      run: begin(bench.first),
      after,
    },
  ];
}

/** In the environment of the caller, which may slow Node down: NODE_EXTRA_CA_CERTS alone doubles its start. */
function hereCases(bench, { group, here, davit }) {
  const after = () => davit('instance', 'stop', 'b');
  return [
    { group, name: "node -e 0, caller's environment", run: here.node },
    {
      group,
      name: `${inUse}, caller's environment`,
      run: () => here.davit('instance', 'start', bench.image, 'b'),
      after,
    },
  ];
}

async function peerCases(bench, subject) {
  const { group } = subject;
  const { crun } = bench;
  const apptainer = await apptainerFor(bench, subject);
  const cases = [];
  if (crun && subject.uid === 0)
    cases.push({
      group,
      name: 'crun create + start, directory',
      run: () =>
        inSequence(
          () => crun.run('create', '--bundle', crun.bundle, 'b'),
          () => crun.run('start', 'b'),
        ),
      after: () => crun.run('delete', '--force', 'b'),
    });
  if (apptainer)
    cases.push({
      group,
      name: 'apptainer instance start, SIF',
      run: () => apptainer.run(subject, 'instance', 'start', bench.peerImage, 'b'),
      after: () => apptainer.run(subject, 'instance', 'stop', 'b'),
    });
  return cases;
}

function facts(bench, rows, loops) {
  const lines = bench.subjects.map(({ group }) => {
    const find = (name) => rows.find((row) => row.group === group && row.name === name);
    const ms = fixed(difference(find(inUse), find(directory)), 2);
    return `${group}: SIF in use minus directory, median of the rounds' differences: ${ms} ms`;
  });
  return [...lines, `loop devices of the image in use, the most seen at one time: ${loops}`];
}
