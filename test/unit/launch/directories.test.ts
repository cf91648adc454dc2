import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { compile, config, mountList, stepsOf, userCaller, warnings } from './support';

describe('directories', () => {
  let dir: string;
  const home = () => ({ name: 'hpc', gecos: '', home: dir, shell: '/bin/bash' });
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'davit-mounts-'));
    mkdirSync(`${dir}/wd`);
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const plan = (asked: Partial<LaunchOptions>, more = {}) =>
    compile(asked, { caller: userCaller({ user: home(), ...more }) });

  describe('home', () => {
    it('is that of the host, and not fatal when it cannot be bound', () => {
      expect(stepsOf(plan({}), 'bind')).toContainEqual({
        recursive: true,
        source: dir,
        target: dir,
        optional: true,
        hostUserText: false,
        origin: 'home',
      });
      expect(plan({}).plan.program?.environment?.set).toContainEqual({ name: 'HOME', value: dir });
    });

    it('is an empty directory where the host has none, and when contained', () => {
      const lost = { name: 'svc', gecos: '', home: '/nonexistent', shell: '/bin/false' };
      expect(stepsOf(compile({}, { caller: userCaller({ user: lost }) }), 'sessionDirectory')).toEqual([
        { target: '/nonexistent', mode: 0o755 },
      ]);
      expect(stepsOf(plan({ contain: true }), 'sessionDirectory')).toContainEqual({ target: dir, mode: 0o755 });
    });

    it('is /root for a fake root', () => {
      const bind = stepsOf(plan({ fakeroot: true, ignoreSubuid: true }), 'bind').find(
        ({ origin }) => origin === 'home',
      );
      expect(bind).toMatchObject({ source: dir, target: '/root' });
    });

    it('--home binds, also when contained', () => {
      const bind = {
        recursive: true,
        source: `${dir}/wd`,
        target: '/home/q',
        optional: false,
        hostUserText: true,
        origin: 'home',
      };
      expect(stepsOf(plan({ home: `${dir}/wd:/home/q` }), 'bind')).toContainEqual(bind);
      expect(
        stepsOf(plan({ home: 'wd:/home/q', contain: true }, { cwd: dir, physicalCwd: dir }), 'bind'),
      ).toContainEqual(bind);
      expect(stepsOf(plan({ home: `${dir}/wd`, contain: true }), 'bind')).toContainEqual({
        ...bind,
        target: `${dir}/wd`,
      });
      expect(plan({ home: `${dir}/wd:/home/q` }).plan.program?.environment?.set).toContainEqual({
        name: 'HOME',
        value: '/home/q',
      });
    });

    it.each([
      ['a:b:c', 'home argument has incorrect number of elements: 3'],
      ['/tmp:q', 'path q is not an absolute path'],
      ['', 'home argument is empty'],
    ])('refuses --home %j', (value, message) => {
      expect(() => plan({ home: value })).toThrow(message);
    });

    it('is never mounted on the root', () => {
      const result = plan({ home: '/' });
      expect(warnings(result)).toEqual(["warning: Skipping impossible home directory mount to '/'"]);
      expect(mountList(result)).not.toContain('bind /');
    });

    it('is left out by --no-home, --no-mount home and the site, and HOME stays', () => {
      for (const result of [
        plan({ noHome: true }),
        plan({ noMount: ['home'] }),
        compile({}, { caller: userCaller({ user: home() }), config: config({ mountHome: false }) }),
      ]) {
        expect(stepsOf(result, 'bind').some(({ origin }) => origin === 'home')).toBe(false);
        expect(result.plan.program?.environment?.set).toContainEqual({ name: 'HOME', value: dir });
      }
    });
  });

  describe('tmp, scratch and workdir', () => {
    it('/var/tmp comes before /tmp: a link from one to the other must not end on the wrong one', () => {
      const order = mountList(plan({})).filter((line) => line.endsWith('tmp'));
      expect(order).toEqual(['bind /var/tmp', 'bind /tmp']);
    });

    it('are empty when contained, and below --workdir when given', () => {
      expect(stepsOf(plan({ contain: true }), 'sessionDirectory').slice(-3)).toEqual([
        { target: '/var/tmp', mode: 0o1777 },
        { target: '/tmp', mode: 0o1777 },
        { target: dir, mode: 0o755 }, // a home below /tmp is mounted over it
      ]);
      const asked = { contain: true, workdir: `${dir}/wd/`, scratch: ['/scr,/a/b/'] };
      const made = stepsOf(plan(asked), 'bind').filter(({ makeSourceMode }) => makeSourceMode !== undefined);
      expect(made.map(({ source, target, makeSourceMode }) => [source, target, makeSourceMode])).toEqual([
        [`${dir}/wd/var_tmp`, '/var/tmp', 0o1777],
        [`${dir}/wd/tmp`, '/tmp', 0o1777],
        [`${dir}/wd/home`, dir, 0o700],
        [`${dir}/wd/scratch/scr`, '/scr', 0o750],
        [`${dir}/wd/scratch/a/b`, '/a/b', 0o750],
      ]);
    });

    it('--scratch is a fresh directory at an absolute path', () => {
      expect(stepsOf(plan({ scratch: ['/scr', '/scr'] }), 'sessionDirectory')).toEqual([
        { target: '/scr', mode: 0o755 },
      ]);
      expect(() => plan({ scratch: ['scr'] })).toThrow('destination must be an absolute path');
    });

    it('--workdir must be there when it is used', () => {
      expect(() => plan({ contain: true, workdir: `${dir}/none` })).toThrow('no such directory');
      expect(() => plan({ workdir: `${dir}/none` })).not.toThrow();
    });
  });

  describe('user binds', () => {
    const userBinds = (asked: Partial<LaunchOptions>) =>
      stepsOf(plan(asked, { cwd: dir, physicalCwd: dir }), 'bind').filter(({ hostUserText }) => hostUserText);

    it('come last, parents before children', () => {
      const targets = userBinds({ bind: ['/srv:/x/y/z', '/opt:/x', '/mnt:/w/v'] }).map(({ target }) => target);
      expect(targets).toEqual(['/x', '/w/v', '/x/y/z']);
      const list = mountList(plan({ bind: ['/srv:/x'] }));
      expect(list.at(-1)).toBe('bind /srv -> /x');
    });

    it('have no effect for set-user-id files and devices, and are read-only on request', () => {
      expect(userBinds({ bind: ['wd:/x:ro'] })).toEqual([
        {
          recursive: true,
          source: `${dir}/wd`,
          target: '/x',
          readOnly: true,
          keepSuidDev: false,
          hostUserText: true,
          origin: '--bind',
        },
      ]);
    });

    it('to one place: the first is made, and the list for nested launches has both', () => {
      const result = plan({ bind: ['/opt:/x', '/srv:/x'] });
      expect(warnings(result)).toEqual([
        "warning: While bind mounting '/srv:/x': destination is already in the mount point list",
      ]);
      expect(stepsOf(result, 'bind').filter(({ target }) => target === '/x')).toMatchObject([{ source: '/opt' }]);
      expect(result.plan.program?.environment?.set).toContainEqual({ name: 'SINGULARITY_BIND', value: '/x,/x' });
    });

    it('"user bind control = no" ignores them with a warning', () => {
      const result = compile({ bind: ['/opt'], scratch: ['/s'] }, { config: config({ userBindControl: false }) });
      expect(mountList(result).filter((line) => /opt|\/s$/.test(line))).toEqual([]);
      expect(warnings(result)).toHaveLength(2);
    });
  });

  describe('the working directory', () => {
    const cwdBind = (cwd: string, asked: Partial<LaunchOptions> = {}, physicalCwd = cwd) =>
      stepsOf(plan(asked, { cwd, physicalCwd }), 'bind').find(({ origin }) => origin === 'working directory');

    it('is bound at its path unless it is seen already', () => {
      expect(cwdBind('/srv/data')).toEqual({
        recursive: true,
        source: '/srv/data',
        target: '/srv/data',
        optional: true,
        skipIfVisible: true,
        origin: 'working directory',
      });
      expect(cwdBind(`${dir}/wd`)).toBeUndefined();
      expect(cwdBind('/tmp/x')).toBeUndefined();
      expect(cwdBind('/data/x', { bind: ['/data'] })).toBeUndefined();
    });

    it('is bound where another mount hides it, and when a link leads to it', () => {
      expect(cwdBind('/tmp/x', { bind: ['/srv:/tmp'] })).toBeDefined();
      expect(cwdBind('/tmp/x', { noMount: ['tmp'], noHome: true })).toBeDefined();
      expect(cwdBind('/tmp/link', {}, '/srv/data')).toBeDefined();
    });

    it.each(['/', '/etc', '/usr', '/opt', '/lib64', '/proc/1', '/sys', '/dev/shm'])('%s is never bound', (cwd) => {
      expect(cwdBind(cwd)).toBeUndefined();
    });

    it('is not bound when contained, or told not to', () => {
      expect(cwdBind('/srv', { contain: true })).toBeUndefined();
      expect(cwdBind('/srv', { noMount: ['cwd'] })).toBeUndefined();
      expect(cwdBind('/usr/lib')).toBeDefined();
    });
  });
});
