/** Libraries: endpoints and tokens, pull, run, build, push, search and delete, against a server of our own. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LibraryServer } from './support/library';
import { TerminalSession } from './support/terminal';
import { describeWith } from './support/capabilities';
import { withWorld, type Outcome, type World } from './support/world';

const TOKEN = 'right-token';
const BUSYBOX = 'tools/demo/busybox';

let library: LibraryServer;
beforeEach(async () => {
  library = await new LibraryServer().start();
});
afterEach(() => library.stop());

/** davit with a list of endpoints of its own, in which the library is the active one. */
class Client {
  private static count = 0;
  readonly config: string;
  readonly env: Record<string, string>;

  constructor(private readonly world: World) {
    Client.count += 1;
    this.config = world.makeDirectory(`config-${Client.count}`);
    this.env = { DAVIT_CONFIGDIR: this.config, DAVIT_CACHEDIR: world.makeDirectory(`cache-${Client.count}`) };
  }

  run(...args: string[]): Promise<Outcome> {
    return this.world.davitWith({ env: this.env }, ...args);
  }

  async ok(...args: string[]): Promise<Outcome> {
    const result = await this.run(...args);
    expect(result, `davit ${args.join(' ')}`).toMatchObject({ code: 0 });
    return result;
  }

  async use(server: LibraryServer): Promise<this> {
    await this.ok('remote', 'add', '--no-login', '--insecure', 'site', `http://${server.host}`);
    return this;
  }

  async login(): Promise<this> {
    await this.ok('remote', 'login', '--tokenfile', this.world.write('token', `${TOKEN}\n`));
    return this;
  }

  get yaml(): string {
    return readFileSync(`${this.config}/remote.yaml`, 'utf8');
  }
}

const content = (world: World): Buffer => readFileSync(world.image());

