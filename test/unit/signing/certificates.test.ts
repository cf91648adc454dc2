import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { certifiedKey, loadCertificates, systemRoots } from '../../../src/runtime/signing/certificates';
import * as signed from '../../fixtures/signed';
import { inDecember2026, ownPlace } from './support';

const place = ownPlace();
inDecember2026();
const read = (pem: string): X509Certificate => new X509Certificate(pem);
const roots = [read(signed.rootCertificate)];
const intermediates = [read(signed.middleCertificate)];
const trust = { roots, intermediates };

describe('a certificate', () => {
  it('is trusted through its chain, whatever the order', () => {
    const signer = read(signed.signerCertificate);
    const key = certifiedKey(signer, trust);
    expect(key.asymmetricKeyType).toBe('ec');
    const others = [read(signed.deepMiddle), ...intermediates, read(signed.serverCertificate), signer];
    expect(certifiedKey(signer, { roots: [read(signed.constrainedRoot), ...roots], intermediates: others })).toEqual(
      key,
    );
    expect(certifiedKey(signer, { roots: [signer], intermediates: [] })).toEqual(key);
  });

  it.each<[string, string, Parameters<typeof certifiedKey>[1], string]>([
    [
      'without the one in the middle',
      signed.signerCertificate,
      { roots, intermediates: [] },
      'certificate signed by unknown authority',
    ],
    [
      'without the root',
      signed.signerCertificate,
      { roots: [], intermediates },
      'certificate signed by unknown authority',
    ],
    [
      'of another authority',
      signed.signerCertificate,
      { roots: [read(signed.constrainedRoot)], intermediates },
      'certificate signed by unknown authority',
    ],
    ['for servers', signed.serverCertificate, trust, 'certificate specifies an incompatible key usage'],
    ['that has expired', signed.expiredCertificate, trust, 'certificate has expired or is not yet valid'],
    [
      'not valid yet',
      signed.signerCertificate,
      { ...trust, now: new Date('2020-01-01') },
      'certificate has expired or is not yet valid',
    ],
    [
      'below an authority that must not have one',
      signed.deepCertificate,
      { roots, intermediates: [...intermediates, read(signed.deepMiddle)] },
      'too many intermediates for path length constraint',
    ],
    [
      'by an authority for some names',
      signed.constrainedCertificate,
      { roots: [read(signed.constrainedRoot)], intermediates: [] },
      'unhandled critical extension',
    ],
    [
      'by one that is no authority',
      signed.signerCertificate,
      { roots: [read(signed.serverCertificate)], intermediates },
      'certificate signed by unknown authority',
    ],
  ])('%s is refused', (_what, pem, trusted, why) => {
    expect(() => certifiedKey(read(pem), trusted)).toThrowError(`x509: ${why}`);
  });

  it('comes out of a file with others, and is missed where there is none', () => {
    const both = place.write('both.pem', `words\n${signed.rootCertificate}\n${signed.middleCertificate}`);
    expect(loadCertificates(both).map(({ subject }) => subject)).toEqual(['CN=root', 'CN=inter']);
    expect(() => loadCertificates(place.write('key.pem', signed.signerKey))).toThrowError('failed to decode PEM');
    expect(() => loadCertificates(place.path('nosuch'))).toThrowError(/^open .*nosuch: no such file or directory$/);
    const broken = signed.rootCertificate.replace(/MI..../, 'AAAAAA');
    expect(() => loadCertificates(place.write('broken.pem', broken))).toThrowError(
      expect.objectContaining({ code: 'KEY' }),
    );
  });

  it('may be the system’s authority', () => {
    const path = place.write('bundle.pem', signed.rootCertificate);
    expect(systemRoots({ SSL_CERT_FILE: path }).map(({ subject }) => subject)).toEqual(['CN=root']);
  });
});
