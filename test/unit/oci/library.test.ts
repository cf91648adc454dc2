import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { librarySource } from '../../../src/runtime/image/library/library-source';
import { parseLibraryReference } from '../../../src/runtime/image/library/reference';
import {
  decodeRemotes,
  encodeRemotes,
  mergeRemotes,
  writePrivateFile,
} from '../../../src/runtime/image/library/remote-file';
import { fetchContext } from './images';
import { noise, scratch, sendRange, serve, sha256 } from './support';

const content = noise(50_000);
const hash = sha256(content).replace(':', '.');

describe('references', () => {
  test.each([
    ['alpine', { path: 'alpine', tags: [] }],
    ['a/b/c:1,2', { path: 'a/b/c', tags: ['1', '2'] }],
    ['host.test/a/b/c', { host: 'host.test', path: 'a/b/c', tags: [] }],
    ['host.test/c', { host: 'host.test', path: 'c', tags: [] }],
    ['127.0.0.1:80/b/c', { host: '127.0.0.1:80', path: 'b/c', tags: [] }],
    ['/b/c:x', { path: 'b/c', tags: ['x'] }],
    [`a/b/c:${hash}`, { path: 'a/b/c', tags: [hash] }],
  ])('%s', (text, expected) => expect(parseLibraryReference(text)).toEqual(expected));

  test.each(['', 'a:', 'a:b:c', 'a//c', '../x', 'a/b/c/d/e', 'a b', 'a?x=y', 'a:../x'])('refuses %j', (text) => {
    expect(() => parseLibraryReference(text)).toThrow('malformed library reference');
  });
});

describe('remote.yaml', () => {
  const text = `Active: site
Remotes:
  site: { URI: lib.test, Token: t, System: false, Exclusive: false, Insecure: true, Keyservers: [{ URI: k }] }
Credentials:
  - { URI: 'docker://r.test', Auth: Basic x, Insecure: false }
`;

  test('is read and written without loss', () => {
    const file = decodeRemotes(text, 'x');
    expect(file.remotes.get('site')).toMatchObject({ uri: 'lib.test', token: 't', insecure: true });
    expect(decodeRemotes(encodeRemotes(file), 'x')).toEqual(file);
    expect(decodeRemotes('', 'x')).toEqual({ remotes: new Map(), logins: [] });
  });

  test.each([
    'Other: 1',
    '[]',
    'Remotes: {a: {URI: x, More: 1}}',
    'Remotes: {a: {}}',
    'a: [',
    'Active: &a x\nRemotes: *a',
  ])('refuses %j', (wrong) =>
    expect(() => decodeRemotes(wrong, 'x')).toThrow(expect.objectContaining({ code: 'CONFIG' })),
  );

  test('an exclusive remote of the site wins', () => {
    const user = decodeRemotes(text, 'x');
    const site = decodeRemotes('Remotes: {only: {URI: only.test, Exclusive: true}}', 'x');
    expect(mergeRemotes(user, site).active).toBe('only');
    expect(mergeRemotes(user, decodeRemotes('', 'x')).active).toBe('site');
    expect(mergeRemotes(decodeRemotes('', 'x'), decodeRemotes('', 'x')).active).toBe('DefaultRemote');
  });

  test('is for its owner alone', () => {
    const path = join(scratch(), 'new/remote.yaml');
    writePrivateFile(path, text);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('leaves no copy of its secrets when it cannot take its place', () => {
    const directory = scratch();
    const path = join(directory, 'remote.yaml');
    mkdirSync(join(path, 'not-empty'), { recursive: true });
    expect(() => writePrivateFile(path, text)).toThrow(/write ".*remote\.yaml": EISDIR/);
    expect(readdirSync(directory)).toEqual(['remote.yaml']);
  });
});

describe('library://', () => {
  /** A library on its own server, whose files lie on another. */
  async function library(image: object = { hash, size: content.length }) {
    const storage = await serve((request, response) => sendRange(request, response, content));
    const server = await serve((request, response) => {
      if (request.url === '/assets/config/config.prod.json') {
        response.end(JSON.stringify({ libraryAPI: { uri: `http://${request.headers.host}/lib` }, version: '1' }));
      } else if (/^\/(lib\/)?v1\/images\/a\/b\/c:1\?arch=amd64$/.test(request.url ?? '')) {
        response.end(JSON.stringify({ data: image }));
      } else if (request.url?.includes('v1/imagefile/')) response.writeHead(303, { location: storage.url.href }).end();
      else response.writeHead(404).end('{"error":{"code":404,"message":"no"}}');
    });
    return { server, storage };
  }

  test('finds an image by hash, and fetches it', async () => {
    const { server, storage } = await library();
    const context = fetchContext();
    const source = await librarySource(`${server.host}/a/b/c:1`, context);
    expect([source.kind, source.key]).toEqual(['library', hash]);
    const path = join(scratch(), 'image');
    expect(await source.produce(path)).toEqual({ digest: sha256(content) });
    expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(hash.slice(7));
    expect(context.warnings).toEqual([]);
    expect(storage.requests.map(({ headers: { authorization } }) => authorization)).toEqual([undefined]);
  });

  test('asks the active remote where its library is, with its token', async () => {
    const { server, storage } = await library();
    const context = fetchContext();
    const directory = join(context.env.HOME as string, '.apptainer');
    mkdirSync(directory);
    const remote = { URI: server.host, Token: 'secret', Insecure: true };
    writeFileSync(join(directory, 'remote.yaml'), JSON.stringify({ Active: 'mine', Remotes: { mine: remote } }));
    await (await librarySource('a/b/c:1', context)).produce(join(scratch(), 'image'));
    expect(server.log).toEqual([
      'GET /assets/config/config.prod.json',
      'GET /lib/v1/images/a/b/c:1?arch=amd64',
      'GET /lib/v1/imagefile/a/b/c:1?arch=amd64',
    ]);
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer secret');
    expect(storage.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('says what is wrong', async () => {
    const { server } = await library();
    await expect(librarySource(`${server.host}/a/b/d:1`, fetchContext())).rejects.toThrow('image does not exist');
    await expect(librarySource('a/b/c:1', fetchContext())).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('remote has no library client'),
    });
    const other = await library({ hash: 'sif.1234', size: 1 });
    await expect(librarySource(`${other.server.host}/a/b/c:1`, fetchContext())).rejects.toMatchObject({
      code: 'REGISTRY',
    });
  });

  test('refuses another file than was announced', async () => {
    const { server } = await library({ hash: sha256('other').replace(':', '.'), size: content.length });
    const source = await librarySource(`${server.host}/a/b/c:1`, fetchContext());
    await expect(source.produce(join(scratch(), 'image'))).rejects.toMatchObject({ code: 'INTEGRITY' });
  });
});