withWorld('remote', (world) => {
  test('add, list, use, remove', async () => {
    const client = new Client(world());
    const refused = await client.run('remote', 'add', '--no-login', 'site', `http://${library.host}`);
    expect(refused).toMatchObject({ code: 255, stderr: expect.stringContaining('http URI requires --insecure') });
    expect(await client.ok('remote', 'add', '--no-login', '-i', 'site', `http://${library.host}`)).toMatchObject({
      stderr: 'INFO:    Remote "site" added.\n',
    });
    expect(statSync(`${client.config}/remote.yaml`).mode & 0o777).toBe(0o600);
    expect(await client.run('remote', 'add', '--no-login', 'site', 'x.test')).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/^FATAL: {3}site is already a remote/),
    });
    await client.ok('remote', 'add', '--no-login', '--no-default', 'other', 'https://other.test');
    const uri = library.host.padEnd(19);
    expect((await client.ok('remote', 'list')).stdout).toBe(
      [
        '',
        'NAME           URI                  DEFAULT?  GLOBAL?  EXCLUSIVE?  SECURE?',
        'DefaultRemote  cloud.apptainer.org            ✓                    ✓',
        'other          other.test                                          ✓',
        `site           ${uri}  ✓                              ✗!`,
        '',
      ].join('\n'),
    );
    expect((await client.ok('remote', 'use', 'other')).stderr).toBe('INFO:    Remote "other" now in use.\n');
    expect((await client.ok('remote', 'remove', 'other')).stderr).toBe('INFO:    Remote "other" removed.\n');
    expect(client.yaml).not.toContain('other');
    for (const args of [
      ['use', 'nosuch'],
      ['remove', 'nosuch'],
      ['status', 'nosuch'],
    ]) {
      expect((await client.run('remote', ...args)).stderr).toMatch(/FATAL: {3}nosuch is not a remote/);
    }
    expect((await client.run('remote', 'remove', 'DefaultRemote')).stderr).toMatch(/is global and can't be removed/);
    expect(await client.run('pull', `library://${BUSYBOX}`)).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/Unable to get library client configuration: remote has no library client/),
    });
  });

  test('reads what Apptainer has written, and leaves what it does not change', async () => {
    const client = new Client(world());
    const text = `Active: site
Remotes:
    DefaultRemote:
        URI: cloud.apptainer.org
        System: true
        Exclusive: false
    site:
        URI: ${library.host}
        Token: ${TOKEN}
        System: false
        Exclusive: false
        Insecure: true
        Keyservers:
            - URI: https://keys.test
              Skip: false
              External: true
              Insecure: false
Credentials:
    - URI: docker://registry.test
      Auth: Basic x
      Insecure: false
`;
    writeFileSync(`${client.config}/remote.yaml`, text);
    library.add(BUSYBOX, 'amd64', content(world()));
    await client.ok('pull', '--arch', 'amd64', '--force', `library://${BUSYBOX}`);
    expect(library.log.filter(({ token }) => token === TOKEN).length).toBeGreaterThan(0);
    await client.ok('remote', 'add', '--no-login', 'more', 'more.test');
    for (const line of ['URI: https://keys.test', 'URI: docker://registry.test', 'Auth: Basic x', `Token: ${TOKEN}`]) {
      expect(client.yaml).toContain(line);
    }
    writeFileSync(`${client.config}/remote.yaml`, 'Active: x\nWrong: 1\n');
    expect(await client.run('remote', 'list')).toMatchObject({ code: 255, stderr: expect.stringContaining('Wrong') });
  });

  test('login, status, password, logout', async () => {
    const client = await new Client(world()).use(library);
    expect((await client.ok('remote', 'status')).stdout).toContain('\nNo authentication token set (logged out).\n');
    expect(await client.run('remote', 'get-login-password')).toMatchObject({
      code: 255,
      stdout: '',
      stderr: expect.stringContaining('must be logged in to retrieve user data'),
    });
    const wrong = world().write('wrong', 'wrong-token\n');
    expect(await client.run('remote', 'login', '--tokenfile', wrong)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('while verifying token: error response from server: Invalid Credentials'),
    });
    expect(client.yaml).not.toContain('wrong-token');
    const stdin = { env: client.env, input: `${TOKEN}\n` };
    expect(await world().davitWith(stdin, 'remote', 'login', '--password-stdin', 'site')).toMatchObject({
      code: 0,
      stderr: `INFO:    Access Token Verified!\nINFO:    Token stored in ${client.config}/remote.yaml\n`,
    });
    const status = await client.ok('remote', 'status', 'site');
    const uri = `http://${library.host}`;
    expect(status.stdout).toBe(
      `SERVICE    STATUS  VERSION  URI
Keyserver  N/A              ${uri}/keys
Library    OK      v1.7.2   ${uri}
Token      OK      v1.7.2   ${uri}

Logged in as: worker <>


Valid authentication token set (logged in).
`,
    );
    expect((await client.ok('remote', 'get-login-password')).stdout).toBe('oci-secret\n');
    expect((await client.ok('remote', 'logout')).stderr).toBe('INFO:    Logout succeeded\n');
    expect(client.yaml).not.toContain(TOKEN);
  });

  test('a token that is not right any more', async () => {
    const client = await (await new Client(world()).use(library)).login();
    library.tokens.clear();
    const status = await client.run('remote', 'status');
    expect(status.code).toBe(255);
    expect(status.stdout).toContain('Authentication token is invalid (please login again).');
    library.add(BUSYBOX, 'amd64', content(world()));
    for (const args of [
      ['pull', 'never.sif', `library://${BUSYBOX}`],
      ['push', '-U', world().image(), 'library://worker/mine/tool:1'],
      ['search', 'busybox'],
      ['delete', '--force', BUSYBOX],
    ]) {
      const result = await client.run(...args);
      expect(result, args.join(' ')).toMatchObject({ code: 255, stderr: expect.stringContaining('Unauthorized') });
      expect(result.stderr).toContain('hint: log in with "davit remote login"');
    }
  });

  test('the site’s endpoints, for all users', async () => {
    const client = new Client(world());
    const file = world().path('site.yaml');
    await client.ok('remote', 'add', '--global', '--no-login', '-c', file, 'lab', 'https://lab.test/');
    await client.ok('remote', 'use', '--global', '-c', file, 'lab');
    expect(readFileSync(file, 'utf8')).toMatch(/^Active: lab\nRemotes:\n +lab:\n +URI: lab\.test\n +System: true\n/);
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });
});

