/** The texts are what Apptainer 1.4.5 printed for the same bytes. */
import { describe, expect, it } from 'vitest';
import { headerText, infoText, listText } from '../../../src/cli/commands/sif/text';
import { objectFromFlags } from '../../../src/cli/commands/sif/object';
import { Options } from '../../../src/cli/command-line/parse';
import { DataType } from '../../../src/formats/sif/constants';
import type { SifDescriptor } from '../../../src/formats/sif/descriptor';
import { decodeHeader } from '../../../src/formats/sif/header';
import { sifBytes } from '../../fixtures/sif-bytes';

const NONE: SifDescriptor = {
  type: DataType.generic,
  id: 1,
  group: 1,
  link: 0,
  linkToGroup: false,
  offsetBytes: 32176,
  sizeBytes: 10,
  paddedSizeBytes: 10,
  createdS: 1700000000,
  modifiedS: 1700000000,
  name: '',
  metadata: Buffer.alloc(384),
};

/** Metadata that begin with these 32-bit numbers, and then these bytes. */
function metadata(numbers: number[], tail: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(384);
  numbers.forEach((number, index) => void bytes.writeInt32LE(number, index * 4));
  tail.copy(bytes, numbers.length * 4);
  return bytes;
}

const lastColumn = (object: Partial<SifDescriptor>) =>
  listText([{ ...NONE, ...object }])
    .trimEnd()
    .split('\n')[3]
    ?.split('|')[4];
const detailLines = (object: Partial<SifDescriptor>) =>
  infoText({ ...NONE, ...object })
    .trimEnd()
    .split('\n')
    .slice(8);

describe('sif header', () => {
  const bytes = sifBytes();
  const header = decodeHeader(bytes, bytes.length);

  it('prints a label and a value a line', () => {
    expect(headerText(header)).toBe(
      [
        'Launch Script:        #!/usr/bin/env run-singularity',
        'Version:              01',
        'Primary Architecture: amd64',
        'ID:                   07070707-0707-0707-0707-070707070707',
        'Created At:           2023-11-14 22:13:20 +0000 UTC',
        'Modified At:          2023-11-14 22:13:20 +0000 UTC',
        'Descriptors Free:     46',
        'Descriptors Total:    48',
        'Descriptors Offset:   4096',
        'Descriptors Size:     27 KiB',
        'Data Offset:          32176',
        'Data Size:            5 KiB',
        '',
      ].join('\n'),
    );
  });

  it('leaves out what an image does not have', () => {
    const bare = { ...header, launchScript: '', arch: undefined, id: Buffer.alloc(16) };
    const lines = headerText({ ...bare, createdS: -62135596800, modifiedS: -62135596800 }).split('\n');
    expect(lines.slice(0, 2)).toEqual(['Version:            01', 'Descriptors Free:   46']);
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1535, '1 KiB'],
    [1536, '2 KiB'],
    [2560, '3 KiB'],
    [1048575, '1024 KiB'],
    [3 * 2 ** 29, '2 GiB'],
    [2 ** 63, '8 EiB'],
  ])('%d bytes are %s', (dataSizeBytes, text) => {
    expect(headerText({ ...header, dataSizeBytes })).toMatch(new RegExp(`Data Size: +${text}\n$`));
  });

  it.each([
    [0, '1970-01-01 00:00:00'],
    [253402300800, '10000-01-01 00:00:00'],
    [-100000000000, '-1199-02-15 14:13:20'],
  ])('second %d is %s', (createdS, text) => {
    expect(headerText({ ...header, createdS })).toContain(`Created At:           ${text} +0000 UTC\n`);
  });
});

describe('sif list', () => {
  it('has a row for each object', () => {
    const objects = [
      { ...NONE, group: 0 },
      { ...NONE, id: 123456, group: 5, link: 12345678 },
      { ...NONE, id: 3, group: 268435455, link: 2, linkToGroup: true },
    ];
    expect(listText(objects).split('\n')).toEqual([
      '-'.repeat(78),
      'ID   |GROUP   |LINK    |SIF POSITION (start-end)  |TYPE',
      '-'.repeat(78),
      '1    |NONE    |NONE    |32176-32186               |Generic/Raw',
      '123456 |5       |12345678 |32176-32186               |Generic/Raw',
      '3    |268435455 |2   (G) |32176-32186               |Generic/Raw',
      '',
    ]);
  });

  it('names partitions, hashes, messages and formats', () => {
    const partition = (fsType: number, partitionType: number, arch?: string) =>
      lastColumn({ type: DataType.partition, partition: { fsType, partitionType, arch } });
    expect(partition(1, 2, 'amd64')).toBe('FS (Squashfs/*System/amd64)');
    expect(partition(3, 3)).toBe('FS (Archive/Data/unknown)');
    expect(partition(6, 4, 'arm64')).toBe('FS (Gocryptfs squashfs/Overlay/arm64)');
    expect(partition(7, 5, 'arm64')).toBe('FS (Unknown/Unknown/arm64)');
    expect(lastColumn({ type: DataType.signature, metadata: metadata([4]) })).toBe('Signature (BLAKE2s-256)');
    expect(lastColumn({ type: DataType.cryptoMessage, metadata: metadata([2, 512]) })).toBe(
      'Cryptographic Message (PEM/RSA-OAEP)',
    );
    expect(lastColumn({ type: DataType.sbom, metadata: metadata([6]) })).toBe('SBOM (spdx-tag-value)');
    expect(lastColumn({ type: 0x400c })).toBe('Unknown');
  });
});

