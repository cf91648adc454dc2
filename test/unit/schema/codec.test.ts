import { resolve } from 'node:path';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { codec, type Tables } from '../../../src/schema/codec';
import { davit } from '../../../src/schema/generated/launch';
import { davit as records } from '../../../src/schema/generated/record';

/** Every kind of field, and the same as protobufjs reads it. */
const tables: Tables = {
  All: [
    ...[1, 'flag', 'b', 2, 'count', 'u', 3, 'level', 'i', 4, 'seconds', 'd', 5, 'text', 's', 6, 'blob', 'y'],
    ...[7, 'inner', 'All', -8, 'words', 's', -9, 'blobs', 'y', -10, 'items', 'All', 2000, 'far', 'u'],
  ],
};
const schema = `syntax = "proto3";
  message All {
    bool flag = 1; uint64 count = 2; int64 level = 3; double seconds = 4; string text = 5; bytes blob = 6;
    All inner = 7; repeated string words = 8; repeated bytes blobs = 9; repeated All items = 10; uint32 far = 2000;
  }`;
const all = codec<object, Record<string, unknown>>(tables, 'All');
const judge = protobuf.parse(schema).root.lookupType('All');
const encode = (message: object): Uint8Array => all.encode(message).finish();
const judged = (bytes: Uint8Array): object =>
  judge.toObject(judge.decode(bytes), { longs: Number, bytes: Array, arrays: false });

const nothing = { flag: false, count: 0, level: 0, seconds: 0, text: '', blob: new Uint8Array(), far: 0 };
const empty = { ...nothing, inner: undefined, words: [], blobs: [], items: [] };

describe('the codec writes what protobufjs reads', () => {
  it.each<[string, object]>([
    ['booleans', { flag: true }],
    ['no value at all', {}],
    ...[1, 127, 128, 300, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER].map(
      (count): [string, object] => [`the number ${count}`, { count, far: count % 1000 }],
    ),
    ...[-1, -3, -128, -(2 ** 31), -(2 ** 32) - 5, Number.MIN_SAFE_INTEGER, 5].map((level): [string, object] => [
      `the signed number ${level}`,
      { level },
    ]),
    ['a fraction', { seconds: -12.5 }],
    ['text beyond ASCII', { text: 'Übergröße \u{1f680}' }],
    ['lists', { words: ['a', '', 'ccc'] }],
    [
      'messages in messages',
      { inner: { inner: { text: 'x' } }, items: [{ count: 1 }, {}, { items: [{ text: 'y' }] }] },
    ],
  ])('%s', (_, message) => {
    expect(judged(encode(message))).toEqual(message);
  });

  it('bytes', () => {
    const bytes = encode({ blob: Uint8Array.of(0, 255), blobs: [Uint8Array.of(1), new Uint8Array()] });
    expect(judged(bytes)).toEqual({ blob: [0, 255], blobs: [[1], []] });
  });

  it.each([126, 127, 128, 129, 16_383, 16_384, 70_000])('a message of about %d bytes inside another', (length) => {
    const inner = { text: 'x'.repeat(length), inner: { text: 'y'.repeat(length) } };
    const message = { inner, items: [inner, inner] };
    expect(judged(encode(message))).toEqual(message);
  });

  it('leaves out what is undefined or null', () => {
    expect(encode({ flag: undefined, text: null, inner: undefined, words: undefined })).toHaveLength(0);
  });
});

