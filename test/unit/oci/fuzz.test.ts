/** JSON of registries: whatever it is, it is decoded or refused with a RuntimeError that a terminal can show. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { decodeConfig } from '../../../src/formats/oci/config';
import { decodeManifest } from '../../../src/formats/oci/manifest';
import { selectPlatform } from '../../../src/formats/oci/platform';
import { random } from '../../fixtures/random';

const CORPUS = join(__dirname, 'corpus');
const ROUNDS = 20_000;
const seeds = readdirSync(CORPUS)
  .sort()
  .map((name) => readFileSync(join(CORPUS, name)));

const VALUES: unknown[] = [
  null,
  true,
  -1,
  0.5,
  2 ** 53,
  '',
  '..',
  'sha256:',
  '\u001b]0;x\u0007',
  [],
  [null],
  {},
  { size: {} },
  'x'.repeat(5000),
];

/** Puts another value somewhere into a document. */
function changeValue(value: unknown, pick: (below: number) => number): unknown {
  const members = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (members.length === 0 || pick(4) === 0) return VALUES[pick(VALUES.length)];
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  const name = members[pick(members.length)] as string;
  if (pick(6) === 0) delete copy[name];
  else copy[name] = changeValue(copy[name], pick);
  return copy;
}

function mutate(seed: Buffer, pick: (below: number) => number): Buffer {
  if (pick(3) > 0) {
    try {
      let value: unknown = JSON.parse(seed.toString());
      for (let n = 1 + pick(3); n > 0; n--) value = changeValue(value, pick);
      return Buffer.from(JSON.stringify(value) ?? '');
    } catch {
      // a seed that is no JSON: by bytes
    }
  }
  const bytes = Buffer.from(seed);
  for (let n = 1 + pick(4); n > 0 && bytes.length > 0; n--) bytes[pick(bytes.length)] = pick(256);
  return pick(5) === 0 ? bytes.subarray(0, pick(bytes.length + 1)) : bytes;
}

/** @returns whether something could be made of it */
function tryDocument(bytes: Buffer): boolean {
  let fine = false;
  const attempt = (work: () => void): void => {
    try {
      work();
      fine = true;
    } catch (error) {
      expect(error).toBeInstanceOf(RuntimeError);
      const { message, code } = error as RuntimeError;
      expect(code).toMatch(/^IMAGE_/);
      expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/); // nothing that a terminal obeys
      expect(message.length).toBeLessThan(1000);
    }
  };
  attempt(() => {
    const manifest = decodeManifest(bytes);
    if (manifest.kind === 'index') selectPlatform(manifest, { arch: 'amd64' });
  });
  attempt(() => decodeConfig(bytes));
  return fine;
}

it('takes or refuses every document of the corpus, and nothing reaches Object.prototype', () => {
  for (const seed of seeds) tryDocument(seed);
  expect(({} as Record<string, unknown>).layers).toBeUndefined();
});

it('takes or refuses whatever is made of them', () => {
  const pick = random(20261123);
  let fine = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (tryDocument(mutate(seeds[pick(seeds.length)] as Buffer, pick))) fine++;
  }
  expect(fine).toBeGreaterThan(ROUNDS / 50);
  expect(fine).toBeLessThan(ROUNDS);
});
