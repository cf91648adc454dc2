import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { archFromCode, archToCode, DESCRIPTOR_BYTES, FsType, PartitionType } from '../../../src/formats/sif/constants';
import { decodeHeader, encodeHeader, looksLikeSif } from '../../../src/formats/sif/header';
import { decodeTable, selectPrimary } from '../../../src/formats/sif/table';
import { SifLayout } from '../../../src/formats/sif/write';
import { definition, partition, sifBytes, type TestObject } from '../../fixtures/sif-bytes';

const TABLE = 4096;

function read(bytes: Buffer) {
  const header = decodeHeader(bytes, bytes.length);
  const table = bytes.subarray(header.tableOffsetBytes, header.tableOffsetBytes + header.tableSizeBytes);
  const descriptors = decodeTable(table, header, bytes.length);
  return { header, descriptors, primary: selectPrimary(descriptors) };
}

/** What reading says about `bytes` after `change` was made to them. */
function failure(change: (bytes: Buffer) => Buffer | undefined, objects?: TestObject[]): RuntimeError {
  const bytes = sifBytes(objects);
  const changed = change(bytes) ?? bytes;
  try {
    read(changed);
  } catch (error) {
    expect(error).toBeInstanceOf(RuntimeError);
    return error as RuntimeError;
  }
  throw new Error('was read without an error');
}

/** Offset of a field of the descriptor in `slot`. */
const at = (slot: number, field: number) => TABLE + slot * DESCRIPTOR_BYTES + field;

describe('a written SIF', () => {
  it('has the layout of version 01', () => {
    const bytes = sifBytes([definition('bootstrap: localimage\nfrom: plain\n\n'), partition()]);
    expect(bytes.toString('latin1', 0, 48)).toBe('#!/usr/bin/env run-singularity\n\0SIF_MAGIC\x0001\x0002\0');
    expect(bytes.readBigInt64LE(80)).toBe(46n); // free
    expect(bytes.readBigInt64LE(88)).toBe(48n);
    expect(bytes.readBigInt64LE(96)).toBe(4096n);
    expect(bytes.readBigInt64LE(104)).toBe(28080n);
    expect(bytes.readBigInt64LE(112)).toBe(32176n);
    expect(bytes.readBigInt64LE(120)).toBe(BigInt(bytes.length - 32176));
    // The definition file directly at the start of the data, in group 1.
    expect(bytes.readInt32LE(at(0, 0))).toBe(0x4001);
    expect(bytes.readUInt32LE(at(0, 9))).toBe(0xf0000001);
    expect(bytes.readBigInt64LE(at(0, 17))).toBe(32176n);
    expect(bytes.readBigInt64LE(at(0, 25))).toBe(35n);
    // The partition at the next multiple of 4096, its padding counted.
    expect(bytes.readBigInt64LE(at(1, 17))).toBe(32768n);
    expect(bytes.readBigInt64LE(at(1, 33))).toBe(32768n - 32211n + 4096n);
    expect(bytes.toString('latin1', at(1, 201 + 8), at(1, 201 + 11))).toBe('02\0');
  });

  it('is read back as it was described', () => {
    const { header, descriptors, primary } = read(sifBytes([definition('text'), partition({ arch: 'riscv64' })]));
    expect(header).toMatchObject({ version: '01', arch: 'riscv64', descriptorsFree: 46, createdS: 1700000000 });
    expect(descriptors.map(({ id, group, name, sizeBytes }) => ({ id, group, name, sizeBytes }))).toEqual([
      { id: 1, group: 1, name: 'deffile', sizeBytes: 4 },
      { id: 2, group: 1, name: 'rootfs', sizeBytes: 4096 },
    ]);
    expect(primary.partition).toEqual({ fsType: 1, partitionType: 2, arch: 'riscv64' });
  });

  it('keeps links to objects and to groups apart', () => {
    const signature = { type: 0x4005, group: 0, link: 1, linkToGroup: true, content: Buffer.from('s') };
    const message = { type: 0x4008, group: 1, link: 2, content: Buffer.from('m') };
    const { descriptors } = read(sifBytes([definition(), partition(), signature, message]));
    expect(descriptors[2]).toMatchObject({ group: 0, link: 1, linkToGroup: true });
    expect(descriptors[3]).toMatchObject({ group: 1, link: 2, linkToGroup: false });
  });

  it('holds the times of deterministic images, in year 1', () => {
    const header = read(sifBytes()).header;
    const again = decodeHeader(encodeHeader({ ...header, createdS: -62135596800 }), 1e6);
    expect(again.createdS).toBe(-62135596800);
  });

  it('refuses a 49th object', () => {
    const layout = new SifLayout(Buffer.alloc(16), 0);
    for (let i = 0; i < 48; i++) layout.append({ type: 0x4007, name: 'x', group: 1 }, 1);
    expect(() => layout.append({ type: 0x4007, name: 'x', group: 1 }, 1)).toThrow(/room for 48/);
  });
});

