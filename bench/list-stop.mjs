// What do `instance list` and `instance stop` cost, with twenty instances running?
import { apptainerFor } from './support/peers.mjs';
import { measure } from './support/rounds.mjs';

const running = 20;

export async function listStop(bench, rounds) {
  const cases = [];
  const { crun } = bench;
  for (const subject of bench.subjects) {
    const { group, davit } = subject;
    const apptainer = await apptainerFor(bench, subject);
    for (let i = 0; i < running; i++) await davit('instance', 'start', bench.image, `holder${i}`);
    cases.push(
      { group, name: 'node -e 0', run: subject.node },
      { group, name: `davit instance list, ${running} running`, run: () => davit('instance', 'list') },
      {
        group,
        name: `davit instance stop of one, ${running} others running`,
        before: () => davit('instance', 'start', bench.image, 'b'),
        run: () => davit('instance', 'stop', 'b'),
      },
    );
    if (crun && subject.uid === 0)
      cases.push({
        group,
        name: 'crun delete --force',
        before: async () => {
          await crun.run('create', '--bundle', crun.bundle, 'b');
          await crun.run('start', 'b');
        },
        run: () => crun.run('delete', '--force', 'b'),
      });
    if (apptainer)
      cases.push(
        {
          group,
          name: 'apptainer instance list, 1 running',
          before: () => apptainer.run(subject, 'instance', 'start', bench.peerImage, 'b'),
          run: () => apptainer.run(subject, 'instance', 'list'),
        },
        { group, name: 'apptainer instance stop', run: () => apptainer.run(subject, 'instance', 'stop', 'b') },
      );
  }
  const rows = await measure(cases, rounds);
  for (const subject of bench.subjects) await subject.davit('instance', 'stop', '--all');
  return { title: 'instance list and instance stop', rows };
}
