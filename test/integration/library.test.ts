/** Libraries: pull, run, build, push, search and delete, against a server of our own. */
import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LibraryServer } from './support/library';
import { BUSYBOX, LibraryClient, TOKEN, withLibrary } from './support/library-client';
import { TerminalSession } from './support/terminal';
import { describeWith } from './support/capabilities';
import { withWorld, type Outcome, type World } from './support/world';

const library = withLibrary();
const content = (world: World): Buffer => readFileSync(world.image());

withWorld('library://', (world) => {
  test('pull: names, cache, the warning about unsigned images', async () => {
    const client = await new LibraryClient(world()).use(library());
    library().add(`${BUSYBOX}:1.36`, 'amd64', content(world()));
    const first = await client.ok('pull', '--arch', 'amd64', `library://${BUSYBOX}:1.36`);
    expect(first.stderr).toMatch(/^INFO: {4}Downloading library image\n/);
    const warnings =
      'WARNING: integrity: signature not found for object group 1\nWARNING: Skipping container verification\n';
    expect(first.stderr.endsWith(warnings)).toBe(true);
    const image = world().path('work', 'busybox_1.36.sif');
    expect(readFileSync(image).equals(content(world()))).toBe(true);
    expect(await world().ok('exec', image, 'echo', 'runs')).toBe('runs\n');
    expect((await client.run('pull', '--arch', 'amd64', `library://${BUSYBOX}:1.36`)).stderr).toContain(
      'will not overwrite',
    );
    library().requests();
    const again = await client.ok('pull', '--arch', 'amd64', '-U', '-F', `library://${BUSYBOX}:1.36`);
    expect(again.stderr).not.toContain('WARNING');
    expect(
      library()
        .requests()
        .filter((line) => line.includes('/storage/')),
    ).toEqual([]);
    expect(library().log.every(({ request, token }) => !request.includes('/storage/') || token === undefined)).toBe(
      true,
    );
  });

  test('pull: each architecture has its own image, by tag and by hash', async () => {
    const client = await new LibraryClient(world()).use(library());
    library().add(BUSYBOX, 'amd64', content(world()));
    const { hash } = library().add(BUSYBOX, 'arm64', Buffer.from('another image'));
    await client.ok('pull', '--arch', 'arm64', 'arm.sif', `library://${BUSYBOX}`);
    expect(readFileSync(world().path('work', 'arm.sif'), 'utf8')).toBe('another image');
    await client.ok('pull', '--arch', 'arm64', 'hash.sif', `library://${BUSYBOX}:${hash}`);
    expect(await client.run('pull', '--arch', 's390x', 'no.sif', `library://${BUSYBOX}`)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining(
        `While pulling library image: error fetching image: image does not exist in the library: ${BUSYBOX}:latest (s390x)`,
      ),
    });
  });

  test('pull: another library than the active one', async () => {
    const client = new LibraryClient(world());
    library().add(BUSYBOX, 'amd64', content(world()));
    const arch = ['--arch', 'amd64'];
    await client.ok('pull', ...arch, '--library', `http://${library().host}`, 'flag.sif', `library://${BUSYBOX}`);
    await client.ok('pull', ...arch, '--no-https', 'host.sif', `library://${library().host}/${BUSYBOX}:latest`);
    expect(readFileSync(world().path('work', 'host.sif')).equals(content(world()))).toBe(true);
  });

  test('pull: files that the library sends itself, and wrong ones', async () => {
    const direct = await new LibraryServer({ direct: true }).start();
    try {
      const client = await new LibraryClient(world()).use(direct);
      const stored = direct.add(BUSYBOX, 'amd64', content(world()));
      await client.ok('pull', '--arch', 'amd64', 'direct.sif', `library://${BUSYBOX}`);
      const damaged = Buffer.from(content(world()));
      damaged.writeUInt8(damaged.readUInt8(5000) ^ 1, 5000);
      stored.content = damaged;
      const wrong = await client.run('pull', '--arch', 'amd64', '--disable-cache', 'wrong.sif', `library://${BUSYBOX}`);
      expect(wrong).toMatchObject({ code: 255, stderr: expect.stringContaining('the content has the digest') });
      expect(() => statSync(world().path('work', 'wrong.sif'))).toThrow('ENOENT');
    } finally {
      direct.stop();
    }
  });

  test('as the image of exec, run and instance start, and as the base of a definition', async () => {
    const client = await new LibraryClient(world()).use(library());
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    library().add(BUSYBOX, arch, content(world()));
    const uri = `library://${BUSYBOX}`;
    expect((await client.ok('exec', uri, 'echo', 'inside')).stdout).toBe('inside\n');
    expect((await client.ok('run', uri, 'a b')).stdout).toContain('word: <a b>');
    await client.ok('instance', 'start', uri, 'lib');
    expect((await client.ok('exec', 'instance://lib', 'echo', 'joined')).stdout).toBe('joined\n');
    await client.ok('instance', 'stop', 'lib');
    const definition = world().write('lib.def', `Bootstrap: library\nFrom: ${BUSYBOX}\n%post\n  echo built > /built\n`);
    const image = world().path('lib.sif');
    await client.ok('build', image, definition);
    expect(await world().ok('exec', image, 'cat', '/built')).toBe('built\n');
    const header = world().write(
      'named.def',
      `Bootstrap: library\nFrom: ${BUSYBOX}\nLibrary: http://${library().host}\n%labels\n  a b\n`,
    );
    await new LibraryClient(world()).ok('build', world().path('named.sif'), header);
  });

  test('push: makes what is missing, sends the file once, sets the tags', async () => {
    const client = await (await new LibraryClient(world()).use(library())).login();
    const unsigned = await client.run('push', world().image(), 'library://worker/mine/tool:1');
    expect(unsigned.code).toBe(255);
    expect(unsigned.stderr).toContain(`TIP: You can push unsigned images with 'davit push -U ${world().image()}'.`);
    expect(unsigned.stderr).toContain('FATAL:   Unable to upload container: unable to verify signature');
    expect(library().images).toEqual([]);
    library().requests();
    const pushed = await client.ok(
      'push',
      '-U',
      '-D',
      'some words',
      world().image(),
      'library://worker/mine/tool:1,new',
    );
    expect(pushed.stderr).toMatch(/^WARNING: Skipping container verification\n/);
    expect(pushed.stdout).toMatch(
      new RegExp(
        `^\nLibrary storage: using [\\d.]+ \\w+ out of unlimited quota\nContainer URL: http://${library().host}/library/worker/mine/tool\n$`,
      ),
    );
    expect(library().images).toMatchObject([{ container: 'worker/mine/tool', description: 'some words' }]);
    expect(library().images[0]?.content?.equals(content(world()))).toBe(true);
    expect([...library().tags.keys()].map((key) => key.split('|')[2])).toEqual(['1', 'new']);
    library().requests();
    expect(await client.ok('push', '-U', world().image(), 'library://worker/mine/tool:3')).toMatchObject({
      stdout: '',
    });
    expect(
      library()
        .requests()
        .filter((line) => line.startsWith('PUT') || line.includes('v2/imagefile')),
    ).toEqual([]);
    expect(library().tags.size).toBe(3);
  });

  test('push: to an old library', async () => {
    const old = await new LibraryServer({ apiVersion: '1.0.0' }).start();
    try {
      const client = await (await new LibraryClient(world()).use(old)).login();
      await client.ok('push', '-U', world().image(), 'library://worker/mine/tool');
      expect(old.requests().filter((line) => line.includes('v2/'))).toEqual([]);
      expect(old.images[0]?.content?.equals(content(world()))).toBe(true);
    } finally {
      old.stop();
    }
  });

  test('push: refused without a token, for short paths, and for what is no SIF', async () => {
    const client = await new LibraryClient(world()).use(library());
    const push = (...args: string[]): Promise<Outcome> => client.run('push', '-U', ...args);
    expect((await push(world().image(), 'library://a/b/c')).stderr).toContain(
      'FATAL:   Cannot push image to library: no authentication token, log in with `davit remote login`',
    );
    await client.login();
    expect((await push(world().image(), 'library://tool:2')).stderr).toContain('malformed image path: tool');
    expect((await push('/etc/passwd', 'library://a/b/c')).stderr).toMatch(/FATAL: {3}Unable to push image to library/);
    expect(library().images).toEqual([]);
  });

  test('search', async () => {
    const client = await new LibraryClient(world()).use(library());
    library().add(`${BUSYBOX}:1`, 'amd64', Buffer.from('one'));
    library().add(`${BUSYBOX}:2`, 'arm64', Buffer.from('two'), true);
    const search = async (...args: string[]): Promise<string> => (await client.ok('search', ...args)).stdout;
    expect(await search('--arch', 'amd64', 'busy')).toBe(
      `Found 1 container images for amd64 matching "busy":\n\n\tlibrary://${BUSYBOX}:1\n\n`,
    );
    expect(await search('--arch', 'arm64', '--signed', 'busy')).toContain(`\tlibrary://${BUSYBOX}:2\n`);
    expect(await search('--arch', 'amd64', '--signed', 'busy')).toBe(
      'No container images found for amd64 matching "busy".\n\n',
    );
    expect(await client.run('search', 'bb')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining(
        "Couldn't search library: bad query 'bb'. You must search for at least 3 characters",
      ),
    });
    // Not the same as nothing found.
    expect(await client.run('search', '--library', `http://${library().host}/nosuch`, 'busy')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining("Couldn't search library: not found"),
    });
  });

  test('delete: asks, and takes the image of one architecture', async () => {
    const client = await (await new LibraryClient(world()).use(library())).login();
    library().add(`${BUSYBOX}:1`, 'amd64', Buffer.from('one'));
    library().add(`${BUSYBOX}:1`, 'arm64', Buffer.from('two'));
    const ask = (input: string): Promise<Outcome> =>
      world().davitWith({ env: client.env, input }, 'delete', '--arch', 'amd64', `library://${BUSYBOX}:1`);
    const refused = await ask('n\n');
    expect(refused).toMatchObject({
      code: 0,
      stdout: `Are you sure you want to delete ${BUSYBOX}:1 (amd64) [y/N] `,
    });
    expect(library().tags.size).toBe(2);
    expect(await ask('y\n')).toMatchObject({ code: 0, stderr: `INFO:    Image ${BUSYBOX}:1 (amd64) deleted.\n` });
    expect([...library().tags.keys()]).toEqual([`${BUSYBOX}|arm64|1`]);
    expect((await client.run('delete', '-F', '-A', 'amd64', `${BUSYBOX}:1`)).stderr).toContain(
      "Unable to delete image from library: couldn't delete requested image: not found",
    );
    const both = ['--library', 'http://x.test', `library://y.test/${BUSYBOX}`];
    expect((await client.run('delete', '-F', ...both)).stderr).toContain('Conflicting arguments');
  });
});

describeWith(['terminal'], 'on a terminal', () => {
  withWorld('remote login', (world) => {
    test('asks for the token, and does not show it', async () => {
      const client = await new LibraryClient(world()).use(library());
      const session = new TerminalSession(world(), ['remote', 'login'], { env: client.env });
      await session.expect(/Access Token: $/);
      session.type(`${TOKEN}\r`);
      expect(await session.end()).toBe(0);
      expect(session.shown).not.toContain(TOKEN);
      expect(client.yaml).toContain(`Token: ${TOKEN}`);
      const again = new TerminalSession(world(), ['remote', 'login'], { env: client.env });
      await again.expect(/Replace it\? \[y\/N\] $/);
      again.type('n\n');
      expect(await again.end()).toBe(0);
    });
  });
});