describe('the header is believed', () => {
  it('a table elsewhere, of another size, is found', () => {
    const bytes = sifBytes();
    const moved = Buffer.concat([bytes, Buffer.alloc(2 * DESCRIPTOR_BYTES)]);
    bytes.copy(moved, bytes.length, TABLE, TABLE + 2 * DESCRIPTOR_BYTES);
    moved.fill(0xff, TABLE, 32176);
    moved.writeBigInt64LE(0n, 80);
    moved.writeBigInt64LE(2n, 88);
    moved.writeBigInt64LE(BigInt(bytes.length), 96);
    moved.writeBigInt64LE(BigInt(2 * DESCRIPTOR_BYTES), 104);
    expect(read(moved).primary.offsetBytes).toBe(32768);
  });

  it('ids need not be slot numbers, and empty slots are passed over', () => {
    const bytes = sifBytes([definition(), definition('b'), partition()]);
    bytes.fill(0, at(1, 0), at(2, 0));
    expect(read(bytes).descriptors.map(({ id }) => id)).toEqual([1, 3]);
  });
});

describe('a damaged SIF is refused', () => {
  const cases: [string, (bytes: Buffer) => Buffer | undefined, RegExp][] = [
    ['wrong magic', (b) => void b.write('SIF_MAGIX', 32), /^invalid SIF magic/],
    [
      'magic elsewhere',
      (b) => Buffer.concat([Buffer.from('\n'), b]),
      /^invalid SIF magic: no "SIF_MAGIC" at offset 32/,
    ],
    ['wrong version', (b) => void b.write('02', 42), /^incompatible SIF version: "02", not "01"/],
    ['cut in the header', (b) => b.subarray(0, 100), /^reading global header: unexpected EOF/],
    [
      'cut in the table',
      (b) => b.subarray(0, 20000),
      /^reading descriptors: unexpected EOF: .* 32176, the file at 20000/,
    ],
    ['cut in the partition', (b) => b.subarray(0, 34000), /^SIF object 2 ends at 36864, beyond .* 34000/],
    ['10^12 descriptors', (b) => void b.writeBigInt64LE(10n ** 12n, 88), /claims 1000000000000 descriptors/],
    ['2^63-1 descriptors', (b) => void b.writeBigInt64LE(2n ** 63n - 1n, 88), /absurd SIF header/],
    ['negative descriptors', (b) => void b.writeBigInt64LE(-1n, 88), /claims -1 descriptors/],
    ['more free than there are', (b) => void b.writeBigInt64LE(49n, 80), /49 of 48 descriptors are free/],
    ['negative free', (b) => void b.writeBigInt64LE(-5n, 80), /-5 of 48/],
    ['table size', (b) => void b.writeBigInt64LE(28079n, 104), /need 28080 bytes, the header says 28079/],
    ['table on the header', (b) => void b.writeBigInt64LE(0n, 96), /descriptor table is at offset 0/],
    ['table far away', (b) => void b.writeBigInt64LE(2n ** 62n, 96), /unexpected EOF/],
    ['negative table', (b) => void b.writeBigInt64LE(-4096n, 96), /table is at offset -4096/],
    ['data section', (b) => void b.writeBigInt64LE(-1n, 112), /data section is at -1/],
    ['object offset', (b) => void b.writeBigInt64LE(2n ** 40n, at(1, 17)), /SIF object 2 ends at/],
    ['object size', (b) => void b.writeBigInt64LE(2n ** 62n, at(1, 25)), /SIF object 2 ends at/],
    ['negative offset', (b) => void b.writeBigInt64LE(-1n, at(1, 17)), /absurd SIF object 2: offset -1/],
    ['negative size', (b) => void b.writeBigInt64LE(-1n, at(0, 25)), /absurd SIF object 1: .* size -1/],
    ['overlapping objects', (b) => void b.writeBigInt64LE(32769n, at(0, 17)), /object 2 and object 1 overlap/],
    ['object on the table', (b) => void b.writeBigInt64LE(5000n, at(0, 17)), /the table and object 1 overlap/],
    ['object on the header', (b) => void b.writeBigInt64LE(5n, at(0, 17)), /the header and object 1 overlap/],
    ['same id twice', (b) => void b.writeUInt32LE(1, at(1, 5)), /two SIF objects have the id 1/],
  ];
  it.each(cases)('%s', (_name, change, message) => {
    const error = failure(change);
    expect(error.message).toMatch(message);
    expect(error.code).toBe('IMAGE_FORMAT');
    expect(error.exitCode).toBe(255);
  });

  it('says so in as many ways as there are', () => {
    const messages = cases.map(([, change]) => failure(change).message);
    expect(new Set(messages).size).toBeGreaterThanOrEqual(cases.length - 2);
  });
});

