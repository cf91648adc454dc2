import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { credentialsIn, withCredentials, withoutCredentials } from '../../../src/formats/oci/docker-config';
import { credentialFile, findCredentials } from '../../../src/runtime/image/credentials/credentials';
import { eraseWithHelper, storeWithHelper } from '../../../src/runtime/image/credentials/credentials-helper';
import { scratch } from './support';

const auth = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString('base64') });

/** A home with files in it. */
function home(files: Record<string, unknown>): { HOME: string; PATH: string } {
  const directory = scratch();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
    if (name.startsWith('bin/')) chmodSync(join(directory, name), 0o755);
  }
  return { HOME: directory, PATH: `${join(directory, 'bin')}:/usr/bin:/bin` };
}

describe('credentials in a file', () => {
  test.each([
    ['reg.test:5000', 'reg.test:5000', true],
    ['https://reg.test:5000', 'reg.test:5000', true],
    ['https://reg.test:5000/v2/', 'reg.test:5000', true],
    ['reg.test', 'reg.test:5000', false],
    ['https://index.docker.io/v1/', 'docker.io', true],
    ['docker.io', 'docker.io', true],
    ['registry-1.docker.io', 'docker.io', true],
  ])('the key %s serves %s: %s', (key, registry, serves) => {
    const found = credentialsIn({ auths: { [key]: auth('u:p:q') } }, registry, 'a/b');
    expect(found).toEqual(serves ? { username: 'u', password: 'p:q' } : undefined);
  });

  test('the longest path wins', () => {
    const config = { auths: { 'r.test': auth('all:1'), 'r.test/a': auth('team:2'), 'r.test/a/b': auth('one:3') } };
    const user = (repository: string) => credentialsIn(config, 'r.test', repository)?.username;
    expect([user('a/b'), user('a/c'), user('x'), user('a/b/c')]).toEqual(['one', 'team', 'all', 'one']);
  });

  test('plain fields and refresh tokens', () => {
    expect(credentialsIn({ auths: { r: { username: 'u', password: 'p' } } }, 'r')).toEqual({
      username: 'u',
      password: 'p',
    });
    expect(credentialsIn({ auths: { r: { ...auth('u:'), identitytoken: 't' } } }, 'r')?.identityToken).toBe('t');
    for (const entry of [{}, null, 7, auth('no colon'), { auth: 7 }]) {
      expect(credentialsIn({ auths: { r: entry } }, 'r')).toBeUndefined();
    }
    expect(credentialsIn({ auths: [] }, 'r')).toBeUndefined();
  });

  test('a login replaces what stood for that registry, and nothing else', () => {
    const before = { credsStore: 's', auths: { 'https://r.test/v1/': auth('old:1'), other: auth('o:1') } };
    const after = withCredentials(before, 'r.test', { username: 'new', password: '2' });
    expect(after).toEqual({ credsStore: 's', auths: { other: auth('o:1'), 'r.test': auth('new:2') } });
    expect(withoutCredentials(after, 'r.test')).toEqual({ credsStore: 's', auths: { other: auth('o:1') } });
    expect(withoutCredentials(after, 'never')).toBeUndefined();
    expect(Object.keys(withCredentials({}, 'docker.io', { username: 'a', password: 'b' }).auths as object)).toEqual([
      'https://index.docker.io/v1/',
    ]);
  });
});

