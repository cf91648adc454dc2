import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataType, DESCRIPTOR_BYTES, FsType, PartitionType } from '../../../src/formats/sif/constants';
import { SifFile, WritableSif } from '../../../src/runtime/image/sif-file';
import { definition, partition, sifBytes } from '../../fixtures/sif-bytes';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'davit-sif-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
function image(bytes = sifBytes()): string {
  const path = join(directory, `${count++}.sif`);
  writeFileSync(path, bytes);
  return path;
}

function change<T>(path: string, deed: (sif: WritableSif) => T): T {
  const sif = WritableSif.open(path);
  try {
    const result = deed(sif);
    sif.commit();
    return result;
  } finally {
    sif.close();
  }
}

function look<T>(path: string, deed: (sif: SifFile) => T): T {
  const sif = SifFile.open(path);
  try {
    return deed(sif);
  } finally {
    sif.close();
  }
}

const text = (content: string) => Buffer.from(content);
const generic = { type: DataType.generic, name: '', group: 0 };
const TABLE = 4096;

describe('adding to a SIF', () => {
  it('appends objects behind the last one, with and without alignment', () => {
    const path = image();
    const end = statSync(path).size;
    change(path, (sif) => {
      expect(sif.add({ ...generic, name: 'one', group: 1 }, text('first'))).toMatchObject({ id: 3, offsetBytes: end });
      expect(sif.add({ ...generic, alignmentBytes: 512 }, text('second')).offsetBytes).toBe(end + 512);
      const overlay = { fsType: FsType.ext3, partitionType: PartitionType.overlay, arch: 'amd64' };
      const added = sif.add(
        { type: DataType.partition, name: '', group: 1, partition: overlay },
        Buffer.alloc(4096, 1),
      );
      expect(added.offsetBytes).toBe(end + 4096);
      expect(added.paddedSizeBytes).toBe(4096 + 4096 - 518);
    });
    look(path, (sif) => {
      expect(sif.header).toMatchObject({ descriptorsFree: 43, arch: 'amd64', dataSizeBytes: end + 8192 - 32176 });
      expect(sif.read(sif.find(3), 100).toString()).toBe('first');
      expect(sif.read(sif.find(4), 100).toString()).toBe('second');
      expect([...sif.pieces(sif.find(5))].map((piece) => piece.length)).toEqual([4096]);
    });
  });

  it('takes the data of an open file', () => {
    const path = image();
    const source = join(directory, 'source');
    writeFileSync(source, Buffer.alloc(3_000_000, 7));
    const fd = openSync(source, 'r');
    change(path, (sif) => expect(sif.add(generic, { fd }).sizeBytes).toBe(3_000_000));
    closeSync(fd);
    look(path, (sif) => expect(sif.read(sif.find(3), 4_000_000).every((byte) => byte === 7)).toBe(true));
  });

  it('changes nothing without commit', () => {
    const path = image();
    const before = readFileSync(path);
    const sif = WritableSif.open(path);
    sif.add(generic, Buffer.alloc(100_000));
    sif.remove(1);
    sif.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('leaves every byte that it does not know as it is', () => {
    const bytes = sifBytes();
    bytes.fill(0xab, TABLE + 57, TABLE + 73); // user and group of object 1, which nobody uses any more
    bytes.writeInt32LE(0x7777, TABLE); // a type of the future
    bytes.write('77', 45, 'latin1'); // an architecture of the future
    const path = image(bytes);
    change(path, (sif) => sif.add(generic, text('x')));
    const after = readFileSync(path);
    expect(after.subarray(TABLE, TABLE + 2 * DESCRIPTOR_BYTES)).toEqual(
      bytes.subarray(TABLE, TABLE + 2 * DESCRIPTOR_BYTES),
    );
    expect(after.toString('latin1', 45, 47)).toBe('77');
  });

  it('has no dates in an image without dates', () => {
    const bytes = sifBytes();
    bytes.fill(0, 48, 64);
    bytes.writeBigInt64LE(-62135596800n, 64);
    const path = image(bytes);
    expect(change(path, (sif) => sif.add(generic, text('x')).createdS)).toBe(-62135596800);
    look(path, (sif) => expect(sif.header.modifiedS).toBe(-62135596800));
  });

  it('uses the first free place, and the id that goes with it', () => {
    const path = image(sifBytes([definition('a'), definition('b'), definition('c'), partition()]));
    change(path, (sif) => sif.remove(2));
    change(path, (sif) => expect(sif.add(generic, text('new')).id).toBe(2));
    look(path, (sif) => expect(sif.objects.map(({ id }) => id)).toEqual([1, 2, 3, 4]));
  });

  it('never gives an id twice', () => {
    const bytes = sifBytes();
    bytes.writeUInt32LE(3, TABLE + 5); // object 1 says it is object 3
    const path = image(bytes);
    change(path, (sif) => expect(sif.add(generic, text('x')).id).toBe(4));
  });

  it('refuses what has no room', () => {
    const path = image();
    change(path, (sif) => {
      for (let i = 0; i < 46; i++) sif.add(generic, text('x'));
    });
    expect(() => change(path, (sif) => sif.add(generic, text('x')))).toThrow(/insufficient descriptor capacity/);
    expect(() => change(image(), (sif) => sif.add({ ...generic, name: 'x'.repeat(129) }, text('x')))).toThrow(
      'name value too large',
    );
    const path2 = image();
    change(path2, (sif) => sif.add({ ...generic, name: 'x'.repeat(128) }, text('x')));
    look(path2, (sif) => expect(sif.find(3).name).toBe('x'.repeat(128)));
  });
});

describe('removing and choosing', () => {
  it('takes an object out of the table, and the architecture with the primary partition', () => {
    const path = image();
    change(path, (sif) => sif.remove(2));
    look(path, (sif) => {
      expect(sif.objects.map(({ id }) => id)).toEqual([1]);
      expect(sif.header.arch).toBeUndefined();
      expect(sif.header.descriptorsFree).toBe(47);
    });
    expect(() => change(path, (sif) => sif.remove(2))).toThrow('object not found');
    expect(() => change(path, (sif) => sif.remove(0))).toThrow('invalid object ID');
  });

  it('makes another system partition the primary one', () => {
    const second = { partitionType: PartitionType.system, arch: 'arm64' };
    const path = image(sifBytes([definition(), partition(), partition(second)]));
    change(path, (sif) => sif.setPrimary(3));
    look(path, (sif) => {
      expect(sif.header.arch).toBe('arm64');
      expect(sif.find(2).partition?.partitionType).toBe(PartitionType.system);
      expect(sif.find(3).partition?.partitionType).toBe(PartitionType.primarySystem);
    });
    expect(() => change(path, (sif) => sif.setPrimary(1))).toThrow('data object not a partition');
    const data = image(sifBytes([definition(), partition({ partitionType: PartitionType.data })]));
    expect(() => change(data, (sif) => sif.setPrimary(2))).toThrow('data object not a system partition');
  });

  it('takes no second primary partition', () => {
    const info = { fsType: FsType.squashfs, partitionType: PartitionType.primarySystem, arch: 'amd64' };
    const object = { type: DataType.partition, name: '', group: 1, partition: info };
    expect(() => change(image(), (sif) => sif.add(object, text('x')))).toThrow(
      'image already contains a primary partition',
    );
  });
});

describe('what cannot be changed', () => {
  it('is refused while somebody else is changing it', () => {
    const path = image();
    const sif = WritableSif.open(path);
    expect(() => WritableSif.open(path)).toThrow(/somebody else is changing the image/);
    look(path, (reader) => expect(reader.objects).toHaveLength(2));
    sif.close();
    change(path, () => undefined);
  });

  it('is refused when it is damaged', () => {
    const path = image();
    truncateSync(path, 33000);
    expect(() => WritableSif.open(path)).toThrow(/beyond the end of the file/);
    expect(() => SifFile.open(directory)).toThrow(`reading global header: read ${directory}: is a directory`);
    expect(() => SifFile.open(join(directory, 'none'))).toThrow(/^open .*none: no such file or directory$/);
  });
});
