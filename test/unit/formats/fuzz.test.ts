import { expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { decodeHeader } from '../../../src/formats/sif/header';
import { decodeTable, selectPrimary } from '../../../src/formats/sif/table';
import { decodeSuperblock, findSquashfs } from '../../../src/formats/squashfs/superblock';
import { random } from '../../fixtures/random';
import { definition, partition, sifBytes, superblock } from '../../fixtures/sif-bytes';

const INTERESTING = [
  0n,
  1n,
  2n,
  96n,
  127n,
  128n,
  4095n,
  4096n,
  32176n,
  32768n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Changes a few fields: bytes, whole integers with values at the edges, or the length. */
function mutate(original: Buffer, fields: number[], pick: (below: number) => number): Buffer {
  let bytes = Buffer.from(original);
  for (let n = 1 + pick(4); n > 0; n--) {
    switch (pick(4)) {
      case 0:
        bytes[pick(bytes.length)] = pick(256);
        break;
      case 1: {
        const at = fields[pick(fields.length)] as number;
        const value = (INTERESTING[pick(INTERESTING.length)] as bigint) + BigInt(pick(3)) - 1n;
        if (at + 8 <= bytes.length) bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at);
        break;
      }
      case 2: {
        const at = fields[pick(fields.length)] as number;
        if (at + 4 <= bytes.length) bytes.writeUInt32LE(pick(2 ** 32), at);
        break;
      }
      default:
        if (pick(4) === 0) bytes = bytes.subarray(0, 1 + pick(bytes.length));
    }
  }
  return bytes;
}

/** True when it was accepted; anything thrown but a RuntimeError fails the test. */
function accepted(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    expect(error.exitCode).toBe(255);
    expect(error.message.length).toBeLessThan(200);
    return false;
  }
}

function readSif(bytes: Buffer): void {
  const header = decodeHeader(bytes, bytes.length);
  const table = bytes.subarray(header.tableOffsetBytes, header.tableOffsetBytes + header.tableSizeBytes);
  const primary = selectPrimary(decodeTable(table, header, bytes.length));
  const content = bytes.subarray(primary.offsetBytes, primary.offsetBytes + primary.sizeBytes);
  expect(content.length).toBe(primary.sizeBytes); // what is accepted lies within the file
  decodeSuperblock(content, primary.sizeBytes);
}

it('mutated SIF files are read or refused, never crash, and not slowly', () => {
  const original = sifBytes([definition(), { type: 0x4006, content: Buffer.from('{}') }, partition()]);
  const header = [32, 42, 45, 80, 88, 96, 104, 112, 120];
  const descriptor = [0, 4, 5, 9, 13, 17, 25, 33, 201, 205, 209];
  const fields = [...header, ...[0, 1, 2, 3].flatMap((slot) => descriptor.map((at) => 4096 + slot * 585 + at))];
  fields.push(...[0, 12, 20, 28, 32, 40, 48, 56, 64, 72].map((at) => 32768 + at));
  const pick = random(20260731);
  const start = performance.now();
  let fine = 0;
  for (let i = 0; i < 6000; i++) if (accepted(() => readSif(mutate(original, fields, pick)))) fine++;
  // Neither everything nor nothing passes: the mutations reach both sides of the checks.
  expect(fine).toBeGreaterThan(100);
  expect(fine).toBeLessThan(4000);
  expect(performance.now() - start).toBeLessThan(30_000);
});

it('mutated superblocks are read or refused, never crash', () => {
  const original = superblock();
  const fields = [0, 4, 8, 12, 16, 20, 22, 24, 26, 28, 30, 32, 40, 48, 56, 64, 72, 80, 88];
  const pick = random(4);
  let fine = 0;
  for (let i = 0; i < 6000; i++) {
    const bytes = mutate(original, fields, pick);
    if (findSquashfs(bytes) === 0 && accepted(() => decodeSuperblock(bytes, bytes.length))) fine++;
  }
  expect(fine).toBeGreaterThan(100);
  expect(fine).toBeLessThan(5000);
});

it('random bytes are refused', () => {
  const pick = random(1);
  for (let i = 0; i < 500; i++) {
    const bytes = Buffer.from(Array.from({ length: pick(3000) }, () => pick(256)));
    expect(accepted(() => readSif(bytes))).toBe(false);
    expect(accepted(() => decodeSuperblock(bytes, bytes.length))).toBe(false);
  }
});
