import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { login, logout, registryOf, storedLogins } from '../../../src/runtime/image/fetch/logins';
import { orasSource } from '../../../src/runtime/image/oci/oras';
import { pushSif } from '../../../src/runtime/image/oci/push';
import { fetchContext } from './images';
import { client, noise, scratch, sendRange, serve, sha256 } from './support';

/** A registry that takes uploads; `trouble` may break a request off. */
async function registry(trouble: (line: string, count: number) => boolean = () => false) {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>();
  let [part, count] = [Buffer.alloc(0), 0];
  const server = await serve(async (request, response) => {
    count += 1;
    if (trouble(`${request.method} ${request.url}`, count)) return request.socket.destroy();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const url = new URL(request.url ?? '', 'http://x');
    const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
    const known = url.pathname.includes('/blobs/') ? blobs.get(name) : manifests.get(name);
    const location = { location: `/v2/t/x/blobs/uploads/1?state=${count}` };
    if (request.method === 'POST') return response.writeHead(202, location).end();
    if (request.method === 'PATCH') {
      part = body;
      return response.writeHead(202, location).end();
    }
    if (request.method === 'PUT' && url.pathname.includes('/manifests/')) {
      manifests.set(name, body);
      return response.writeHead(201).end();
    }
    if (request.method === 'PUT') {
      const digest = url.searchParams.get('digest') ?? '';
      if (sha256(part) !== digest) return response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
      blobs.set(digest, part);
      return response.writeHead(201).end();
    }
    if (known === undefined) return response.writeHead(404).end();
    return request.method === 'HEAD' ? response.writeHead(200).end() : sendRange(request, response, known);
  });
  return { server, blobs, manifests };
}

function sif(): { path: string; content: Buffer } {
  const content = noise(200_000);
  const path = join(scratch(), 'tool.sif');
  writeFileSync(path, content);
  return { path, content };
}

describe('push', () => {
  test('what was pushed is pulled', async () => {
    const { server, manifests } = await registry();
    const { path, content } = sif();
    await pushSif(path, `${server.host}/t/x:1`, fetchContext());
    expect(JSON.parse((manifests.get('1') as Buffer).toString())).toMatchObject({
      config: { mediaType: 'application/vnd.sylabs.sif.config.v1+json', size: 2 },
      layers: [
        {
          digest: sha256(content),
          size: content.length,
          annotations: { 'org.opencontainers.image.title': 'tool.sif' },
        },
      ],
    });
    const target = join(scratch(), 'pulled');
    await (await orasSource(`${server.host}/t/x:1`, fetchContext())).produce(target);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test('sends nothing that is there already', async () => {
    const { server } = await registry();
    const { path } = sif();
    await pushSif(path, `${server.host}/t/x:1`, fetchContext());
    server.log.splice(0);
    await pushSif(path, `${server.host}/t/x:2`, fetchContext());
    expect(server.log.filter((line) => /^(POST|PATCH)/.test(line))).toEqual([]);
  });

  test('begins again when the connection breaks', async () => {
    let broken = 0;
    const { server, blobs } = await registry((line) => line.startsWith('PATCH') && broken++ === 0);
    const { path, content } = sif();
    await pushSif(path, `${server.host}/t/x:1`, fetchContext());
    expect(blobs.get(sha256(content))?.equals(content)).toBe(true);
  });

  test('needs a tag', async () => {
    await expect(pushSif(sif().path, `x.test/t/x@${sha256('x')}`, fetchContext())).rejects.toThrow('to a tag');
  });
});

describe('logins', () => {
  const right = { username: 'me', password: 'right' };
  async function guarded(): Promise<string> {
    const value = `Basic ${Buffer.from('me:right').toString('base64')}`;
    const { host } = await serve((request, response) => {
      if (request.headers.authorization === value) response.end('{}');
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    return `docker://${host}`;
  }

  test('a right password is remembered, and forgotten', async () => {
    const uri = await guarded();
    const env = { HOME: scratch() };
    const [file] = await login(uri, right, client(), { env });
    expect(file).toBe(join(env.HOME, '.docker/config.json'));
    expect(readFileSync(file as string, 'utf8')).toContain(Buffer.from('me:right').toString('base64'));
    expect(storedLogins({ env }).map((stored) => stored.uri)).toEqual([uri]);
    expect(await logout(uri, { env })).toEqual([file]);
    expect(storedLogins({ env })).toEqual([]);
    expect(await logout(uri, { env })).toEqual([]);
  });

  test('a wrong one is not', async () => {
    const uri = await guarded();
    const env = { HOME: scratch() };
    await expect(login(uri, { username: 'me', password: 'wrong' }, client(), { env })).rejects.toMatchObject({
      code: 'REGISTRY',
      message: expect.stringContaining('unauthorized'),
    });
    expect(storedLogins({ env })).toEqual([]);
  });

  test.each(['x.test', 'http://x.test', 'docker://x.test/path', 'docker://'])('%s names no registry', (uri) => {
    expect(() => registryOf(uri)).toThrow(/names no registry/);
  });
});