describe('sif info', () => {
  it('begins with what all objects have', () => {
    expect(infoText({ ...NONE, group: 0, link: 2, linkToGroup: true, name: 'notes' }).split('\n')).toEqual([
      '  Data Type:    Generic/Raw',
      '  ID:           1',
      '  Group ID:     NONE',
      '  Linked ID:    2 (G)',
      '  Offset:       32176',
      '  Size:         10',
      '  Created At:   2023-11-14 22:13:20 +0000 UTC',
      '  Modified At:  2023-11-14 22:13:20 +0000 UTC',
      '  Name:         notes',
      '',
    ]);
  });

  it('ends with what the kind of object has', () => {
    const fingerprint = Buffer.alloc(20, 0xab);
    expect(detailLines({ type: DataType.signature, metadata: metadata([1], fingerprint) })).toEqual([
      '  Hash Type:    SHA-256',
      '  Entity:       ABABABABABABABABABABABABABABABABABABABAB',
    ]);
    expect(detailLines({ type: DataType.signature, metadata: metadata([2]) })).toEqual(['  Hash Type:    SHA-384']);
    expect(detailLines({ type: DataType.cryptoMessage, metadata: metadata([1, 256]) })).toEqual([
      '  Format Type:   OpenPGP',
      '  Message Type:  Clear Signature',
    ]);
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(detailLines({ type: DataType.ociBlob, metadata: metadata([], Buffer.from(digest)) })).toEqual([
      `  Digest:       ${digest}`,
    ]);
  });

  it.each([
    ['', 'cannot parse hash: ""'],
    ['junk', 'cannot parse hash: "junk"'],
    ['sha512:aa', 'unsupported hash: "sha512"'],
    ['sha256:zz', 'found non-hex character in hash: z'],
  ])('refuses the digest "%s"', (digest, message) => {
    const object = { ...NONE, type: DataType.ociBlob, metadata: metadata([], Buffer.from(digest)) };
    expect(() => infoText(object)).toThrow(message);
  });
});

describe('the flags of sif add', () => {
  const object = (values: Record<string, string | number>) => {
    const options = new Options();
    for (const [key, value] of Object.entries(values)) options.set(key, value, 'flag', `--${key}`);
    return objectFromFlags(options, () => 'ab'.repeat(32));
  };
  const entity = '433FE984155206BD962725E20E8713472A879943';

  it('describe an object', () => {
    expect(object({ datatype: 7, groupid: 3, link: 2, filename: 'x', alignment: 512 })).toMatchObject({
      type: DataType.generic,
      name: 'x',
      group: 3,
      link: 2,
      alignmentBytes: 512,
    });
    expect(object({ datatype: 4, parttype: 1, partfs: 2, partarch: 4 }).partition).toEqual({
      fsType: 2,
      partitionType: 1,
      arch: 'arm64',
    });
    expect(object({ datatype: 5, signhash: 1, signentity: entity }).metadata?.toString('hex', 0, 24)).toBe(
      `01000000${entity.toLowerCase()}`,
    );
    expect(object({ datatype: 9, sbomformat: 'syft-json' }).metadata?.readInt32LE(0)).toBe(8);
    expect(object({ datatype: 11 }).metadata?.toString()).toBe(`sha256:${'ab'.repeat(32)}`);
  });

  it.each<[Record<string, string | number>, string]>([
    [{}, '-datatype flag is required with a valid range'],
    [{ datatype: 12 }, '-datatype flag is required with a valid range'],
    [{ datatype: 4, partfs: 1, parttype: 1 }, 'with partition datatype, --partfs, --parttype and --partarch must be'],
    [{ datatype: 4, partfs: 1, parttype: 1, partarch: 99 }, 'unknown architecture: unknown'],
    [{ datatype: 5 }, 'invalid hash type: 0'],
    [{ datatype: 5, signhash: 1 }, 'invalid signing entity fingerprint length: got 0, want 20'],
    [{ datatype: 5, signhash: 1, signentity: '433FE984' }, 'length: got 4, want 20'],
    [{ datatype: 5, signhash: 1, signentity: 'xyz' }, "encoding/hex: invalid byte: U+0078 'x'"],
    [{ datatype: 5, signhash: 1, signentity: 'abc' }, 'odd length hex string'],
    [{ datatype: 9 }, 'with SBOM datatype, --sbomformat must be passed'],
    [{ datatype: 9, sbomformat: 'foo' }, 'invalid SBOM format: foo'],
    [{ datatype: 7, groupid: -1 }, 'value out of range'],
  ])('%j are refused', (values, message) => {
    expect(() => object(values)).toThrow(message);
  });
});
