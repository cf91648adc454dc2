import { join } from 'node:path';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { MODE } from '../../../src/runtime/launch/plan';
import { davit as records } from '../../../src/schema/generated/record';
import { compile, config, kinds, mountList, rootCaller, SANDBOX, sandboxImage, stepsOf, userCaller } from './support';

describe('a plain launch', () => {
  it('has its steps in the order of mounting, for a user', () => {
    expect(kinds(compile())).toEqual([
      'propagation',
      'session',
      'mountFuse',
      'rootfs',
      ...Array(8).fill('bind'),
      'file',
      'file',
      'file',
      'pivotRoot',
      'userNamespace',
      'privileges',
    ]);
    expect(mountList(compile())).toEqual([
      'bind /dev',
      'bind /etc/localtime',
      'bind /etc/hosts',
      'bind /proc',
      'bind /sys',
      'bind /tmp',
      'bind /var/tmp',
      'bind /tmp',
      'file /etc/resolv.conf',
      'file /etc/passwd',
      'file /etc/group',
    ]);
  });

  it('lets the kernel mount the image for root, on a loop device that the state directory remembers', () => {
    const plan = compile({}, { caller: rootCaller() });
    expect(kinds(plan).slice(2, 4)).toEqual(['mountSquashfs', 'rootfs']);
    expect(stepsOf(plan, 'mountSquashfs')).toEqual([
      { image: '/images/lab.sif', offsetBytes: 36_864, sizeBytes: 1_044_480, loopDir: '/state/loops' },
    ]);
    expect(kinds(plan)).not.toContain('userNamespace');
    expect(kinds(plan)).not.toContain('privileges');
  });

  it('gives the FUSE server image and channel as descriptors', () => {
    expect(stepsOf(compile(), 'mountFuse')).toEqual([
      {
        image: '/images/lab.sif',
        serverArgv: ['/usr/bin/squashfuse_ll', '-f', '-o', 'offset=36864', '/proc/self/fd/3', '/dev/fd/4'],
        source: 'squashfuse_ll',
        subtype: 'squashfuse_ll',
        shareDir: '/state/fuse',
        shareMake: false,
      },
    ]);
  });

  it('uses a sandbox, and an unpacked copy, as they are', () => {
    const sandbox = compile({}, { image: sandboxImage('/srv/box'), choice: SANDBOX });
    expect(stepsOf(sandbox, 'mountDirectory')).toEqual([{ path: '/srv/box' }]);
    const unpacked = compile({}, { choice: { driver: 'unpacked' }, unpackedDir: '/cache/x' });
    expect(stepsOf(unpacked, 'mountDirectory')).toEqual([{ path: '/cache/x' }]);
    expect(() => compile({}, { choice: { driver: 'unpacked', reason: 'no squashfuse_ll was found on PATH' } })).toThrow(
      'mount the image "/images/lab.sif": no squashfuse_ll was found on PATH',
    );
  });

  it('propagates mounts of the host into the container, and never out; not at all when the site says so', () => {
    expect(stepsOf(compile(), 'propagation')).toEqual([{ private: false }]);
    expect(stepsOf(compile({}, { config: config({ mountSlave: false }) }), 'propagation')).toEqual([{ private: true }]);
  });

  it('limits the session to 64 MiB, or to what the site allows', () => {
    expect(stepsOf(compile(), 'session')).toEqual([{ sizeBytes: 67_108_864 }]);
    expect(stepsOf(compile({}, { config: config({ sessiondirMaxSize: 16 }) }), 'session')).toEqual([
      { sizeBytes: 16_777_216 },
    ]);
  });

  it('passes the umask on, or sets the usual one with --no-umask', () => {
    const caller = userCaller({ umask: 0o077 });
    expect(compile({}, { caller }).plan.program).toMatchObject({ setUmask: true, umask: 0o077 });
    expect(compile({ noUmask: true }, { caller }).plan.program).toMatchObject({ setUmask: true, umask: 0o022 });
  });

  it('drops every privilege of a user, and none of root', () => {
    expect(stepsOf(compile(), 'privileges')).toEqual([{ noNewPrivs: true, dropAll: true }]);
    expect(stepsOf(compile({ noPrivs: true }, { caller: rootCaller() }), 'privileges')).toEqual([
      { noNewPrivs: true, dropAll: true },
    ]);
  });

  it('encodes as protobuf that the schema reads back', () => {
    const { plan, bytes } = compile({ env: { A: '1' } }, { instanceName: 'web1', action: 'start' });
    const LaunchPlan = new protobuf.Root()
      .loadSync(join(__dirname, '../../../src/schema/launch.proto'))
      .lookupType('davit.LaunchPlan');
    const decoded = LaunchPlan.toObject(LaunchPlan.decode(bytes()), { longs: Number }) as typeof plan;
    expect(decoded.mode).toBe(MODE.instance);
    expect(decoded.steps?.map((step) => Object.keys(step)[0])).toEqual(plan.steps?.map((step) => Object.keys(step)[0]));
    expect(decoded.steps?.[1]).toEqual({ session: { sizeBytes: 67_108_864 } });
    expect(decoded.program?.script).toBe(plan.program?.script);
    expect(decoded.program?.environment?.set).toContainEqual({ name: 'APPTAINER_INSTANCE', fromInstanceName: true });
  });
});