describe('the codec reads what protobufjs writes', () => {
  const message = {
    ...{ flag: true, count: 2 ** 45, level: -77, seconds: 0.25, text: 'täxt', far: 9 },
    ...{ inner: { level: -1, words: ['w'] }, words: ['a', 'b'], items: [{ count: 3 }, {}] },
  };

  it('all kinds of fields', () => {
    const filled = { ...empty, ...message };
    const items = [{ ...empty, count: 3 }, empty];
    const read = all.decode(judge.encode(judge.create(message)).finish());
    expect(read).toEqual({ ...filled, inner: { ...empty, level: -1, words: ['w'] }, items });
  });

  it('absent fields as the zeros of their types', () => {
    expect(all.decode(new Uint8Array())).toEqual(empty);
  });

  it('the last value of a field that comes twice', () => {
    expect(all.decode(Buffer.concat([encode({ text: 'old' }), encode({ text: 'new' })]))).toMatchObject({
      text: 'new',
    });
  });

  it('a message with fields that it does not know', () => {
    const newer = protobuf
      .parse(
        `syntax = "proto3"; message New { string text = 5; uint32 a = 20; string b = 21; double c = 22; fixed32 d = 23; New e = 24; }`,
      )
      .root.lookupType('New');
    const bytes = newer.encode(newer.create({ text: 'x', a: 300, b: 'b', c: 1.5, d: 7, e: { text: 'y' } })).finish();
    expect(all.decode(bytes)).toEqual({ ...empty, text: 'x' });
  });

  it('text in bytes of its own: what was read does not change with the buffer', () => {
    const bytes = Buffer.from(encode({ blob: Uint8Array.of(7, 8) }));
    const { blob } = all.decode(bytes) as { blob: Uint8Array };
    bytes.fill(0);
    expect([...blob]).toEqual([7, 8]);
  });
});

describe('damaged bytes', () => {
  const whole = encode({ count: 300, seconds: 1, text: 'text', inner: { text: 'inner' }, words: ['word'] });

  it('are refused or read, and never run away: every length, every byte changed', () => {
    for (let length = 0; length < whole.length; length++) attempt(whole.subarray(0, length));
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 1, 7, 127, 128, 255]) {
        const changed = Uint8Array.from(whole);
        changed[at] = value;
        attempt(changed);
      }
    }
  });

  function attempt(bytes: Uint8Array): void {
    try {
      all.decode(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }

  it.each<[string, number[]]>([
    ['a number that is cut off', [0x10, 0x80]],
    ['a number of eleven bytes', [0x10, ...new Array<number>(10).fill(0xff), 1]],
    ['text beyond the end', [0x2a, 5, 65]],
    ['a message beyond the end', [0x3a, 5, 0x10, 1]],
    ['a field that ends behind its message', [0x3a, 1, 0x10, 1]],
    ['a fraction that is cut off', [0x21, 0, 0]],
    ['field number 0', [0x00, 0]],
    ['a group', [0x0b]],
    ['another wire type than the field has', [0x28, 1]],
  ])('%s', (_, bytes) => {
    expect(() => all.decode(Uint8Array.from(bytes))).toThrow(RangeError);
  });
});

describe('the generated tables', () => {
  /** One of everything that the schema has, three messages deep. */
  function sample(type: protobuf.Type, depth: number): Record<string, unknown> {
    const message: Record<string, unknown> = {};
    for (const [index, field] of type.fieldsArray.entries()) {
      field.resolve();
      // Of several fields in a oneof, one.
      if (field.partOf && index % field.partOf.fieldsArray.length !== depth % field.partOf.fieldsArray.length) continue;
      const value = sampleValue(field, index, depth);
      if (value !== undefined) message[field.name] = field.repeated ? [value, value] : value;
    }
    return message;
  }

  function sampleValue(field: protobuf.Field, index: number, depth: number): unknown {
    if (field.resolvedType instanceof protobuf.Type)
      return depth > 3 ? undefined : sample(field.resolvedType, depth + 1);
    if (field.type === 'string') return `${field.name} ${index}`;
    if (field.type === 'bytes') return Uint8Array.of(index, 1);
    if (field.type === 'bool') return true;
    if (field.type === 'double') return index + 0.5;
    return index + 1;
  }

  it.each([
    ['launch', 'LaunchPlan'],
    ['launch', 'LaunchReport'],
    ['record', 'InstanceRecord'],
  ])('of %s.proto: %s', (file, name) => {
    const root = protobuf.loadSync(resolve(`src/schema/${file}.proto`));
    const type = root.lookupType(`davit.${name}`);
    const codecs = { ...davit, ...records } as unknown as Record<string, ReturnType<typeof codec<object, object>>>;
    const generated = codecs[name] as (typeof codecs)[string];
    for (let depth = 0; depth < 20; depth++) {
      const message = sample(type, depth % 4);
      const bytes = generated.encode(message).finish();
      const read = type.toObject(type.decode(Uint8Array.from(bytes)), { longs: Number, enums: Number });
      expect(read).toEqual(message);
      expect(generated.decode(bytes)).toMatchObject(message);
    }
  });
});