describe('a SIF that cannot be run is refused', () => {
  const nothing = () => undefined;
  it('without a primary partition', () => {
    const error = failure(nothing, [definition(), partition({ partitionType: PartitionType.data })]);
    expect(error.message).toBe('the SIF has no primary partition');
  });
  it('with two', () => {
    expect(failure(nothing, [partition(), partition()]).message).toMatch(/2 primary partitions: objects 1 and 2/);
  });
  it('holding an OCI image', () => {
    const error = failure(nothing, [{ type: 0x400a, content: Buffer.from('{}') }]);
    expect(error).toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    expect(error.message).toMatch(/OCI-SIF/);
  });
  it.each([
    [FsType.ext3, /ext3/],
    [FsType.archive, /archive/],
    [FsType.raw, /raw/],
    [99, /unknown type 99/],
    [FsType.encryptedSquashfs, /encrypted \(dm-crypt\)/],
    [FsType.gocryptfsSquashfs, /encrypted \(gocryptfs\)/],
  ])('with file system type %i', (fsType, message) => {
    const error = failure(nothing, [partition({ fsType })]);
    expect(error.code).toBe('IMAGE_UNSUPPORTED');
    expect(error.message).toMatch(message);
  });
  it('but an ext3 overlay beside the root is fine', () => {
    const overlay = partition({ fsType: FsType.ext3, partitionType: PartitionType.overlay }, Buffer.alloc(10));
    expect(read(sifBytes([partition(), overlay])).primary.id).toBe(1);
  });
});

describe('architecture codes', () => {
  it('are the ones of the format', () => {
    expect(['00', '01', '02', '04', '13', '14', '99', 'x1', ''].map(archFromCode)).toEqual([
      undefined,
      '386',
      'amd64',
      'arm64',
      'loong64',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(['amd64', 'riscv64', 'vax', ''].map(archToCode)).toEqual(['02', '12', '00', '00']);
  });
});

it('is recognised by the magic in the first 2048 bytes', () => {
  expect(looksLikeSif(sifBytes())).toBe(true);
  expect(looksLikeSif(Buffer.concat([Buffer.alloc(2040), Buffer.from('SIF_MAGIC')]))).toBe(false);
});