describe('where credentials come from', () => {
  const docker = { '.docker/config.json': { auths: { r: auth('docker:1') } } };
  const own = { '.apptainer/docker-config.json': { auths: { r: auth('own:1') } } };
  const user = async (env: object, options = {}) =>
    (await findCredentials('r', 'a', { env: env as Record<string, string>, ...options }))?.username;

  test('ours, else Docker’s', async () => {
    expect(await user(home(docker))).toBe('docker');
    expect(await user(home({ ...docker, ...own }))).toBe('own');
    expect(await user(home({}))).toBeUndefined();
  });

  test('directories by variables', async () => {
    const env = home(docker);
    const other = home({ 'docker-config.json': { auths: { r: auth('moved:1') } } }).HOME;
    expect(await user({ ...env, APPTAINER_CONFIGDIR: other })).toBe('moved');
    expect(await user({ ...env, DAVIT_CONFIGDIR: other, APPTAINER_CONFIGDIR: '/nowhere' })).toBe('moved');
    expect(credentialFile({ HOME: '/h', DOCKER_CONFIG: '/d' })).toBe('/d/config.json');
  });

  test('the directory that CONFIGDIR names takes the place of Docker’s as well', async () => {
    const { HOME: named } = home({ 'config.json': { auths: { r: auth('named:1') } } });
    expect(await user({ ...home(docker), APPTAINER_CONFIGDIR: named })).toBe('named');
    expect(await user({ ...home(docker), APPTAINER_CONFIGDIR: home({}).HOME })).toBeUndefined();
    expect(credentialFile({ HOME: '/h', SINGULARITY_CONFIGDIR: '/c' })).toBe('/c/config.json');
    expect(credentialFile({ HOME: '/h', SINGULARITY_CONFIGDIR: '/c', DOCKER_CONFIG: '/d' })).toBe('/d/config.json');
  });

  test('--authfile replaces the files, user and password replace everything', async () => {
    const env = home({ ...docker, file: { auths: { r: auth('file:1') } } });
    const authFile = join(env.HOME, 'file');
    expect(await user(env, { authFile })).toBe('file');
    expect(await user(env, { authFile, username: 'me', password: 'x' })).toBe('me');
    expect(await user(env, { username: 'me' })).toBe('docker');
  });

  test('files that cannot be used', async () => {
    const warnings: string[] = [];
    const onWarning = (text: string): unknown => warnings.push(text);
    expect(await user(home(docker), { authFile: '/nosuch', onWarning })).toBeUndefined();
    expect(warnings).toEqual(['There is no file with credentials "/nosuch"; going on without it']);
    await expect(user(home({}), { authFile: '/' })).rejects.toMatchObject({ code: 'CONFIG', errno: 'EISDIR' });
    await expect(user(home({ '.docker/config.json': '{' }))).rejects.toMatchObject({ code: 'CONFIG' });
    await expect(user(home({ '.docker/config.json': '[]' }))).rejects.toMatchObject({ code: 'CONFIG' });
    expect(await user(home({ '.docker/config.json': '' }))).toBeUndefined();
  });
});

describe('credential helpers', () => {
  const script = (body: string): string => `#!/bin/sh\nread -r server\n${body}\n`;
  const reply = `printf '{"ServerURL":"%s","Username":"from helper","Secret":"for %s"}' "$server" "$server"`;

  test('one for a registry beats the store for all', async () => {
    const env = home({
      'bin/docker-credential-mine': script(reply),
      'bin/docker-credential-all': script('exit 1'),
      '.docker/config.json': { credHelpers: { 'r.test': 'mine' }, credsStore: 'all' },
    });
    expect(await findCredentials('r.test', 'a', { env })).toEqual({ username: 'from helper', password: 'for r.test' });
  });

  test('Docker Hub has its old key, and a token is a token', async () => {
    const env = home({
      'bin/docker-credential-all': script(`printf '{"Username":"<token>","Secret":"%s"}' "$server"`),
      '.docker/config.json': { credsStore: 'all' },
    });
    expect(await findCredentials('docker.io', 'a', { env })).toMatchObject({
      identityToken: 'https://index.docker.io/v1/',
    });
  });

  test.each([
    ['is missing', 'gone', '', /docker-credential-gone is not on PATH/],
    ['fails', 'all', 'echo no key ring; exit 3', /ended with status 3: no key ring/],
    ['answers nonsense', 'all', 'echo hello', /answered something that is no credentials/],
    ['has a name with a path', '../x', '', /no name that a program can have/],
  ])('one that %s is a warning', async (_, name, body, warning) => {
    const warnings: string[] = [];
    const env = home({
      'bin/docker-credential-all': script(body),
      '.docker/config.json': { credsStore: name, auths: { r: auth('file:1') } },
    });
    const found = await findCredentials('r', 'a', { env, onWarning: (text) => warnings.push(text) });
    expect(found?.username).toBe('file');
    expect(warnings).toEqual([expect.stringMatching(warning)]);
  });

  test('one that has nothing is no warning', async () => {
    const env = home({
      'bin/docker-credential-all': script('echo credentials not found in native keychain; exit 1'),
      '.docker/config.json': { credsStore: 'all' },
    });
    const onWarning = (): never => expect.unreachable();
    expect(await findCredentials('r', 'a', { env, onWarning })).toBeUndefined();
  });

  test('stores and erases', async () => {
    const env = home({ 'bin/docker-credential-all': '#!/bin/sh\n{ echo "$1"; cat; echo; } >>"$HOME/log"\n' });
    await storeWithHelper('all', 'r.test', { username: 'u', password: 'p' }, env);
    await eraseWithHelper('all', 'r.test', env);
    expect(readFileSync(join(env.HOME, 'log'), 'utf8')).toBe(
      'store\n{"ServerURL":"r.test","Username":"u","Secret":"p"}\nerase\nr.test\n',
    );
  });
});