describe('the working directory', () => {
  const directory = (asked: Parameters<typeof compile>[0], caller = userCaller({ cwd: '/srv', physicalCwd: '/srv' })) =>
    compile(asked, { caller }).plan.program?.workingDirectory;

  it("is the caller's, else HOME, else the root", () => {
    expect(directory({})).toEqual({ path: '/srv', fatal: false, fallbacks: ['/tmp', '/'] });
  });
  it('is HOME when contained', () => {
    expect(directory({ contain: true })).toEqual({ path: '/tmp', fatal: false, fallbacks: ['/'] });
  });
  it('is --cwd and nothing else', () => {
    expect(directory({ cwd: '/etc' })).toEqual({ path: '/etc', fatal: true, fallbacks: [] });
    expect(directory({ cwd: 'etc' })).toMatchObject({ path: '/etc', fatal: true });
  });
});

describe('an instance', () => {
  const start = (asked = {}, request = {}) =>
    compile(asked, { action: 'start', instanceName: 'web1', args: ['-p', '80'], ...request });

  it('always has a PID namespace, a group of its own and its name', () => {
    const { plan } = start({ noPid: true, noInit: true });
    expect(plan.mode).toBe(MODE.instance);
    expect(plan.namespaces).toMatchObject({ mount: true, pid: true });
    expect(plan.program).toMatchObject({ ownGroup: true, initIsProgram: false, arguments: ['-p', '80'] });
    expect(plan.instance).toMatchObject({
      name: 'web1',
      stateDir: '/state',
      logDir: '/state/logs',
      waitSeconds: 0,
      pidFile: '',
    });
  });

  it('takes the files of the caller from the directory of the caller', () => {
    const caller = userCaller({ cwd: '/srv', physicalCwd: '/srv' });
    const { plan } = start({ pidFile: 'web.pid', logDir: 'logs', waitSeconds: 2.5 }, { caller });
    expect(plan.instance).toMatchObject({ pidFile: '/srv/web.pid', logDir: '/srv/logs', waitSeconds: 2.5 });
  });

  it('has the record of what is known before the start', () => {
    const { plan } = start({ bind: ['/srv:/data,/opt'], writableTmpfs: true, app: 'foo' }, { isRun: true });
    expect(records.InstanceRecord.decode(plan.instance?.record as Uint8Array)).toMatchObject({
      format: 1,
      uid: 2000,
      user: 'hpc',
      image: '/images/lab.sif',
      imageDev: 1,
      imageIno: 2,
      driver: 'squashfuse_ll',
      home: '/tmp',
      userNamespace: true,
      fakeroot: false,
      noNewPrivs: true,
      dropAllCapabilities: true,
      bindList: '/data,/opt',
      imageName: 'lab.sif',
      app: 'foo',
      writableTmpfs: true,
      command: [], // the launcher's
      isRun: true,
      name: '',
      pid: 0,
    });
  });

  it('started by "instance run" executes the runscript', () => {
    const { plan } = start({}, { isRun: true });
    expect(plan.program?.script).toContain('/.singularity.d/runscript');
    expect(plan.program?.environment?.set).toContainEqual({ name: 'APPTAINER_COMMAND', value: 'run' });
  });
});

describe('what the site allows', () => {
  it.each([
    [{ allowContainerSif: false }, 'images of the kind sif are disabled'],
    [{ limitContainerPaths: ['/opt/images/'] }, 'images outside "limit container paths" are disabled'],
    [{ allowUserNs: false }, 'user namespaces are disabled by the configuration'],
  ])('%j', (settings, message) => {
    expect(() => compile({}, { config: config(settings) })).toThrow(message);
  });

  it('limits paths by whole directories', () => {
    expect(() => compile({}, { config: config({ limitContainerPaths: ['/images'] }) })).not.toThrow();
    expect(() => compile({}, { config: config({ limitContainerPaths: ['/ima'] }) })).toThrow(RuntimeError);
  });

  it('only root may keep privileges or use set-user-id files', () => {
    expect(() => compile({ keepPrivs: true })).toThrow(
      'Could not configure --keep-privs: --keep-privs requires root privileges',
    );
    expect(() => compile({ allowSetuid: true })).toThrow('--allow-setuid requires root privileges');
    expect(stepsOf(compile({ allowSetuid: true }, { caller: rootCaller() }), 'rootfs')).toMatchObject([
      { allowSetuid: true },
    ]);
  });
});
