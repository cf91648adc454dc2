/**
 * Protocol buffers (proto3, protobuf.dev/programming-guides/encoding) by table: the generated modules say which fields
 * there are, the functions here write and read them. Functions made for each message would be faster after a thousand
 * messages and are slower for the one message of a start, for they all have to be loaded first.
 */

/**
 * The fields of a message as triples, in ascending order of their numbers: number, name, kind. A negative number marks a
 * repeated field. The kind is one of KINDS, or the name of a message.
 */
export type Fields = readonly (number | string)[];

/** Kinds of the scalar types; integers are exact up to 2^53. The generator (scripts/codec-modules.mjs) knows no others. */
export const KINDS = { bool: 'b', unsigned: 'u', signed: 'i', double: 'd', text: 's', bytes: 'y' } as const;

/** Every message that a message of the module holds, by its name. */
export type Tables = Readonly<Record<string, Fields>>;

/** Writes and reads one kind of message. */
export interface Codec<Written, Read> {
  /** Members that are undefined or null are left out; all others are written, whatever their value. */
  encode(message: Written): { finish(): Uint8Array };
  /**
   * Absent scalars have the zero of their type, absent lists are empty, absent messages are undefined.
   * @throws RangeError for bytes that end early or are no message
   */
  decode(bytes: Uint8Array): Read;
}

/** The codec of the message `name`. */
export function codec<Written extends object, Read>(tables: Tables, name: string): Codec<Written, Read> {
  return {
    encode: (message) => ({ finish: () => new Encoder(tables).encode(name, message as Values) }),
    decode: (bytes) => new Decoder(tables, bytes).decode(name, bytes.length) as Read,
  };
}

type Values = Record<string, unknown>;

/** Wire types. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

const TWO_32 = 4294967296;
/** No tag, length or number takes more than ten bytes. */
const HEAD_BYTES = 20;
/** Most plans have about 3 KiB. */
const FIRST_BYTES = 8192;

class Encoder {
  private buffer = Buffer.allocUnsafe(FIRST_BYTES);
  private at = 0;

  constructor(private readonly tables: Tables) {}

  encode(name: string, message: Values): Uint8Array {
    this.fields(name, message);
    return this.buffer.subarray(0, this.at);
  }

  private fields(name: string, message: Values): void {
    const fields = this.tables[name] as Fields;
    for (let i = 0; i < fields.length; i += 3) {
      const value = message[fields[i + 1] as string];
      if (value === undefined || value === null) continue;
      const number = fields[i] as number;
      const kind = fields[i + 2] as string;
      if (number > 0) this.field(number, kind, value);
      else for (const item of value as unknown[]) this.field(-number, kind, item);
    }
  }

  private field(number: number, kind: string, value: unknown): void {
    this.reserve(HEAD_BYTES);
    switch (kind) {
      case KINDS.bool:
      case KINDS.unsigned:
      case KINDS.signed:
        this.varint(number * 8 + VARINT);
        this.varint(Number(value));
        break;
      case KINDS.double:
        this.varint(number * 8 + FIXED64);
        this.double(value as number);
        break;
      case KINDS.text:
        this.bytes(number, Buffer.from(value as string));
        break;
      case KINDS.bytes:
        this.bytes(number, value as Uint8Array);
        break;
      default:
        this.nested(number, kind, value as Values);
    }
  }

