import { describe, expect, it } from 'vitest';
import { formatKey, formatSearch } from '../../../src/cli/commands/signing/key-listing';
import { goTime } from '../../../src/cli/commands/signing/go-time';
import { KeyServerClient, keyServers, keyServerUrl } from '../../../src/runtime/signing/key-server';
import { fingerprint, readKeys } from '../../../src/runtime/signing/openpgp';
import { cleoPublic } from '../../fixtures/signed';
import { client, serve } from '../oci/support';
import { ownPlace } from './support';

const place = ownPlace();
const CLEO = '54A85DA9471CDAC3B3459729ECA6F0204F3E9F0E';

describe('key servers', () => {
  it.each([
    ['https://keys.example.org', 'https://keys.example.org/'],
    ['hkp://keys.example.org', 'http://keys.example.org:11371/'],
    ['hkp://keys.example.org:80', 'http://keys.example.org/'],
    ['hkps://keys.example.org', 'https://keys.example.org/'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/'],
  ])('%s is %s', (text, url) => {
    expect(keyServerUrl(text).href).toBe(url);
  });

  it('by another protocol are refused', () => {
    expect(() => keyServerUrl('ftp://x')).toThrowError('unsupported protocol scheme ftp');
    expect(() => keyServerUrl('x')).toThrowError('unsupported protocol scheme');
  });

  it('come from the command line, else from remote.yaml', async () => {
    const env = { APPTAINER_CONFIGDIR: place.path('.'), HOME: place.path('.') };
    const urls = async (named?: string) =>
      (await keyServers(named, env, client())).map(({ url, auth }) => [url.href, auth]);
    expect(await urls('hkp://a')).toEqual([['http://a:11371/', undefined]]);
    expect(await urls()).toEqual([['https://keys.openpgp.org/', undefined]]);
    place.write(
      'remote.yaml',
      `Active: site
Remotes:
  site:
    URI: site.example.org
    Token: secret
    Keyservers:
      - {URI: "https://own.example.org"}
      - {URI: "https://gone.example.org", Skip: true}
      - {URI: "https://other.example.org", External: true}
Credentials:
  - {URI: "https://other.example.org/", Auth: "Basic eA=="}
`,
    );
    expect(await urls()).toEqual([
      ['https://own.example.org/', 'Bearer secret'],
      ['https://other.example.org/', 'Basic eA=='],
    ]);
  });

  it('are asked as Apptainer asks them', async () => {
    const { url, log } = await serve((_, response) => response.end(cleoPublic));
    const server = new KeyServerClient([{ url, insecure: false }], client());
    expect((await server.get('ECA6F0204F3E9F0E')).map(fingerprint)).toEqual([CLEO]);
    await server.index('DEADBEEF');
    await server.index('ann');
    await server.add('text of a key');
    expect(log).toEqual([
      'GET /pks/lookup?exact=on&op=get&search=0xeca6f0204f3e9f0e',
      'GET /pks/lookup?fingerprint=on&op=index&options=mr&search=0xDEADBEEF&x-pagesize=256',
      'GET /pks/lookup?fingerprint=on&op=index&options=mr&search=ann&x-pagesize=256',
      'POST /pks/add',
    ]);
  });

  it('are asked in turn until one answers', async () => {
    const deaf = await serve((_, response) => response.writeHead(404).end());
    const good = await serve((_, response) => response.end(cleoPublic));
    const both = [deaf, good].map(({ url }) => ({ url, insecure: false }));
    expect((await new KeyServerClient(both, client()).get('00')).length).toBe(1);
    expect(deaf.log.length).toBe(1);
    await expect(new KeyServerClient(both.slice(0, 1), client()).get('00')).rejects.toMatchObject({ status: 404 });
  });
});

const INDEX = `info:1:3
pub:ECBCC9276D5CDA21220974E7B11D3179BDF07F09:1:2048:1795394735::
uid:Ann%20Test%20%28a%20comment%29%20%3Cann%40example.org%3E:1795394735::
uid:Ann%20Two%20%3Ctwo%40example.org%3E:1795394735::
pub:0123456789ABCDEF0123456789ABCDEF01234567:22:256:1700000000:1800000000:r
pub:89ABCDEF01234567:19:384:::
uid:evil%1B[31m name:::
`;

describe('the list of what a server found', () => {
  it('is that of the reference', () => {
    const { count, announced, text } = formatSearch(INDEX, false);
    expect([count, announced]).toEqual([3, 3]);
    expect(text.split('\n')).toEqual([
      'KEY ID    BITS  NAME/EMAIL',
      'BDF07F09  2048  Ann Test (a comment) <ann@example.org>',
      '                Ann Two <two@example.org>',
      '',
      '01234567  256  ',
      '',
      '01234567  384  evil?[31m name',
      '',
    ]);
  });

  it('is longer when asked for', () => {
    const lines = formatSearch(INDEX, true).text.split('\n');
    expect(lines[0]).toMatch(
      /^FINGERPRINT {31}ALGORITHM {2}BITS {2}CREATION DATE +EXPIRATION DATE {2}STATUS +NAME\/EMAIL$/,
    );
    expect(lines[4]).toContain(
      `unknown  256  ${goTime(new Date(1700000000_000))}  ${goTime(new Date(1800000000_000))}  [revoked]  `,
    );
    expect(lines[6]).toBe('89ABCDEF01234567  ECDSA  384      [enabled]  evil?[31m name');
  });

  it('is empty when there is nothing', () => {
    expect(formatSearch('', false)).toEqual({ count: 0, announced: 0, text: 'KEY ID  BITS  NAME/EMAIL\n' });
  });
});

describe('a key in a list', () => {
  it('has names, date, fingerprint and length', async () => {
    const [cleo] = await readKeys(Buffer.from(cleoPublic), 'test');
    if (!cleo) throw new Error('no key');
    expect(await formatKey(3, cleo)).toBe(
      [
        '3)  User:              Cleo Appt (x) <cleo@example.org>',
        `    Creation time:     ${goTime(cleo.getCreationTime())}`,
        `    Fingerprint:       ${CLEO}`,
        '    Length (in bits):  2048',
        '',
        '',
      ].join('\n'),
    );
  });
});
