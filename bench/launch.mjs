// `davit bench launch` on the image of the measurements, beside every peer there is; for the calling user alone.
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { machinery, root } from './support/clock.mjs';
import { onInterrupt } from './support/rounds.mjs';

const throughputMs = 2000;
const instances = 20;
const phaseRounds = 20;

export async function launch(bench, rounds) {
  const [{ env }] = bench.subjects;
  const measurement = new machinery.LaunchBench({
    image: bench.peerImage,
    operation: 'start',
    rounds,
    warmUp: 3,
    concurrency: 4,
    compare: machinery.parseCompare(['all'], process.env),
    instances,
    throughputMs,
    phaseRounds,
    env: { ...process.env, ...env },
    callerEnvironment: false,
    // podman refuses paths of more than 50 characters.
    temporaryParent: '/tmp',
    stateParent: env.DAVIT_STATE_DIR,
    version: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
  });
  onInterrupt(() => measurement.interrupt());
  const result = await measurement.run();
  const text = machinery.textReport(result, { width: 100, ascii: false, formatTable });
  return { title: `davit bench launch, as ${userInfo().username}`, text, result };
}

/** Columns aligned with blanks. */
function formatTable(rows, blanks) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd((widths[at] ?? 0) + blanks))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}
