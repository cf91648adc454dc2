import { describe, expect, it } from 'vitest';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { compile, config, KERNEL, mountList, rootCaller, stepsOf, userCaller, warnings } from './support';

const bindAt = (target: string, ...args: Parameters<typeof compile>) =>
  stepsOf(compile(...args), 'bind').filter((bind) => bind.target === target);

describe('/dev, /proc and /sys', () => {
  it("are the host's, with their devices working", () => {
    expect(bindAt('/dev')).toEqual([
      { source: '/dev', target: '/dev', recursive: true, keepSuidDev: true, origin: '/dev' },
    ]);
    expect(bindAt('/proc')).toMatchObject([{ recursive: true, keepSuidDev: true }]);
    expect(bindAt('/sys')).toMatchObject([{ recursive: true, keepSuidDev: true }]);
    expect(bindAt('/sys', {}, { caller: rootCaller() })).toMatchObject([{ recursive: false, keepSuidDev: false }]);
  });

  it('/proc is fresh in a PID namespace', () => {
    expect(stepsOf(compile({ pid: true }), 'proc')).toEqual([{ target: '/proc', fallbackBind: true }]);
    expect(bindAt('/proc', { pid: true })).toEqual([]);
  });

  it('--contain makes a small /dev, in the order that mounting needs', () => {
    const list = mountList(compile({ contain: true })).filter(
      (line) => line.includes('/dev') && !line.includes('/dev/console'),
    );
    expect(list).toEqual([
      'sessionDirectory /dev',
      'tmpfs /dev/shm',
      'devpts /dev/pts',
      'symlink /dev/pts/ptmx -> /dev/ptmx',
      'bind /dev/tty',
      'bind /dev/null',
      'bind /dev/zero',
      'bind /dev/random',
      'bind /dev/urandom',
      'symlink /proc/self/fd -> /dev/fd',
      'symlink /proc/self/fd/0 -> /dev/stdin',
      'symlink /proc/self/fd/1 -> /dev/stdout',
      'symlink /proc/self/fd/2 -> /dev/stderr',
    ]);
    expect(stepsOf(compile({ contain: true }), 'tmpfs')).toEqual([
      { target: '/dev/shm', options: 'mode=1777', nosuid: true, nodev: true },
    ]);
    expect(stepsOf(compile({ contain: true }), 'devpts')).toEqual([
      { target: '/dev/pts', options: 'mode=620,ptmxmode=666' },
    ]);
    const asRoot = compile({ contain: true }, { caller: rootCaller(), choice: KERNEL });
    expect(stepsOf(asRoot, 'devpts')).toEqual([{ target: '/dev/pts', options: 'gid=5,mode=620,ptmxmode=666' }]);
  });

  it('the small /dev has message queues in an IPC namespace, and no terminals without devpts', () => {
    expect(stepsOf(compile({ containAll: true }), 'mqueue')).toEqual([{ target: '/dev/mqueue' }]);
    const without = mountList(compile({ contain: true, noMount: ['devpts'] }));
    expect(without.filter((line) => line.includes('pt'))).toEqual([]);
  });

  it('"mount dev = minimal" is the small /dev without --contain', () => {
    const list = mountList(compile({}, { config: config({ mountDev: 'minimal' }) }));
    expect(list).toContain('sessionDirectory /dev');
    expect(list).toContain('bind /tmp');
  });

  it('a device of --bind works; --bind /dev takes all of them under --contain', () => {
    expect(bindAt('/dev/null', { contain: true, bind: ['/dev/null'] }).at(-1)).toMatchObject({
      keepSuidDev: true,
      hostUserText: true,
    });
    const list = mountList(compile({ contain: true, bind: ['/dev'] }));
    expect(list.filter((line) => line.endsWith('/dev'))).toEqual(['bind /dev']);
    expect(list).not.toContain('tmpfs /dev/shm');
  });
});

