import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDefinition } from '../../../src/formats/definition/parse';
import { localSource, referencesOf, uriOf } from '../../../src/runtime/build/bootstrap/from-uri';
import { bootstrapAgent } from '../../../src/runtime/build/bootstrap/index';
import { exitWords } from '../../../src/runtime/build/sections/exit-words';
import { rightsOf } from '../../../src/runtime/build/bundle/rights';
import { sectionCommand } from '../../../src/runtime/build/sections/section-args';
import { compileSection, type SectionRequest } from '../../../src/runtime/build/sections/section-plan';
import { rootCaller } from '../launch/support';

const stage = (text: string) => parseDefinition(text, 'x.def').definition.stages[0]!;

describe('the command of a section', () => {
  const command = (args: string) => sectionCommand('post', { args, text: '', line: 1 }, '/s');
  it('is a shell that stops at errors and says what it does', () => {
    expect(command('')).toEqual(['/bin/sh', '-ex', '/s']);
    expect(command('-u')).toEqual(['/bin/sh', '-ex', '-u', '/s']);
  });
  it('is another program behind -c', () => {
    expect(command('-c /bin/bash')).toEqual(['/bin/sh', '-ex', '-c', '/bin/bash /s']);
    expect(command('-u -c /usr/bin/env  python3 -u')).toEqual([
      '/bin/sh',
      '-ex',
      '-u',
      '-c',
      '/usr/bin/env python3 -u /s',
    ]);
    expect(() => command('-c')).toThrow("bad post section '-c' parameter: missing arguments");
  });
  it('ends in words', () => {
    expect([exitWords(9), exitWords(137, 9), exitWords(159, 31)]).toEqual([
      'exit status 9',
      'signal: killed',
      'signal: signal 31',
    ]);
  });
});

describe('the launch of a section', () => {
  const request: SectionRequest = {
    action: 'exec',
    command: ['/bin/sh', '-ex', '/.post.script'],
    rootfs: '/build/rootfs',
    tmp: '/build/tmp',
    varTmp: '/build/var-tmp',
    cleanEnv: true,
    variables: { APPTAINER_LABELS: '/.build.labels' },
    binds: [],
    mounts: [],
    writableTmpfs: false,
    inUserNamespace: false,
    caller: rootCaller({ env: { HOME: '/home/someone', SECRET: 'x' } }),
    messageLevel: 1,
    color: false,
  };
  const steps = (more: Partial<SectionRequest> = {}) => compileSection({ ...request, ...more }).plan.steps ?? [];
  const binds = (more: Partial<SectionRequest> = {}) =>
    steps(more).flatMap(({ bind }) => (bind ? [`${bind.source}:${bind.target}`] : []));

  it('has a PID namespace of its own, and a root that is written to', () => {
    const { plan } = compileSection(request);
    expect(plan).toMatchObject({ mode: 1, namespaces: { user: false, mount: true, pid: true } });
    expect(plan.steps?.slice(0, 4)).toEqual([
      { propagation: { private: false } },
      expect.objectContaining({ session: expect.anything() }),
      { mountDirectory: { path: '/build/rootfs' } },
      { rootfs: { writable: true, sessionUpper: false, userXattr: false, allowSetuid: true } },
    ]);
    expect(plan.steps?.at(-1)).toEqual({ pivotRoot: {} });
    expect(plan.program?.workingDirectory?.path).toBe('/');
  });

  it('mounts nothing of the host but devices, /sys and what is asked for', () => {
    const host = binds().filter((bind) => !/^\/dev\/(tty|null|zero|random|urandom|pts)/.test(bind));
    expect(host).toEqual(['/sys:/sys', '/build/var-tmp:/var/tmp', '/build/tmp:/tmp']);
    expect(binds({ binds: ['/data:/mnt:ro'] })).toContain('/data:/mnt');
    const copies = steps().flatMap(({ file }) => (file ? [file.target] : []));
    expect(copies).toEqual(['/etc/resolv.conf', '/etc/hosts'].filter((path) => existsSync(path)));
  });

  it('has a clean environment, and the names of the files it may write to', () => {
    const { environment } = compileSection(request).plan.program ?? {};
    expect(environment).toMatchObject({ onlyAllowed: true });
    expect(environment?.allow).toContain('https_proxy');
    const set = Object.fromEntries((environment?.set ?? []).map(({ name, value }) => [name, value]));
    expect(set).toMatchObject({
      HOME: '/root',
      APPTAINER_LABELS: '/.build.labels',
      APPTAINER_ENVIRONMENT: '/.singularity.d/env/91-environment.sh',
    });
    expect(compileSection({ ...request, cleanEnv: false }).plan.program?.environment?.onlyAllowed).toBe(false);
  });

  it('is told of the authorities that the host names', () => {
    const env = { SSL_CERT_FILE: __filename, CURL_CA_BUNDLE: '/no/such', GIT_SSL_CAINFO: __filename };
    const named = { ...request, caller: rootCaller({ env }) };
    expect(binds(named)).toContain(`${__filename}:/dev/host-ca-certificates.crt`);
    const set = (compileSection(named).plan.program?.environment?.set ?? []).map(
      ({ name, value }) => `${name}=${value}`,
    );
    expect(set.filter((text) => text.endsWith('/dev/host-ca-certificates.crt'))).toEqual([
      'SSL_CERT_FILE=/dev/host-ca-certificates.crt',
      'GIT_SSL_CAINFO=/dev/host-ca-certificates.crt',
    ]);
  });

  it('in a user namespace takes the mounts that came with it as they are', () => {
    expect(steps({ inUserNamespace: true })[3]).toEqual({
      rootfs: { writable: true, sessionUpper: false, userXattr: true, allowSetuid: false },
    });
    expect(steps({ inUserNamespace: true })).toContainEqual({
      bind: { recursive: true, source: '/sys', target: '/sys', keepSuidDev: true, origin: '/sys' },
    });
  });

  it('under fakeroot has its library', () => {
    const fakeroot = { library: '/usr/lib/libfakeroot.so', key: '12' };
    expect(binds({ fakeroot })).toContain('/usr/lib/libfakeroot.so:/dev/libfakeroot.so');
    const set = compileSection({ ...request, fakeroot }).plan.program?.environment?.set;
    expect(set).toContainEqual({ name: 'LD_PRELOAD', value: '/dev/libfakeroot.so' });
    expect(set).toContainEqual({ name: 'FAKEROOTKEY', value: '12' });
  });

  it('of a test may lose what it writes', () => {
    expect(steps({ writableTmpfs: true })[3]).toMatchObject({ rootfs: { writable: false, sessionUpper: true } });
  });
});

