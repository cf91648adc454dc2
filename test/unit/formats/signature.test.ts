import { describe, expect, it } from 'vitest';
import { DataType } from '../../../src/formats/sif/constants';
import { DSSE_PAYLOAD_TYPE, decodeEnvelope, encodeEnvelope, signedEnvelopeBytes } from '../../../src/formats/sif/dsse';
import { decodeMetadata, digestOf, encodeMetadata, signedDescriptorBytes } from '../../../src/formats/sif/integrity';
import {
  clearSigned,
  decodeSignatureInfo,
  encodeSignatureInfo,
  fingerprintOf,
  isLegacySignature,
  legacyDigest,
  signatureForm,
} from '../../../src/formats/sif/signature';

const digest = digestOf([Buffer.from('abc')]);
const metadata = { headerDigest: digest, objects: [{ relativeId: 0, descriptorDigest: digest, objectDigest: digest }] };

const message = (text: string, end = '\n'): Buffer =>
  Buffer.from(
    `-----BEGIN PGP SIGNED MESSAGE-----${end}Hash: SHA256${end}${end}${text}${end}-----BEGIN PGP SIGNATURE-----${end}${end}AAAA${end}-----END PGP SIGNATURE-----${end}`,
  );

describe('the text that is signed', () => {
  it('is compact JSON with keys in the order of the reference', () => {
    expect(encodeMetadata(metadata)).toBe(
      `{"version":1,"header":{"digest":"${digest}"},"objects":[{"relativeId":0,"descriptorDigest":"${digest}","objectDigest":"${digest}"}]}`,
    );
    expect(decodeMetadata(encodeMetadata(metadata))).toEqual(metadata);
  });

  it.each([
    ['no JSON', 'x'],
    ['a list', '[]'],
    ['another version', encodeMetadata(metadata).replace('"version":1', '"version":2')],
    ['no header', '{"version":1,"objects":[]}'],
    ['an id that is none', encodeMetadata(metadata).replace('"relativeId":0', '"relativeId":-1')],
    ['an unknown algorithm', encodeMetadata(metadata).replaceAll('sha256:', 'md5:')],
    ['a digest that is too short', encodeMetadata(metadata).replaceAll(digest, 'sha256:abcd')],
    ['a property of every object as algorithm', encodeMetadata(metadata).replaceAll('sha256:', 'constructor:')],
  ])('refuses %s', (_what, text) => {
    expect(() => decodeMetadata(text)).toThrowError(expect.objectContaining({ code: 'INTEGRITY' }));
  });

  it('knows SHA-512/256 by the name of the reference', () => {
    // FIPS 180-4, example of SHA-512/256 for "abc".
    expect(digestOf([Buffer.from('abc')], 'sha512_256')).toBe(
      'sha512_256:53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23',
    );
  });

  it('covers type, use, id in the group, link, size, creation, owner, name and metadata of an object', () => {
    const entry = Buffer.from(Array.from({ length: 585 }, (_, at) => at % 251));
    const bytes = signedDescriptorBytes(entry, 7);
    expect(bytes.length).toBe(4 + 1 + 4 + 4 + 8 + 8 + 8 + 8 + 128 + 384);
    expect(bytes.readUInt32LE(5)).toBe(7);
    const changed = (at: number): boolean => {
      const other = Buffer.from(entry);
      other[at] = (other[at] as number) ^ 1;
      return !signedDescriptorBytes(other, 7).equals(bytes);
    };
    // Id, group, place, padded size and modification may change without breaking a signature.
    const free = [5, 8, 9, 12, 17, 24, 33, 40, 49, 56];
    const bound = [0, 4, 13, 16, 25, 32, 41, 48, 57, 72, 73, 200, 201, 584];
    expect(free.filter(changed)).toEqual([]);
    expect(bound.filter((at) => !changed(at))).toEqual([]);
  });
});

