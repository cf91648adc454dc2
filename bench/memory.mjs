// What does an instance hold in memory, with twenty running?
import { readFileSync } from 'node:fs';
import { loopDevices } from './support/bench.mjs';
import { apptainerFor } from './support/peers.mjs';
import { fixed } from './support/report.mjs';
import { summary } from './support/rounds.mjs';

const running = 20;

export async function memory(bench) {
  const table = [['who', 'what', 'processes', 'median KiB', 'min', 'max']];
  const facts = [];
  for (const subject of bench.subjects) {
    for (let i = 0; i < running; i++) await subject.davit('instance', 'start', bench.image, `m${i}`);
    const found = await subject.instances();
    const of = (...keys) => found.map((entry) => keys.map((key) => entry[key]).filter((pid) => pid > 0));
    table.push(pssRow(subject, 'davit keeper + init', of('keeperPid', 'pid')));
    table.push(pssRow(subject, 'davit startscript (busybox sleep)', of('programPid')));
    const servers = [...new Set(found.map(({ serverPid }) => serverPid).filter((pid) => pid > 0))];
    if (servers.length > 0)
      table.push(
        pssRow(
          subject,
          `FUSE server`,
          servers.map((pid) => [pid]),
        ),
      );
    facts.push(
      `${subject.group}: driver ${found[0].driver}, ${servers.length} FUSE servers for ${found.length} instances`,
    );
    if (subject.uid === 0) facts.push(`${subject.group}: ${loopDevices(bench.image)} loop device(s) of the image`);
    await subject.davit('instance', 'stop', '--all');
    if (await apptainerFor(bench, subject)) table.push(await apptainerRow(bench, subject));
  }
  return { title: `memory (PSS) with ${running} instances running`, table, facts };
}

async function apptainerRow(bench, subject) {
  const { apptainer } = bench;
  for (let i = 0; i < running; i++) await apptainer.run(subject, 'instance', 'start', bench.peerImage, `m${i}`);
  const found = await apptainer.list(subject);
  const row = pssRow(
    subject,
    'apptainer parents + init',
    found.map(({ pid }) => [pid, ...parents(pid)]),
  );
  await apptainer.run(subject, 'instance', 'stop', '--all');
  return row;
}

/** Processes above a process that bear the name of an apptainer program. */
function parents(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const parent = Number(/^PPid:\s+(\d+)/m.exec(status)[1]);
  if (parent <= 1 || !/apptainer|starter/i.test(readFileSync(`/proc/${parent}/cmdline`, 'utf8'))) return [];
  return [parent, ...parents(parent)];
}

function pssRow({ group }, what, sets) {
  const values = sets.map((pids) => pids.reduce((sum, pid) => sum + pssKib(pid), 0));
  const { median, min } = summary(values);
  const count = sets.reduce((sum, pids) => sum + pids.length, 0);
  return [group, what, String(count), fixed(median, 0), fixed(min, 0), fixed(Math.max(...values), 0)];
}

/** Proportional set size: shared pages count in equal parts. Kernel documentation, filesystems/proc, smaps_rollup. */
function pssKib(pid) {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
}