describe('bootstrap agents', () => {
  it.each([
    ['Bootstrap: docker\nFrom: alpine:3\n', 'docker://alpine:3'],
    [
      'Bootstrap: Docker\nRegistry: r.io:5000/\nNamespace: a/b\nFrom: c@sha256:0\n',
      'docker://r.io:5000/a/b/c@sha256:0',
    ],
    ['Bootstrap: docker-archive\nFrom: dir/a.tar\n', 'docker-archive:dir/a.tar'],
    ['Bootstrap: oci\nFrom: /abs/layout:tag\n', 'oci:/abs/layout:tag'],
    ['Bootstrap: library\nFrom: a/b/c:1\n', 'library://a/b/c:1'],
    ['Bootstrap: oras\nFrom: //r.io/x\n', 'oras://r.io/x'],
  ])('%j is %s', (text, uri) => {
    expect(uriOf(stage(text))).toBe(uri);
    expect(referencesOf(stage(text))).toMatchObject([{ reference: uri }]);
  });

  it('library: the server may be named beside the image', () => {
    const text = 'Bootstrap: library\nLibrary: https://lib.example\nFrom: a/b/c\n';
    expect(referencesOf(stage(text))).toMatchObject([{ reference: 'library://a/b/c', library: 'https://lib.example' }]);
  });

  it('say which image they begin with', () => {
    expect(localSource(stage('Bootstrap: localimage\nFrom: x\n'))).toEqual({ kind: 'file', path: 'x' });
    expect(localSource(stage('Bootstrap: scratch\n'))).toBeUndefined();
    expect(() => localSource(stage('Bootstrap: localimage\n'))).toThrow('needs the header key From');
    expect(referencesOf(stage('Bootstrap: busybox\nMirrorURL: https://x/busybox\n'))).toEqual([
      { reference: 'https://x/busybox' },
    ]);
  });

  it.each(['docker', 'localimage', 'scratch', 'busybox', 'debootstrap', 'yum', 'dnf', 'zypper', 'arch', 'ORAS'])(
    'has %s',
    async (name) => {
      expect(await bootstrapAgent(stage(`Bootstrap: ${name}\n`))).toHaveProperty('fill');
    },
  );

  it('refuses those it does not know, and those that are not there yet', async () => {
    await expect(bootstrapAgent(stage('Bootstrap: nosuch\n'))).rejects.toThrow('invalid build source nosuch');
    await expect(bootstrapAgent(stage('Bootstrap: constructor\n'))).rejects.toThrow('invalid build source constructor');
    await expect(bootstrapAgent(stage('Bootstrap: buildkit\n'))).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
  });
});

it('knows who needs a user namespace', () => {
  expect(rightsOf({ caller: { uid: 0, privileged: true } })).toEqual({ kind: 'host', inUserNamespace: false });
  expect(rightsOf({ caller: { uid: 1000, privileged: false } })).toEqual({ kind: 'enter' });
});
