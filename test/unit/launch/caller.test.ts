import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logicalCwd, passwdLine, readCaller } from '../../../src/runtime/launch/caller';

const uid = process.getuid?.() as number;
const gid = process.getgid?.() as number;
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-caller-'));
  mkdirSync(`${dir}/real`);
  symlinkSync(process.cwd(), `${dir}/link`);
  writeFileSync(
    `${dir}/passwd`,
    `#x:x:${uid}:9:::\nother:x:9999:${uid}::/:\nme:x:${uid}:${gid}:A B:/home/me:/bin/zsh\n`,
  );
  writeFileSync(`${dir}/group`, `broken:${gid}\nmygroup:x:${gid}:a,b\n`);
  writeFileSync(`${dir}/empty`, '');
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('the caller', () => {
  it('is read from the process and from passwd and group', () => {
    const caller = readCaller({ PATH: '/x' }, { passwd: `${dir}/passwd`, group: `${dir}/group` });
    expect(caller).toMatchObject({
      uid,
      gid,
      user: { name: 'me', gecos: 'A B', home: '/home/me', shell: '/bin/zsh' },
      groupNames: { [gid]: 'mygroup' },
      cwd: process.cwd(),
      physicalCwd: process.cwd(),
      env: { PATH: '/x' },
      umask: process.umask(),
    });
    expect(caller.hostname).not.toBe('');
    expect(caller.privileged).toBe(typeof caller.privileged === 'boolean' && uid === 0 ? caller.privileged : false);
  });

  it('has a name also when /etc/passwd lacks it: the C library is asked, then the environment', () => {
    const { user } = readCaller({ USER: 'envname', HOME: '/h' }, { passwd: `${dir}/empty`, group: `${dir}/empty` });
    expect(user.name).toMatch(/^[\w.@-]+\$?$/);
    expect(user.home).toMatch(/^\//);
    expect(readCaller({}, { passwd: `${dir}/none`, group: `${dir}/none` }).groupNames).toEqual({});
  });

  it('finds the line of an id and not one that only looks like it', () => {
    const text = 'a:x:10:5:::\nb:x:5:10::/b:/bin/sh\nshort:x:7\n';
    expect(passwdLine(text, 5)).toEqual(['b', 'x', '5', '10', '', '/b', '/bin/sh']);
    expect(passwdLine(text, 7)).toBeUndefined();
    expect(passwdLine(text, 99)).toBeUndefined();
  });

  it('keeps the name that the shell has for the working directory, if it is that directory', () => {
    const physical = process.cwd();
    expect(logicalCwd(`${dir}/link`, physical)).toBe(`${dir}/link`);
    expect(logicalCwd(`${dir}/real`, physical)).toBe(physical);
    expect(logicalCwd('relative', physical)).toBe(physical);
    expect(logicalCwd(`${dir}/none`, physical)).toBe(physical);
    expect(logicalCwd(undefined, physical)).toBe(physical);
  });
});