withWorld('keyserver', (world) => {
  test('add, list, remove', async () => {
    const client = new Client(world());
    const file = world().write('keys.yaml', 'Active: DefaultRemote\nRemotes: {}\n');
    expect((await client.ok('keyserver', 'list')).stdout).toBe(
      '\nDefaultRemote *^\n   #1  https://keys.openpgp.org  🔒\n\n(* = system endpoint, ^ = default endpoint)\n',
    );
    await client.ok('keyserver', 'add', '-c', file, 'https://second.test');
    await client.ok('keyserver', 'add', '-c', file, '--order', '1', '--insecure', 'https://first.test');
    expect((await client.ok('keyserver', 'list', '-c', file)).stdout).toContain(
      '#1  https://first.test        \n   #2  https://keys.openpgp.org  🔒\n   #3  https://second.test       🔒\n',
    );
    expect((await client.run('keyserver', 'add', '-c', file, 'https://second.test')).stderr).toContain(
      'already configured',
    );
    expect((await client.run('keyserver', 'add', '-c', file, '-o', '9', 'https://x.test')).stderr).toContain(
      'maximum is 4',
    );
    await client.ok('keyserver', 'remove', '-c', file, 'https://first.test');
    await client.ok('keyserver', 'remove', '-c', file, 'https://keys.openpgp.org');
    expect((await client.run('keyserver', 'remove', '-c', file, 'https://second.test')).stderr).toContain(
      "can't be removed",
    );
    expect(readFileSync(file, 'utf8')).toMatch(/URI: https:\/\/keys\.openpgp\.org\n +Skip: true\n +External: false/);
  });
});

