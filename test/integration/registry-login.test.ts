/** Who one is to a registry: passwords, tokens, files, credential helpers. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { makeImage, REGISTRY } from './support/pulled-image';
import { PASSWORD, type RegistryServer, USER, useRoom } from './support/registry';
import { ISSUER, SERVICE, startTokenServer, type TokenServer } from './support/token-server';
import { type Outcome, type World, withWorld } from './support/world';

const AUTH = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');

describeWith(REGISTRY, 'registries that ask who one is', () => {
  let guarded: RegistryServer;
  let secure: RegistryServer;
  let byToken: RegistryServer;
  let tokens: TokenServer;
  const room = useRoom(async (made) => {
    const layout = makeImage(made);
    const open = await made.start();
    made.push(layout, open, 't/tool:1');
    made.push(layout, open, 'public/tool:1');
    guarded = await made.start({ htpasswd: true });
    secure = await made.start({ htpasswd: true, tls: made.authority });
    tokens = await startTokenServer(made.authority);
    const { realm } = tokens;
    const token = { realm, service: SERVICE, issuer: ISSUER, certificates: made.authority.caFile };
    byToken = await made.start({ token });
    made.onClose(() => tokens.close());
  });

  const login = (world: World, server: RegistryServer, password = PASSWORD): Promise<Outcome> =>
    world.davitWith(
      { input: `${password}\n` },
      'registry',
      'login',
      '-u',
      USER,
      '--password-stdin',
      `docker://${server.host}`,
    );
  const pull = (world: World, uri: string, ...options: string[]): Promise<Outcome> =>
    world.davit('pull', '--force', '--disable-cache', ...options, 'tool.sif', uri);
  const image = (server: RegistryServer, name = 't/tool:1'): string => `docker://${server.host}/${name}`;

  withWorld('logins', (world) => {
    test('without one the image is refused, with a way out', async () => {
      expect(await pull(world(), image(guarded), '--no-https')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(
          /reading manifest 1 in \S+\/t\/tool: .*authentication required\n +hint: log in with "davit registry login/,
        ),
      });
    });

    test('a wrong password is refused and not stored', async () => {
      expect(await login(world(), guarded, 'wrong')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}while login to docker:\/\/\S+: wrong user name or password: /),
      });
      expect(existsSync(world().path('home/.docker/config.json'))).toBe(false);
      expect(await login(world(), guarded, '')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('a password is required'),
      });
    });

    test('a right one is stored for its owner alone, once, and used', async () => {
      expect(await login(world(), guarded)).toMatchObject({
        status: 0,
        stderr: `INFO:    Token stored in ${world().home}/.docker/config.json\nINFO:    Token stored in ${world().home}/.apptainer/remote.yaml\n`,
      });
      const [config, remotes] = [world().path('home/.docker/config.json'), world().path('home/.apptainer/remote.yaml')];
      for (const path of [config, remotes]) expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(config, 'utf8'))).toEqual({ auths: { [guarded.host]: { auth: AUTH } } });
      expect(readFileSync(remotes, 'utf8')).not.toContain(AUTH);
      expect(await pull(world(), image(guarded), '--no-https')).toMatchObject({ status: 0 });
      const width = `docker://${guarded.host}`.length;
      const rows = `\n${'URI'.padEnd(width)}  SECURE?\ndocker://${guarded.host}  ✓\n`;
      expect(await world().ok('registry', 'list')).toBe(rows);
    });

    test('push needs it, too', async () => {
      const target = `oras://${guarded.host}/t/pushed:1`;
      expect(await world().davit('push', world().image(), target)).toMatchObject({ status: 0 });
      expect(await pull(world(), target)).toMatchObject({ status: 0 });
    });

    test('logout forgets', async () => {
      const uri = `docker://${guarded.host}`;
      expect(await world().davit('registry', 'logout', `${uri}/`)).toMatchObject({
        status: 0,
        stderr: `INFO:    Token removed from ${world().home}/.docker/config.json\nINFO:    Logout succeeded\n`,
      });
      expect(await world().ok('registry', 'list')).not.toContain(uri);
      expect(await world().davit('registry', 'logout', uri)).toMatchObject({
        status: 0,
        stderr: `WARNING: There is no existing login to registry "${guarded.host}".\nINFO:    Logout succeeded\n`,
      });
      expect((await pull(world(), image(guarded), '--no-https')).status).toBe(255);
      const refused = await world().davit('push', world().image(), `oras://${guarded.host}/t/pushed:2`);
      expect(refused).toMatchObject({ status: 255, stderr: expect.stringContaining('authentication required') });
    });

    test('remote.yaml that Apptainer wrote is understood', async () => {
      world().write(
        'home/.apptainer/remote.yaml',
        'Active: DefaultRemote\nRemotes:\n    DefaultRemote:\n        URI: cloud.apptainer.org\n        System: true\n' +
          '        Exclusive: false\nCredentials:\n    - URI: docker://x.test\n      Insecure: false\n',
      );
      expect(await world().ok('registry', 'list')).toBe('\nURI              SECURE?\ndocker://x.test  ✓\n');
    });
  });

  withWorld('other ways to say who one is', (world) => {
    test('--docker-login asks', async () => {
      const words = ['pull', '--force', '--no-https', '--docker-login', '--disable-cache', 'tool.sif', image(guarded)];
      expect(await world().davitWith({ input: `${USER}\n${PASSWORD}\n` }, ...words)).toMatchObject({
        status: 0,
        stdout: 'Enter Docker Username: Enter Docker Password: \n',
      });
      expect(await world().davitWith({ input: `${USER}\nwrong\n` }, ...words)).toMatchObject({ status: 255 });
    });

    test('variables, with and without prefix', async () => {
      const words = ['pull', '--force', '--no-https', '--disable-cache', 'tool.sif', image(guarded)];
      for (const prefix of ['', 'APPTAINER_', 'DAVIT_']) {
        const env = { [`${prefix}DOCKER_USERNAME`]: USER, [`${prefix}DOCKER_PASSWORD`]: PASSWORD };
        expect(await world().davitWith({ env }, ...words), prefix).toMatchObject({ status: 0 });
      }
    });

    test('--authfile is read instead of the usual file, and written by login', async () => {
      const path = world().path('auth.json');
      const uri = `oras://${guarded.host}`;
      await world().ok('registry', 'login', '-u', USER, '-p', PASSWORD, '--authfile', path, uri);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(existsSync(world().path('home/.docker/config.json'))).toBe(false);
      expect(await pull(world(), image(guarded), '--no-https', '--authfile', path)).toMatchObject({ status: 0 });
      expect(await pull(world(), image(guarded), '--no-https', '--authfile', '/nosuch')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(
          /WARNING: There is no file with credentials "\/nosuch".*authentication required/s,
        ),
      });
      await world().ok('registry', 'logout', '--authfile', path, uri);
      expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ auths: {} });
    });

    test('a credential helper on PATH', async () => {
      const store = world().path('store');
      world().write(
        'bin/docker-credential-fake',
        `#!/bin/sh\ncase "$1" in\n  store) cat >${store} ;;\n  erase) rm -f ${store} ;;\n  get) if [ -f ${store} ]; then cat ${store}; else echo "credentials not found in native keychain"; exit 1; fi ;;\nesac\n`,
        0o755,
      );
      const config = world().write('home/.docker/config.json', '{"credsStore":"fake"}');
      const options = { env: { PATH: `${world().path('bin')}:${world().env.PATH}` } };
      const uri = `docker://${guarded.host}`;
      const words = ['pull', '--force', '--no-https', '--disable-cache', 'tool.sif', image(guarded)];
      expect((await world().davitWith(options, ...words)).status).toBe(255);
      await world().okWith(options, 'registry', 'login', '-u', USER, '-p', PASSWORD, uri);
      expect(JSON.parse(readFileSync(store, 'utf8'))).toEqual({
        ServerURL: guarded.host,
        Username: USER,
        Secret: PASSWORD,
      });
      expect(readFileSync(config, 'utf8')).toBe('{"credsStore":"fake"}');
      expect(readFileSync(world().path('home/.apptainer/remote.yaml'), 'utf8')).not.toContain(AUTH);
      expect(await world().davitWith(options, ...words)).toMatchObject({ status: 0 });
      await world().okWith(options, 'registry', 'logout', uri);
      expect(existsSync(store)).toBe(false);
      const missing = await world().davit(...words);
      expect(missing).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('docker-credential-fake is not on PATH'),
      });
    });
  });

  describe('by token', () => {
    withWorld('tokens', (world) => {
      test('public images need no login, others do', async () => {
        expect(await pull(world(), image(byToken, 'public/tool:1'), '--no-https')).toMatchObject({ status: 0 });
        expect(tokens.asked.at(-1)).toEqual({ scopes: ['repository:public/tool:pull'] });
        expect(await pull(world(), image(byToken), '--no-https')).toMatchObject({
          status: 255,
          stderr: expect.stringContaining('davit registry login'),
        });
      });

      test('a wrong password is told apart', async () => {
        expect(await login(world(), byToken, 'wrong')).toMatchObject({
          status: 255,
          stderr: expect.stringContaining('incorrect username or password'),
        });
      });

      test('a right one buys tokens for pull and push', async () => {
        expect(await login(world(), byToken)).toMatchObject({ status: 0 });
        tokens.asked.length = 0;
        expect(await pull(world(), image(byToken), '--no-https')).toMatchObject({ status: 0 });
        expect(tokens.asked).toEqual([{ scopes: ['repository:t/tool:pull'], authorization: `Basic ${AUTH}` }]);
        const pushed = await world().davit('push', world().image(), `oras://${byToken.host}/t/pushed:3`);
        expect(pushed).toMatchObject({ status: 0 });
        // The registry names the actions in any order.
        expect(tokens.asked.at(-1)?.scopes).toEqual([
          expect.stringMatching(/^repository:t\/pushed:(pull,push|push,pull)$/),
        ]);
      });
    });
  });

  describe('by https', () => {
    withWorld('certificates', (world) => {
      const withPassword = { DOCKER_USERNAME: USER, DOCKER_PASSWORD: PASSWORD };
      const tryWith = (env: Record<string, string>, ...before: string[]): Promise<Outcome> =>
        world().davitWith(
          { env: { ...withPassword, ...env } },
          ...before,
          ...['pull', '--force', '--disable-cache', 'tool.sif', image(secure)],
        );

      test('one that nobody vouches for is refused, also on this machine', async () => {
        const said = expect.stringMatching(/tls: failed to verify certificate: .*\n +hint: .*"registry ca file"/);
        expect(await tryWith({})).toMatchObject({ status: 255, stderr: said });
        expect(await login(world(), secure)).toMatchObject({ status: 255, stderr: said });
        expect(existsSync(world().path('home/.docker/config.json'))).toBe(false);
      });

      test('authorities by variables and by the configuration', async () => {
        const { caFile } = room().authority;
        expect(await tryWith({ SSL_CERT_FILE: caFile })).toMatchObject({ status: 0 });
        expect(await tryWith({ NODE_EXTRA_CA_CERTS: caFile })).toMatchObject({ status: 0 });
        const configuration = world().write('davit.conf', `registry ca file = ${caFile}\n`);
        expect(await tryWith({}, '--config', configuration)).toMatchObject({ status: 0 });
      });

      test('authorities for one registry', async () => {
        world().write(`home/.config/containers/certs.d/${secure.host}/ca.crt`, room().authority.ca);
        expect(await tryWith({})).toMatchObject({ status: 0 });
        expect(await login(world(), secure)).toMatchObject({ status: 0 });
      });

      test('launches trust them as well', async () => {
        const options = { env: { ...withPassword, NODE_EXTRA_CA_CERTS: room().authority.caFile } };
        expect(await world().okWith(options, 'exec', image(secure), 'cat', '/etc/motd')).toBe('of the upper layer\n');
      });

      test('--no-https does without', async () => {
        expect(
          await pull(world(), image(secure), '--no-https', '--docker-username', USER, '--docker-password', PASSWORD),
        ).toMatchObject({
          status: 0,
        });
      });
    });
  });
});