  private bytes(number: number, bytes: Uint8Array): void {
    this.reserve(HEAD_BYTES + bytes.length);
    this.varint(number * 8 + DELIMITED);
    this.varint(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** The length stands in front of the content: one byte is kept for it, and the content moved when it needs more. */
  private nested(number: number, name: string, message: Values): void {
    this.varint(number * 8 + DELIMITED);
    const start = this.at + 1;
    this.at = start;
    this.fields(name, message);
    const length = this.at - start;
    let width = 1;
    for (let rest = length; rest > 127; rest >>>= 7) width += 1;
    if (width > 1) {
      this.reserve(HEAD_BYTES);
      this.buffer.copyWithin(start - 1 + width, start, this.at);
    }
    this.at = start - 1;
    this.varint(length);
    this.at += length;
  }

  /** A whole number; a negative one as the 64 bits of its two's complement. */
  private varint(value: number): void {
    let low = value >>> 0;
    let high = Math.floor(value / TWO_32) >>> 0;
    while (low > 127 || high > 0) {
      this.buffer[this.at++] = (low & 127) | 128;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.buffer[this.at++] = low;
  }

  private double(value: number): void {
    new DataView(this.buffer.buffer, this.buffer.byteOffset).setFloat64(this.at, value, true);
    this.at += 8;
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe((this.buffer.length + bytes) * 2);
    larger.set(this.buffer.subarray(0, this.at));
    this.buffer = larger;
  }
}

class Decoder {
  private at = 0;
  /** Upper half of the number that was read last. */
  private high = 0;
  private readonly bytes: Buffer;

  constructor(
    private readonly tables: Tables,
    bytes: Uint8Array,
  ) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  decode(name: string, end: number): Values {
    const fields = this.tables[name] as Fields;
    const message = emptyMessage(fields);
    let i = 0;
    while (this.at < end) {
      const tag = this.unsigned();
      const number = Math.floor(tag / 8);
      const wire = tag & 7;
      if (number === 0) throw new RangeError(`field number 0 at ${this.at}`);
      i = indexOfField(fields, number, i);
      if (i === fields.length) {
        this.skip(wire, end);
        continue;
      }
      const value = this.field(fields[i + 2] as string, wire, end);
      const key = fields[i + 1] as string;
      if ((fields[i] as number) < 0) (message[key] as unknown[]).push(value);
      else message[key] = value;
    }
    if (this.at > end) throw new RangeError(`a field ends behind its message, at ${this.at}`);
    return message;
  }

  private field(kind: string, wire: number, end: number): unknown {
    const expected = wireTypeOf(kind);
    if (wire !== expected) throw new RangeError(`wire type ${wire} at ${this.at}, not ${expected}`);
    if (kind === KINDS.bool) return this.unsigned() !== 0;
    if (kind === KINDS.unsigned) return this.unsigned();
    if (kind === KINDS.signed) return this.signed();
    if (kind === KINDS.double) return this.double(end);
    const length = this.unsigned();
    const start = this.advance(length, end);
    if (kind === KINDS.text) return this.bytes.toString('utf8', start, this.at);
    if (kind === KINDS.bytes) return Uint8Array.from(this.bytes.subarray(start, this.at));
    this.at = start;
    return this.decode(kind, start + length);
  }

  private skip(wire: number, end: number): void {
    if (wire === VARINT) this.unsigned();
    else if (wire === FIXED64) this.advance(8, end);
    else if (wire === FIXED32) this.advance(4, end);
    else if (wire === DELIMITED) this.advance(this.unsigned(), end);
    else throw new RangeError(`unknown wire type ${wire} at ${this.at}`);
  }

  /** Passes over `length` bytes. @returns where they begin */
  private advance(length: number, end: number): number {
    const start = this.at;
    if (length > end - start) throw new RangeError(`${length} bytes at ${start}, beyond the end at ${end}`);
    this.at = start + length;
    return start;
  }

  private unsigned(): number {
    const byte = this.bytes[this.at];
    if (byte !== undefined && byte < 128) {
      this.at += 1;
      return byte;
    }
    const low = this.varint();
    return this.high * TWO_32 + low;
  }

  private signed(): number {
    const low = this.varint();
    return (this.high | 0) * TWO_32 + low;
  }

  /** @returns the lower half of 64 bits; the upper half is in `high` */
  private varint(): number {
    let low = 0;
    this.high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError(`a number is cut off at ${this.at - 1}`);
      const bits = byte & 127;
      if (shift < 32) low = (low | (bits << shift)) >>> 0;
      if (shift === 28) this.high = bits >>> 4;
      else if (shift > 28) this.high = (this.high | (bits << (shift - 32))) >>> 0;
      if (byte < 128) return low;
    }
    throw new RangeError(`a number of more than ten bytes at ${this.at}`);
  }

  private double(end: number): number {
    const start = this.advance(8, end);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset).getFloat64(start, true);
  }
}

/** Place of a field, or the length of the table; `from` is where the last one was: most writers keep their order. */
function indexOfField(fields: Fields, number: number, from: number): number {
  for (let i = from; i < fields.length; i += 3) if (fields[i] === number || fields[i] === -number) return i;
  for (let i = 0; i < from; i += 3) if (fields[i] === number || fields[i] === -number) return i;
  return fields.length;
}

function wireTypeOf(kind: string): number {
  switch (kind) {
    case KINDS.bool:
    case KINDS.unsigned:
    case KINDS.signed:
      return VARINT;
    case KINDS.double:
      return FIXED64;
    default:
      return DELIMITED;
  }
}

function emptyMessage(fields: Fields): Values {
  const message: Values = {};
  for (let i = 0; i < fields.length; i += 3) {
    message[fields[i + 1] as string] = (fields[i] as number) < 0 ? [] : emptyValue(fields[i + 2] as string);
  }
  return message;
}

function emptyValue(kind: string): unknown {
  switch (kind) {
    case KINDS.bool:
      return false;
    case KINDS.text:
      return '';
    case KINDS.bytes:
      return new Uint8Array();
    default:
      return kind.length === 1 ? 0 : undefined;
  }
}
