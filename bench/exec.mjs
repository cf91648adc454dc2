// What does a command in a container cost: of its own, and in a running instance?
import { apptainerFor } from './support/peers.mjs';
import { measure } from './support/rounds.mjs';

export async function exec(bench, rounds) {
  const cases = [];
  const { bwrap, crun } = bench;
  for (const subject of bench.subjects) {
    const { group, davit, compiled } = subject;
    const apptainer = await apptainerFor(bench, subject);
    const add = (name, run) => cases.push({ group, name, run });
    await davit('instance', 'start', bench.image, 'holder');
    add('node -e 0', subject.node);
    add('davit exec instance:// true', () => davit('exec', 'instance://holder', '/bin/true'));
    add('davit exec SIF true', () => davit('exec', bench.image, '/bin/true'));
    add('davit exec directory true', () => davit('exec', bench.sandbox, '/bin/true'));
    add('davit exec instance:// true, compiled', () => compiled('exec', 'instance://holder', '/bin/true'));
    add('davit exec SIF true, compiled', () => compiled('exec', bench.image, '/bin/true'));
    if (bwrap) add('bwrap directory true', () => subject.command(...bwrap.command(subject)));
    if (crun && subject.uid === 0) {
      await crun.run('create', '--bundle', crun.bundle, 'holder');
      await crun.run('start', 'holder');
      add('crun exec true', () => crun.run('exec', 'holder', '/bin/true'));
    }
    if (apptainer) {
      await apptainer.run(subject, 'instance', 'start', bench.peerImage, 'holder');
      add('apptainer exec instance:// true', () => apptainer.run(subject, 'exec', 'instance://holder', '/bin/true'));
      add('apptainer exec SIF true', () => apptainer.run(subject, 'exec', bench.peerImage, '/bin/true'));
    }
  }
  const rows = await measure(cases, rounds);
  for (const subject of bench.subjects) {
    await subject.davit('instance', 'stop', 'holder');
    if (crun && subject.uid === 0) await crun.run('delete', '--force', 'holder');
    if (await apptainerFor(bench, subject)) await bench.apptainer.run(subject, 'instance', 'stop', 'holder');
  }
  return { title: 'exec', rows };
}
