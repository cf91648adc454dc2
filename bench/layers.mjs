// What does it cost to make a squashfs of a layer, beside zcat and tar2sqfs?
// DAVIT_BENCH_ROOTFS names the root directory that the layer is made of.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './support/clock.mjs';
import { fixed, timeCells } from './support/report.mjs';
import { measure } from './support/rounds.mjs';

const child = fileURLToPath(new URL('./support/layers-child.mjs', import.meta.url));
const addon = join(root, 'build/Release/davit-image.node');
const mostRounds = 10;

export async function layers(bench, rounds) {
  const title = 'a layer (tar.gz) to a squashfs, zstd level 3';
  const rootfs = process.env.DAVIT_BENCH_ROOTFS;
  if (!rootfs) {
    bench.skip('layers: DAVIT_BENCH_ROOTFS names no root directory');
    return { title };
  }
  const layer = makeLayer(bench.temporary, rootfs);
  const [subject] = bench.subjects;
  const group = subject.group;
  const out = join(subject.own, 'layer.sqfs');
  const after = () => rmSync(out, { force: true });
  const convert = () => subject.command(process.execPath, child, addon, layer.path, layer.digest, out);
  const cases = [{ group, name: 'davit', run: convert, after }];
  if (canRun('tar2sqfs')) {
    const pipe = `zcat ${layer.path} | tar2sqfs -q -f -c zstd -X level=3 ${out}`;
    cases.push({ group, name: 'zcat, tar2sqfs', run: () => subject.command('/bin/sh', '-c', pipe), after });
  } else {
    bench.skip('tar2sqfs: not here; Debian has it in squashfs-tools-ng');
  }
  const rows = await measure(cases, Math.min(rounds, mostRounds));
  const table = [
    ['who', 'what', 'wall ms', 'min', 'p90', 'x davit', 'CPU ms'],
    ...rows.map((row) => timeCells(row, 0)),
  ];
  const memory = peakMiB(subject, layer, out);
  after();
  return {
    title,
    table,
    samples: rows,
    facts: [layer.words, `most memory of the process, Node included: ${memory} MiB`],
  };
}

function makeLayer(directory, rootfs) {
  const tar = join(directory, 'layer.tar');
  execFileSync('tar', ['-C', rootfs, '--xattrs', '-cf', tar, '.'], { stdio: 'inherit' });
  const { size } = statSync(tar);
  execFileSync('gzip', ['-6', '-f', tar], { stdio: 'inherit' });
  const path = `${tar}.gz`;
  const bytes = readFileSync(path);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const mb = (value) => fixed(value / 1e6, 0);
  return { path, digest, words: `layer: ${mb(size)} MB of tar in ${mb(bytes.length)} MB of gzip` };
}

function canRun(program) {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function peakMiB({ uid, gid, clean }, layer, out) {
  const identity = process.getuid() === 0 ? { uid, gid } : {};
  const args = [child, addon, layer.path, layer.digest, out];
  const answer = execFileSync(process.execPath, args, { ...identity, env: clean, encoding: 'utf8' });
  return fixed(JSON.parse(answer).maxRssKib / 1024, 0);
}
