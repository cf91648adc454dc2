import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestAll } from '../../../src/runtime/image/transfer/answer';
import type { HttpOptions } from '../../../src/runtime/image/transfer/http';
import { client, scratch, serve } from './support';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

/** An authority of our own, and a certificate of it for 127.0.0.1. */
function makeCertificates(): { ca: string; cert: string; key: string } {
  const directory = scratch();
  const openssl = (...args: string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test authority');
  openssl('req', ...ec.slice(0, 5), '-keyout', 'key', '-out', 'csr', '-subj', '/CN=127.0.0.1');
  writeFileSync(join(directory, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
  const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'ext', '-days', '2'];
  openssl('x509', '-req', '-in', 'csr', ...sign, '-out', 'cert');
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  return { ca: read('ca.crt'), cert: read('cert'), key: read('key') };
}

describe.skipIf(!hasOpenssl)('https', () => {
  let server: Server;
  let ca: string;
  let host: string;

  beforeAll(async () => {
    const made = makeCertificates();
    ca = made.ca;
    server = createServer({ cert: made.cert, key: made.key }, (request, response) => {
      response.end(`secret ${request.headers.authorization ?? ''}`);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  const caFile = (): string => {
    const path = join(scratch(), 'ca.pem');
    writeFileSync(path, ca);
    return path;
  };
  const get = async (options: Partial<HttpOptions>, more = {}): Promise<string> => {
    const { bytes } = await requestAll(client(options), { url: new URL(`https://${host}/`), ...more }, 100);
    return bytes.toString();
  };

  test('an unknown authority is refused, with a way out', async () => {
    await expect(get({})).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/^Get "https:\/\/127\.0\.0\.1:\d+\/": tls: failed to verify certificate: /),
      hint: expect.stringContaining('registry ca file'),
    });
  });

  test('authorities by configuration and by variables', async () => {
    expect(await get({ trust: { caFile: caFile() } })).toBe('secret ');
    expect(await get({ env: { NODE_EXTRA_CA_CERTS: caFile() } })).toBe('secret ');
    expect(await get({ env: { SSL_CERT_FILE: caFile() } })).toBe('secret ');
  });

  test('an authority for one registry alone', async () => {
    const directory = scratch();
    mkdirSync(join(directory, host));
    writeFileSync(join(directory, host, 'ca.crt'), ca);
    expect(await get({ trust: { registryDirectories: [directory] } })).toBe('secret ');
  });

  test('files that cannot be used', async () => {
    await expect(get({ trust: { caFile: '/nosuch' } })).rejects.toMatchObject({ code: 'CONFIG', errno: 'ENOENT' });
    const path = join(scratch(), 'ca.pem');
    writeFileSync(path, '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n');
    await expect(get({ trust: { caFile: path } })).rejects.toMatchObject({ code: 'CONFIG' });
  });

  test('without checking, when asked for', async () => {
    expect(await get({}, { insecure: true })).toBe('secret ');
  });

  test('through a proxy: TLS is ours, the proxy sees nothing', async () => {
    const proxy = await serve(() => undefined);
    const seen: string[] = [];
    proxy.server.on('connect', (request, socket) => {
      seen.push(`${request.url} ${request.headers['proxy-authorization']}`);
      const upstream = connect(Number(host.split(':')[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      socket.on('error', () => upstream.destroy());
    });
    // Loopback addresses never go through a proxy; another name for the same place does.
    const url = new URL(`https://registry.test:${host.split(':')[1]}/`);
    const env = { https_proxy: `http://u:p@${proxy.host}` };
    const trust = { caFile: caFile() };
    const headers = { authorization: 'Basic x' };
    await expect(requestAll(client({ env, trust }), { url, headers }, 100)).rejects.toMatchObject({
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
    const { bytes } = await requestAll(client({ env }), { url, headers, insecure: true }, 100);
    expect(bytes.toString()).toBe('secret Basic x');
    expect(seen).toContain(`${url.host} Basic ${Buffer.from('u:p').toString('base64')}`);
  });
});
