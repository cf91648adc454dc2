/** ASN.1 in DER (X.690), as far as certificates need it: elements with a tag of one byte and a definite length. */
import { RuntimeError } from '../errors';

export interface DerElement {
  tag: number;
  /** The contents. */
  bytes: Buffer;
  /** Tag, length and contents. */
  whole: Buffer;
}

export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The elements that follow each other in `bytes`. @throws RuntimeError KEY for what is no DER */
export function derElements(bytes: Buffer): DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const element = elementAt(bytes, at);
    found.push(element);
    at += element.whole.length;
  }
  return found;
}

function elementAt(bytes: Buffer, at: number): DerElement {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw bad();
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || start + count > bytes.length) throw bad();
    length = bytes.readUIntBE(start, count);
    start += count;
  }
  if (start + length > bytes.length) throw bad();
  return { tag, bytes: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

/** The first element, which must have this tag. @throws RuntimeError KEY */
export function derElement(bytes: Buffer, tag: number): DerElement {
  const [element] = derElements(bytes);
  if (element?.tag !== tag) throw bad();
  return element;
}

/** `1.2.840.…` */
export function oidText({ bytes }: DerElement): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of bytes) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = numbers;
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...rest].join('.');
}

function bad(): RuntimeError {
  return new RuntimeError('KEY', 'the certificate is malformed');
}

export interface Extension {
  oid: string;
  critical: boolean;
  value: Buffer;
}

/** The extensions of a certificate (RFC 5280, 4.1): its tbsCertificate has them behind the tag [3]. */
export function certificateExtensions(certificate: Buffer): Extension[] {
  const [tbs] = derElements(derElement(certificate, Tag.sequence).bytes);
  const list = tbs && derElements(tbs.bytes).find(({ tag }) => tag === 0xa3);
  if (!list) return [];
  return derElements(derElement(list.bytes, Tag.sequence).bytes).map(({ bytes }) => {
    const [oid, ...rest] = derElements(bytes);
    const value = rest.at(-1);
    if (oid?.tag !== Tag.oid || value?.tag !== Tag.octetString) throw bad();
    const critical = rest[0]?.tag === Tag.boolean && rest[0].bytes[0] !== 0;
    return { oid: oidText(oid), critical, value: value.bytes };
  });
}