withWorld('library://', (world) => {
  test('pull: names, cache, the warning about unsigned images', async () => {
    const client = await new Client(world()).use(library);
    library.add(`${BUSYBOX}:1.36`, 'amd64', content(world()));
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
    library.requests();
    const again = await client.ok('pull', '--arch', 'amd64', '-U', '-F', `library://${BUSYBOX}:1.36`);
    expect(again.stderr).not.toContain('WARNING');
    expect(library.requests().filter((line) => line.includes('/storage/'))).toEqual([]);
    expect(library.log.every(({ request, token }) => !request.includes('/storage/') || token === undefined)).toBe(true);
  });

  test('pull: each architecture has its own image, by tag and by hash', async () => {
    const client = await new Client(world()).use(library);
    library.add(BUSYBOX, 'amd64', content(world()));
    const { hash } = library.add(BUSYBOX, 'arm64', Buffer.from('another image'));
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
    const client = new Client(world());
    library.add(BUSYBOX, 'amd64', content(world()));
    const arch = ['--arch', 'amd64'];
    await client.ok('pull', ...arch, '--library', `http://${library.host}`, 'flag.sif', `library://${BUSYBOX}`);
    await client.ok('pull', ...arch, '--no-https', 'host.sif', `library://${library.host}/${BUSYBOX}:latest`);
    expect(readFileSync(world().path('work', 'host.sif')).equals(content(world()))).toBe(true);
  });

  test('pull: files that the library sends itself, and wrong ones', async () => {
    const direct = await new LibraryServer({ direct: true }).start();
    try {
      const client = await new Client(world()).use(direct);
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
    const client = await new Client(world()).use(library);
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    library.add(BUSYBOX, arch, content(world()));
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
      `Bootstrap: library\nFrom: ${BUSYBOX}\nLibrary: http://${library.host}\n%labels\n  a b\n`,
    );
    await new Client(world()).ok('build', world().path('named.sif'), header);
  });

  test('push: makes what is missing, sends the file once, sets the tags', async () => {
    const client = await (await new Client(world()).use(library)).login();
    const unsigned = await client.run('push', world().image(), 'library://worker/mine/tool:1');
    expect(unsigned.code).toBe(255);
    expect(unsigned.stderr).toContain(`TIP: You can push unsigned images with 'davit push -U ${world().image()}'.`);
    expect(unsigned.stderr).toContain('FATAL:   Unable to upload container: unable to verify signature');
    expect(library.images).toEqual([]);
    library.requests();
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
        `^\nLibrary storage: using [\\d.]+ \\w+ out of unlimited quota\nContainer URL: http://${library.host}/library/worker/mine/tool\n$`,
      ),
    );
    expect(library.images).toMatchObject([{ container: 'worker/mine/tool', description: 'some words' }]);
    expect(library.images[0]?.content?.equals(content(world()))).toBe(true);
    expect([...library.tags.keys()].map((key) => key.split('|')[2])).toEqual(['1', 'new']);
    library.requests();
    expect(await client.ok('push', '-U', world().image(), 'library://worker/mine/tool:3')).toMatchObject({
      stdout: '',
    });
    expect(library.requests().filter((line) => line.startsWith('PUT') || line.includes('v2/imagefile'))).toEqual([]);
    expect(library.tags.size).toBe(3);
  });

  test('push: to an old library', async () => {
    const old = await new LibraryServer({ apiVersion: '1.0.0' }).start();
    try {
      const client = await (await new Client(world()).use(old)).login();
      await client.ok('push', '-U', world().image(), 'library://worker/mine/tool');
      expect(old.requests().filter((line) => line.includes('v2/'))).toEqual([]);
      expect(old.images[0]?.content?.equals(content(world()))).toBe(true);
    } finally {
      old.stop();
    }
  });

  test('push: refused without a token, for short paths, and for what is no SIF', async () => {
    const client = await new Client(world()).use(library);
    const push = (...args: string[]): Promise<Outcome> => client.run('push', '-U', ...args);
    expect((await push(world().image(), 'library://a/b/c')).stderr).toContain(
      'FATAL:   Cannot push image to library: no authentication token, log in with `davit remote login`',
    );
    await client.login();
    expect((await push(world().image(), 'library://tool:2')).stderr).toContain('malformed image path: tool');
    expect((await push('/etc/passwd', 'library://a/b/c')).stderr).toMatch(/FATAL: {3}Unable to push image to library/);
    expect(library.images).toEqual([]);
  });

  test('search', async () => {
    const client = await new Client(world()).use(library);
    library.add(`${BUSYBOX}:1`, 'amd64', Buffer.from('one'));
    library.add(`${BUSYBOX}:2`, 'arm64', Buffer.from('two'), true);
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
  });

  test('delete: asks, and takes the image of one architecture', async () => {
    const client = await (await new Client(world()).use(library)).login();
    library.add(`${BUSYBOX}:1`, 'amd64', Buffer.from('one'));
    library.add(`${BUSYBOX}:1`, 'arm64', Buffer.from('two'));
    const ask = (input: string): Promise<Outcome> =>
      world().davitWith({ env: client.env, input }, 'delete', '--arch', 'amd64', `library://${BUSYBOX}:1`);
    const refused = await ask('n\n');
    expect(refused).toMatchObject({
      code: 0,
      stdout: `Are you sure you want to delete ${BUSYBOX}:1 (amd64) [y/N] `,
    });
    expect(library.tags.size).toBe(2);
    expect(await ask('y\n')).toMatchObject({ code: 0, stderr: `INFO:    Image ${BUSYBOX}:1 (amd64) deleted.\n` });
    expect([...library.tags.keys()]).toEqual([`${BUSYBOX}|arm64|1`]);
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
      const client = await new Client(world()).use(library);
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
