/** Certificates that openssl(1) makes, by an authority that nobody knows. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** The authority's, as PEM text, and the file that holds it. */
  ca: string;
  caFile: string;
  /** For 127.0.0.1, localhost and registry.test. */
  cert: string;
  key: string;
}

/** Made in a directory below `directory`. */
export function makeCertificates(directory: string): Certificates {
  const work = join(directory, 'certificates');
  mkdirSync(work, { recursive: true });
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: work, stdio: ['ignore', 'pipe', 'pipe'] });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-days', '2', '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test authority');
  openssl('req', ...key, '-keyout', 'key', '-out', 'request', '-subj', '/CN=127.0.0.1');
  writeFileSync(join(work, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test\n');
  const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names', '-days', '2'];
  openssl('x509', '-req', '-in', 'request', ...sign, '-out', 'cert');
  const read = (name: string): string => readFileSync(join(work, name), 'utf8');
  return { ca: read('ca.crt'), caFile: join(work, 'ca.crt'), cert: read('cert'), key: read('key') };
}
