/** X.509 certificates of signing keys: a chain to an authority that is trusted, made for code signing (RFC 5280, 6). */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { RuntimeError } from '../../errors';
import { certificateExtensions, derElement, derElements, Tag } from '../../formats/der';
import { systemCertificates } from '../image/transfer/certificates';
import { checkKind, readKeyFile } from './pem-key';

type Environment = Readonly<Record<string, string | undefined>>;

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Extensions that are looked at below, or that say nothing about who may sign. */
const UNDERSTOOD = ['2.5.29.15', '2.5.29.17', '2.5.29.18', '2.5.29.19', '2.5.29.37'];
const BASIC_CONSTRAINTS = '2.5.29.19';
const NAME_CONSTRAINTS = '2.5.29.30';
/** Extended key usages. */
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const ANY_USAGE = '2.5.29.37.0';

const MAX_CHAIN = 10;

/** The first certificate of a file. @throws RuntimeError KEY */
export function loadCertificate(path: string): X509Certificate {
  return loadCertificates(path)[0] as X509Certificate;
}

/** All certificates of a file, at least one. @throws RuntimeError KEY */
export function loadCertificates(path: string): X509Certificate[] {
  const found = readKeyFile(path).match(PEM) ?? [];
  if (found.length === 0) throw new RuntimeError('KEY', 'failed to decode PEM', { path });
  return found.map((text) => parse(text, path));
}

function parse(text: string, path: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new RuntimeError('KEY', `${path}: ${(cause as Error).message}`, { path, cause });
  }
}

/** Whom the system trusts; a certificate of its bundle that cannot be read is left out. */
export function systemRoots(env: Environment): X509Certificate[] {
  return systemCertificates(env).flatMap((text) => {
    try {
      return (text.match(PEM) ?? []).map((one) => new X509Certificate(one));
    } catch {
      return [];
    }
  });
}

export interface Trust {
  intermediates: readonly X509Certificate[];
  roots: readonly X509Certificate[];
  /** For tests. */
  now?: Date;
}

/**
 * The key of a certificate that a trusted authority vouches for.
 * @throws RuntimeError KEY with the reason
 */
export function certifiedKey(certificate: X509Certificate, trust: Trust): KeyObject {
  const chain = trustedChain(certificate, trust);
  checkUsages(chain);
  const key = certificate.publicKey;
  checkKind(key, certificate.subject);
  return key;
}

/** From the certificate to a root, both included. @throws RuntimeError KEY */
export function trustedChain(certificate: X509Certificate, trust: Trust): X509Certificate[] {
  const failures: RuntimeError[] = [];
  const chain = extend([certificate], trust, failures);
  if (chain) return chain;
  throw (
    failures[0] ??
    new RuntimeError('KEY', 'x509: certificate signed by unknown authority', {
      hint: '--certificate-roots names the authority, --certificate-intermediates those between',
    })
  );
}

function extend(chain: X509Certificate[], trust: Trust, failures: RuntimeError[]): X509Certificate[] | undefined {
  const last = chain.at(-1) as X509Certificate;
  try {
    checkCertificate(last, chain.length - 1, trust.now ?? new Date());
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    failures.push(error);
    return undefined;
  }
  if (trust.roots.some((root) => root.raw.equals(last.raw))) return chain;
  if (chain.length === MAX_CHAIN) return undefined;
  for (const issuer of [...trust.roots, ...trust.intermediates]) {
    if (chain.some((one) => one.raw.equals(issuer.raw)) || !isIssuer(issuer, last)) continue;
    const found = extend([...chain, issuer], trust, failures);
    if (found) return found;
  }
  return undefined;
}

/** Names, key ids and the right to sign certificates are compared by checkIssued (X509_check_issued(3)). */
function isIssuer(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** @param below how many certificates of the chain are below it: with any, it must be an authority */
function checkCertificate(certificate: X509Certificate, below: number, now: Date): void {
  const { subject, validFrom, validTo } = certificate;
  const name = subject.replace(/\n/g, ', ');
  if (now < new Date(validFrom) || now > new Date(validTo)) {
    throw new RuntimeError('KEY', 'x509: certificate has expired or is not yet valid', {
      hint: `${name} is valid from ${validFrom} to ${validTo}`,
    });
  }
  const extensions = certificateExtensions(certificate.raw);
  const unknown = extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.includes(oid));
  const constrained = extensions.find(({ oid }) => oid === NAME_CONSTRAINTS);
  if (unknown || constrained) {
    throw new RuntimeError('KEY', 'x509: unhandled critical extension', {
      hint: `${name} has the extension ${(unknown ?? constrained)?.oid}`,
    });
  }
  if (below === 0) return;
  const basic = extensions.find(({ oid }) => oid === BASIC_CONSTRAINTS);
  if (!certificate.ca || !basic) {
    throw new RuntimeError('KEY', 'x509: invalid signature: parent certificate cannot sign this kind of certificate', {
      hint: `${name} is no authority`,
    });
  }
  // The one at the bottom does not count (RFC 5280, 4.2.1.9).
  if (below - 1 > longestPath(basic.value))
    throw new RuntimeError('KEY', 'x509: too many intermediates for path length constraint');
}

function longestPath(basicConstraints: Buffer): number {
  const length = derElements(derElement(basicConstraints, Tag.sequence).bytes).find(({ tag }) => tag === Tag.integer);
  return length ? Number.parseInt(length.bytes.toString('hex'), 16) : Number.POSITIVE_INFINITY;
}

/** A certificate without usages may be used for anything; each that names some must name code signing. */
function checkUsages(chain: readonly X509Certificate[]): void {
  for (const { keyUsage, subject } of chain) {
    // Extended key usages, whatever the property's name says.
    const usages = keyUsage as string[] | undefined;
    if (usages === undefined || usages.some((usage) => usage === CODE_SIGNING || usage === ANY_USAGE)) continue;
    throw new RuntimeError('KEY', 'x509: certificate specifies an incompatible key usage', {
      hint: `${subject.replace(/\n/g, ', ')} is not for code signing`,
    });
  }
}
