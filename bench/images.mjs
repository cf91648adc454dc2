// How long does it take to make images: registry to SIF, directory to SIF, SIF to directory; beside Apptainer and the
// tools that do the same work. DAVIT_BENCH_ROOTFS names the root directory of the image.
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { davit } from './support/bench.mjs';
import { peakMiB } from './support/memory-peak.mjs';
import { onPath } from './support/peers.mjs';
import { makeLayout, openRegistry } from './support/registry.mjs';
import { fixed } from './support/report.mjs';
import { measure } from './support/rounds.mjs';

const mostRounds = 10;

/** What is measured, by the name of the question. */
export const imageQuestions = {
  'registry-to-sif': (bench, rounds) => ask(bench, rounds, 'registry to SIF', registryToSif),
  'directory-to-sif': (bench, rounds) => ask(bench, rounds, 'directory to SIF', directoryToSif),
  'sif-to-directory': (bench, rounds) => ask(bench, rounds, 'SIF to directory', sifToDirectory),
};

async function ask(bench, rounds, title, casesOf) {
  const rootfs = process.env.DAVIT_BENCH_ROOTFS;
  if (!rootfs) {
    bench.skip('making images: DAVIT_BENCH_ROOTFS names no root directory');
    return { title };
  }
  bench.source ??= await prepare(bench, rootfs);
  const { tarBytes, gzipBytes } = bench.source;
  const rows = await answer(bench, await casesOf(bench, bench.source), rounds);
  const mb = (bytes) => fixed(bytes / 1e6, 0);
  return {
    title: `${title}, zstd level 3 (Apptainer: its own defaults)`,
    table: [['who', 'wall s', 'min', 'p90', 'x davit', 'CPU s', 'most MiB'], ...rows.map(cells)],
    samples: rows,
    plot: rows.length > 0 ? [plotOf(title, rows)] : [],
    facts: [
      `image: ${mb(tarBytes)} MB of tar in one layer, ${mb(gzipBytes)} MB of gzip`,
      'most MiB: proportional set sizes of all processes together, sampled every 15 ms in a run of its own',
    ],
  };
}

async function prepare(bench, rootfs) {
  const [subject] = bench.subjects;
  const layout = join(bench.temporary, 'layout');
  const sizes = makeLayout(layout, rootfs);
  const sif = join(subject.own, 'source.sif');
  await subject.davit('build', sif, rootfs);
  return { ...sizes, rootfs, layout, sif };
}

async function registryToSif(bench, { layout: source, layer }) {
  const { temporary, apptainer } = bench;
  const reference = await openRegistry(bench, source);
  if (!reference) return [];
  const layout = join(temporary, 'copied');
  const copied = `${layout}/blobs/sha256/${layer.split('/').at(-1)}`;
  const uri = `docker://${reference}`;
  const pipe = (out) =>
    `skopeo copy -q --src-tls-verify=false ${uri} oci:${layout}:1 && ` +
    `zcat ${copied} | tar2sqfs -q -f -c zstd -X level=3 ${out} && rm -r ${layout}`;
  return [
    ours((out) => ['pull', '--disable-cache', '--no-https', out, uri]),
    { name: 'skopeo, tar2sqfs', needs: ['skopeo', 'tar2sqfs'], words: (out) => ['/bin/sh', '-c', pipe(out)] },
    theirs(apptainer, (out) => ['pull', '--disable-cache', '--no-https', out, uri]),
  ];
}

function directoryToSif({ apptainer }, { rootfs }) {
  return [
    ours((out) => ['build', out, rootfs]),
    tool('gensquashfs', (out) => ['-q', '-f', '-c', 'zstd', '-X', 'level=3', '-D', rootfs, out]),
    tool('mksquashfs', (out) => [rootfs, out, '-quiet', '-no-progress', '-comp', 'zstd', '-Xcompression-level', '3']),
    theirs(apptainer, (out) => ['build', out, rootfs]),
  ];
}

function sifToDirectory({ apptainer }, { sif }) {
  return [
    ours((out) => ['build', '--sandbox', out, sif]),
    tool('unsquashfs', (out) => ['-quiet', '-no-progress', '-offset', String(offsetOf(sif)), '-dest', out, sif]),
    theirs(apptainer, (out) => ['build', '--sandbox', out, sif]),
  ];
}

const ours = (args) => ({ name: 'davit', words: (out) => [davit, ...args(out)] });
const tool = (name, args) => ({ name, needs: [name], words: (out) => [onPath(name), ...args(out)] });
const theirs = (apptainer, args) =>
  apptainer && {
    name: 'Apptainer',
    words: (out) => [...apptainer.words, ...args(out)],
    run: (subject, out) => apptainer.run(subject, ...args(out)),
  };

async function answer(bench, cases, rounds) {
  const [subject] = bench.subjects;
  const usable = cases.filter((one) => one && (one.needs ?? []).every((name) => isHere(bench, name)));
  const out = join(subject.own, 'out');
  const after = () => rmSync(out, { recursive: true, force: true });
  const measured = [];
  for (const { name, words, run } of usable) {
    try {
      const memory = await peakMiB(words(out), { ...subject.clean, ...bench.apptainer?.env(subject) });
      const timed = () => (run ? run(subject, out) : subject.command(...words(out)));
      measured.push({ group: subject.group, name, run: timed, after, memory });
    } catch (error) {
      if (name === 'davit') throw error;
      bench.skip(`${name}: ${/(?:ERROR|FATAL)\s*:\s*(.*)/.exec(error.message)?.[1] ?? error.message}`);
    } finally {
      after();
    }
  }
  // Each has run once by now: that was the warm-up.
  const rows = measured.length > 0 ? await measure(measured, Math.min(rounds, mostRounds), 0) : [];
  return rows.map((row, at) => ({ ...row, memory: measured[at].memory }));
}

/** Where the squashfs of a SIF begins: at a multiple of 4096, and by its magic. */
function offsetOf(sif) {
  const fd = openSync(sif, 'r');
  const magic = Buffer.alloc(4);
  try {
    for (let at = 0; readSync(fd, magic, 0, 4, at) === 4; at += 4096)
      if (magic.toString('latin1') === 'hsqs') return at;
  } finally {
    closeSync(fd);
  }
  throw new Error(`${sif} has no squashfs`);
}

function isHere(bench, name) {
  if (onPath(name)) return true;
  bench.skip(`${name}: not on PATH`);
  return false;
}

function cells({ name, wall, wallRatio, cpu, memory }) {
  const seconds = (ms) => fixed(ms / 1000, 2);
  return [
    name,
    seconds(wall.median),
    seconds(wall.min),
    seconds(wall.p90),
    fixed(wallRatio.median, 2),
    seconds(cpu.median),
    fixed(memory, 0),
  ];
}

function plotOf(title, rows) {
  const bars = rows.map(({ name, wall, memory }) => {
    return { name, value: wall.median / 1000, note: `${fixed(memory, 0)} MiB` };
  });
  return { title, unit: 's', rows: bars };
}