describe('--no-mount', () => {
  it.each([
    ['proc', 'bind /proc'],
    ['sys', 'bind /sys'],
    ['dev', 'bind /dev'],
    ['tmp', 'bind /var/tmp'],
    ['bind-paths', 'bind /etc/hosts'],
    ['/etc/hosts', 'bind /etc/hosts'],
    ['/etc/resolv.conf', 'file /etc/resolv.conf'],
  ])('%s leaves out "%s"', (value, line) => {
    expect(mountList(compile())).toContain(line);
    expect(mountList(compile({ noMount: [value] }))).not.toContain(line);
  });

  it('takes lists and warns of what it does not know', () => {
    const plan = compile({ noMount: ['home,tmp', 'foo'] });
    expect(warnings(plan)).toEqual(["warning: Ignoring unknown mount type 'foo'"]);
    expect(mountList(plan).filter((line) => line.includes('tmp'))).toEqual([]);
  });
});

describe('configured binds', () => {
  it('are optional; contained, only the two that everything expects stay', () => {
    const settings = { config: config({ bindPath: ['/etc/localtime', '/etc/hosts', '/opt/site:/site'] }) };
    expect(bindAt('/site', {}, settings)).toEqual([
      { recursive: true, source: '/opt/site', target: '/site', optional: true, origin: 'bind path' },
    ]);
    expect(bindAt('/site', { contain: true }, settings)).toEqual([]);
    expect(bindAt('/etc/localtime', { contain: true }, settings)).toHaveLength(1);
  });

  it('a contained network of its own has only localhost in /etc/hosts', () => {
    const plan = compile({ contain: true, net: true, network: 'none' });
    const hosts = stepsOf(plan, 'file').find(({ target }) => target === '/etc/hosts');
    expect(Buffer.from(hosts?.bytes as Uint8Array).toString()).toContain('127.0.0.1   localhost\n');
    expect(mountList(plan)).not.toContain('bind /etc/hosts');
  });
});

describe('generated files', () => {
  const files = (asked: Partial<LaunchOptions>, request = {}) => stepsOf(compile(asked, request), 'file');

  it('passwd and group have the lines of the caller', () => {
    const caller = userCaller({ groups: [2000, 27, 99], groupNames: { 2000: 'hpc', 27: 'video' } });
    const [, passwd, group] = files({ home: '/srv:/home/other' }, { caller });
    expect(passwd).toEqual({
      target: '/etc/passwd',
      passwd: {
        uid: 2000,
        gid: 2000,
        name: 'hpc',
        gecos: '',
        home: '/home/other',
        shell: '/bin/bash',
        keepName: false,
      },
      optional: true,
    });
    expect(group?.group).toEqual({
      user: 'hpc',
      groups: [
        { gid: 2000, name: 'hpc' },
        { gid: 27, name: 'video' },
      ],
    });
  });

  it('inside a fake root they are those of root, whose name the image gives', () => {
    const [, passwd, group] = files({ fakeroot: true, ignoreSubuid: true });
    expect(passwd?.passwd).toMatchObject({ uid: 0, gid: 0, name: 'root', home: '/root', keepName: true });
    expect(group?.group).toEqual({ user: 'root', groups: [{ gid: 0, name: 'root' }] });
  });

  it('--dns writes resolv.conf', () => {
    const [resolv] = files({ dns: '1.2.3.4, 2001:db8::1' });
    expect(Buffer.from(resolv?.bytes as Uint8Array).toString()).toBe('nameserver 1.2.3.4\nnameserver 2001:db8::1\n');
    expect(() => files({ dns: '1.2.3.x' })).toThrow('dns ip 1.2.3.x is not a valid IP address');
    expect(() => files({ dns: '1.2.3.256' })).toThrow('not a valid IP address');
  });

  it('--hostname writes its file and sets the name', () => {
    const plan = compile({ hostname: 'foo.bar' });
    expect(Buffer.from(stepsOf(plan, 'file').at(-1)?.bytes as Uint8Array).toString()).toBe('foo.bar\n');
    expect(stepsOf(plan, 'hostname')).toEqual([{ name: 'foo.bar' }]);
    for (const hostname of ['foo bar', '-x', 'x-', '', 'a..b', `${'a'.repeat(64)}`]) {
      expect(() => compile({ hostname })).toThrow(`${hostname} is not a valid hostname`);
    }
  });

  it('are left out where the site says so', () => {
    const settings = { config: config({ configPasswd: false, configGroup: false, configResolvConf: false }) };
    expect(files({}, settings)).toEqual([]);
  });
});