describe('signature objects', () => {
  it('name the hash and the fingerprint', () => {
    const fingerprint = '0123456789abcdef0123456789abcdef01234567';
    const bytes = encodeSignatureInfo({ hash: 'sha512', fingerprint });
    expect(bytes.length).toBe(260);
    expect(decodeSignatureInfo(bytes)).toEqual({ hash: 'sha512', fingerprint });
    expect(fingerprintOf(encodeSignatureInfo({ hash: 'sha256' }))).toBeUndefined();
    expect(DataType.signature).toBe(0x4005);
  });

  it('with another hash are refused', () => {
    const bytes = encodeSignatureInfo({ hash: 'sha256' });
    bytes.writeInt32LE(4, 0);
    expect(() => decodeSignatureInfo(bytes)).toThrowError('hash algorithm unsupported');
  });

  it('are told apart by what they hold', () => {
    expect(signatureForm(message('text'))).toBe('clear-signed');
    const envelope = { payloadType: DSSE_PAYLOAD_TYPE, payload: Buffer.from('x'), signatures: [] };
    expect(signatureForm(encodeEnvelope(envelope))).toBe('dsse');
    expect(signatureForm(encodeEnvelope({ ...envelope, payloadType: 'text/plain' }))).toBe('unknown');
    for (const other of ['', '{}', 'null', '[1]', 'text', '-----BEGIN PGP SIGNED MESSAGE-----']) {
      expect(signatureForm(Buffer.from(other))).toBe('unknown');
    }
  });
});

describe('clear-signed messages', () => {
  it.each(['\n', '\r\n'])('are found among other lines, with line ends %j', (end) => {
    const found = clearSigned(
      Buffer.concat([Buffer.from(`before${end}`), message('text', end), Buffer.from('behind')]),
    );
    expect(found).toEqual({ message: message('text').toString(), text: 'text' });
  });

  it('have lines with dashes escaped', () => {
    expect(clearSigned(message('- -a\n- - b\nc'))?.text).toBe('-a\n- b\nc');
  });

  it('must begin a line, and be whole', () => {
    expect(clearSigned(Buffer.from(`x${message('t')}`))).toBeUndefined();
    expect(clearSigned(message('t').subarray(0, -6))).toBeUndefined();
  });

  it('of before 2020 hold a digest', () => {
    const hex = 'ab'.repeat(48);
    expect(isLegacySignature(message(`SIFHASH:\n${hex}`))).toBe(true);
    expect(isLegacySignature(message(encodeMetadata(metadata)))).toBe(false);
    expect(legacyDigest(`SIFHASH:\n${hex}\n`, 'sha384')).toBe(`sha384:${hex}`);
    expect(() => legacyDigest(`SIFHASH:\n${hex}\n`, 'sha256')).toThrowError('digest malformed');
  });

  it('are found in linear time', () => {
    const lines = '-----BEGIN PGP SIGNED MESSAGE-----\n'.repeat(50_000);
    expect(clearSigned(Buffer.from(lines))).toBeUndefined();
    expect(clearSigned(Buffer.from(`${lines}\n${' \n'.repeat(500_000)}`))).toBeUndefined();
  });
});

describe('DSSE envelopes', () => {
  it('sign type and payload with their lengths in bytes', () => {
    // protocol.md of DSSE, "test vectors".
    const bytes = signedEnvelopeBytes('http://example.com/HelloWorld', Buffer.from('hello world'));
    expect(bytes.toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('come back as they were', () => {
    const envelope = {
      payloadType: DSSE_PAYLOAD_TYPE,
      payload: Buffer.from('x'),
      signatures: [{ keyId: 'SHA256:a', signature: Buffer.from('s') }],
    };
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
  });

  it.each(['', 'x', '{}', '{"payloadType":1,"payload":"eA=="}', '[]'])('%j is none', (text) => {
    expect(decodeEnvelope(Buffer.from(text))).toBeUndefined();
  });
});
