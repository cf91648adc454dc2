/** The kept corpus of SIF files, and some thousand mutations of it; scripts/fuzz.mjs goes on for as long as one likes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { infoText } from '../../../src/cli/commands/sif/text';
import { decodeHeader } from '../../../src/formats/sif/header';
import { decodeTable } from '../../../src/formats/sif/table';
import { random } from '../../fixtures/random';
import { mutateSif, trySif } from '../../fixtures/sif-fuzz';

const DIRECTORY = join(__dirname, 'sif-corpus');
const names = readdirSync(DIRECTORY).sort();
const corpus = names.map((name) => readFileSync(join(DIRECTORY, name)));

it('every file of the corpus is read, shown and changed, or refused', () => {
  const accepted = names.filter((_name, at) => trySif(corpus[at] as Buffer));
  expect(accepted).toEqual(expect.arrayContaining(names.filter((name) => name.startsWith('sound-'))));
  expect(accepted).not.toContain('data-section-beyond-the-end');
  expect(accepted).not.toContain('place-overflows');
});

it('and so is what becomes of them', () => {
  const pick = random(20261123);
  let [fine, slowestMs] = [0, 0];
  const rounds = 2500;
  for (let i = 0; i < rounds; i++) {
    const bytes = mutateSif(corpus[i % corpus.length] as Buffer, pick);
    const start = performance.now();
    if (trySif(bytes)) fine++;
    slowestMs = Math.max(slowestMs, performance.now() - start);
  }
  expect(fine).toBeGreaterThan(rounds / 10);
  expect(fine).toBeLessThan(rounds * 0.9);
  expect(slowestMs).toBeLessThan(10_000);
});

it('a name neither sends control characters nor looks like another row', () => {
  const bytes = readFileSync(join(DIRECTORY, 'name-with-control-characters'));
  const header = decodeHeader(bytes, bytes.length);
  const start = header.tableOffsetBytes;
  const [object] = decodeTable(bytes.subarray(start, start + header.tableSizeBytes), header, bytes.length);
  expect(object && infoText(object).split('\n').at(-2)).toBe('  Name:         a\\x1b[2J\\x0aID: 9');
});
