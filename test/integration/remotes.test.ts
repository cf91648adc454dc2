/** Endpoints of libraries, tokens and key servers: `davit remote` and `davit keyserver`. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BUSYBOX, LibraryClient, TOKEN, withLibrary } from './support/library-client';
import { withWorld, type World } from './support/world';

const library = withLibrary();
const content = (world: World): Buffer => readFileSync(world.image());

withWorld('remote', (world) => {
  test('add, list, use, remove', async () => {
    const client = new LibraryClient(world());
    const refused = await client.run('remote', 'add', '--no-login', 'site', `http://${library().host}`);
    expect(refused).toMatchObject({ code: 255, stderr: expect.stringContaining('http URI requires --insecure') });
    expect(await client.ok('remote', 'add', '--no-login', '-i', 'site', `http://${library().host}`)).toMatchObject({
      stderr: 'INFO:    Remote "site" added.\n',
    });
    expect(statSync(`${client.config}/remote.yaml`).mode & 0o777).toBe(0o600);
    expect(await client.run('remote', 'add', '--no-login', 'site', 'x.test')).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/^FATAL: {3}site is already a remote/),
    });
    await client.ok('remote', 'add', '--no-login', '--no-default', 'other', 'https://other.test');
    const uri = library().host.padEnd(19);
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
    const client = new LibraryClient(world());
    const text = `Active: site
Remotes:
    DefaultRemote:
        URI: cloud.apptainer.org
        System: true
        Exclusive: false
    site:
        URI: ${library().host}
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
    library().add(BUSYBOX, 'amd64', content(world()));
    await client.ok('pull', '--arch', 'amd64', '--force', `library://${BUSYBOX}`);
    expect(library().log.filter(({ token }) => token === TOKEN).length).toBeGreaterThan(0);
    await client.ok('remote', 'add', '--no-login', 'more', 'more.test');
    for (const line of ['URI: https://keys.test', 'URI: docker://registry.test', 'Auth: Basic x', `Token: ${TOKEN}`]) {
      expect(client.yaml).toContain(line);
    }
    writeFileSync(`${client.config}/remote.yaml`, 'Active: x\nWrong: 1\n');
    expect(await client.run('remote', 'list')).toMatchObject({ code: 255, stderr: expect.stringContaining('Wrong') });
  });

  test('login, status, password, logout', async () => {
    const client = await new LibraryClient(world()).use(library());
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
    const uri = `http://${library().host}`;
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
    const client = await (await new LibraryClient(world()).use(library())).login();
    library().tokens.clear();
    const status = await client.run('remote', 'status');
    expect(status.code).toBe(255);
    expect(status.stdout).toContain('Authentication token is invalid (please login again).');
    library().add(BUSYBOX, 'amd64', content(world()));
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
    const client = new LibraryClient(world());
    const file = world().path('site.yaml');
    await client.ok('remote', 'add', '--global', '--no-login', '-c', file, 'lab', 'https://lab.test/');
    await client.ok('remote', 'use', '--global', '-c', file, 'lab');
    expect(readFileSync(file, 'utf8')).toMatch(/^Active: lab\nRemotes:\n +lab:\n +URI: lab\.test\n +System: true\n/);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    // Apptainer has the flag in front of the command alone.
    await client.ok('remote', '--config', file, 'use', '--global', 'lab');
    expect((await client.ok('remote', '-c', file, 'list')).stdout).toMatch(/^lab +lab\.test +✓ +✓ +✓$/m);
    expect((await client.ok('keyserver', '-c', file, 'list')).stdout).toContain('\nlab ');
    expect((await client.ok('registry', '-c', file, 'list')).stdout).toBe('\nURI  SECURE?\n');
    expect((await client.ok('remote', 'list')).stdout).not.toContain('lab.test');
  });
});

withWorld('keyserver', (world) => {
  test('add, list, remove', async () => {
    const client = new LibraryClient(world());
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
