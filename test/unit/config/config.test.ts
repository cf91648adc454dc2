import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/runtime/config/config';
import { defaultConfig, directives } from '../../../src/runtime/config/directives';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'davit-config-'));
  mkdirSync(`${directory}/davit.d`);
});
afterEach(() => rmSync(directory, { recursive: true }));
const write = (name: string, text: string) => writeFileSync(`${directory}/${name}`, text);

describe('the configuration', () => {
  it('without a file is the default', () => {
    const loaded = loadConfig({ directory: `${directory}/none` });
    expect(loaded).toMatchObject({ files: [], warnings: [] });
    expect(loaded.config).toEqual(defaultConfig());
    expect(loaded.config).toMatchObject({
      sessiondirMaxSize: 64,
      bindPath: ['/etc/localtime', '/etc/hosts'],
      mountDev: 'yes',
      mountSlave: true,
      mountHostfs: false,
    });
  });

  it('reads directives, comments and blanks', () => {
    write(
      'davit.conf',
      '# site\n\nsessiondir  max size = 16 # MiB\nmount dev=minimal\n  mount slave = no\nmemory fs type = ramfs\n',
    );
    const { config, warnings, sources } = loadConfig({ directory });
    expect(config).toMatchObject({ sessiondirMaxSize: 16, mountDev: 'minimal', mountSlave: false });
    expect(warnings).toEqual([]);
    expect(sources.get('mount dev')).toBe(`${directory}/davit.conf:4`);
  });

  it('takes times', () => {
    expect(defaultConfig().warmImagesMs).toBe(0);
    write('davit.conf', 'warm images = 1h30m\n');
    expect(loadConfig({ directory }).config.warmImagesMs).toBe(5_400_000);
    write('davit.conf', 'warm images = 10\n');
    expect(() => loadConfig({ directory })).toThrow(/davit.conf:1: "warm images" takes a time such as/);
  });

  it('lists are separated by commas or repeated; a later file replaces them', () => {
    write('davit.conf', 'bind path = /a, /b:/c\nbind path = /d\n');
    expect(loadConfig({ directory }).config.bindPath).toEqual(['/a', '/b:/c', '/d']);
    write('davit.d/10.conf', 'bind path = /e\n');
    expect(loadConfig({ directory }).config.bindPath).toEqual(['/e']);
    write('davit.d/20.conf', 'bind path =\n');
    expect(loadConfig({ directory }).config.bindPath).toEqual([]);
  });

  it('reads davit.d in order, also without davit.conf, and only *.conf', () => {
    write('davit.d/20-b.conf', 'sessiondir max size = 2\n');
    write('davit.d/10-a.conf', 'sessiondir max size = 1\nmount tmp = no\n');
    write('davit.d/30.conf.bak', 'nonsense\n');
    const loaded = loadConfig({ directory });
    expect(loaded.config).toMatchObject({ sessiondirMaxSize: 2, mountTmp: false });
    expect(loaded.files.map((path) => path.slice(directory.length + 1))).toEqual([
      'davit.d/10-a.conf',
      'davit.d/20-b.conf',
    ]);
  });

  it('warns of unknown directives with file and line', () => {
    write('davit.conf', '\nmount everything = yes\n');
    expect(loadConfig({ directory }).warnings).toEqual([
      `${directory}/davit.conf:2: unknown directive "mount everything" is ignored`,
    ]);
  });

  it.each([
    ['mount proc = maybe', '"mount proc" takes yes or no, not "maybe"'],
    ['mount dev = some', '"mount dev" takes yes or no or minimal, not "some"'],
    ['sessiondir max size = 64M', '"sessiondir max size" takes a number, not "64M"'],
    ['mount proc', '"mount proc" is not of the form "directive = value"'],
    ['always use nv = 1', '"always use nv" takes yes or no, not "1"'],
  ])('refuses "%s"', (line, message) => {
    write('davit.conf', `${line}\n`);
    expect(() => loadConfig({ directory })).toThrow(`${directory}/davit.conf:1: ${message}`);
  });

  it('--config and the variables name the one file that is read', () => {
    write('davit.conf', 'sessiondir max size = 1\n');
    write('mine', 'sessiondir max size = 2\n');
    write('other', 'sessiondir max size = 3\n');
    const env = { DAVIT_CONFIG_FILE: `${directory}/mine`, APPTAINER_CONFIG_FILE: `${directory}/other` };
    expect(loadConfig({ directory, env }).config.sessiondirMaxSize).toBe(2);
    expect(loadConfig({ directory, env, file: `${directory}/other` }).config.sessiondirMaxSize).toBe(3);
    expect(
      loadConfig({ directory, env: { APPTAINER_CONFIG_FILE: `${directory}/other` } }).config.sessiondirMaxSize,
    ).toBe(3);
    expect(() => loadConfig({ directory, file: `${directory}/none` })).toThrow(
      `read the configuration "${directory}/none": ENOENT`,
    );
  });

  it.runIf(process.getuid?.() !== 0)('says which file it may not read', () => {
    write('davit.conf', '');
    chmodSync(`${directory}/davit.conf`, 0);
    expect(() => loadConfig({ directory })).toThrow('EACCES');
  });

  it('defaults of the table fit their types', () => {
    for (const { name, type, fallback } of directives().values()) {
      if (type === 'bool') expect([name, ['yes', 'no']]).toEqual([name, expect.arrayContaining([fallback])]);
      if (type === 'number') expect(fallback, name).toMatch(/^\d+$/);
      if (typeof type !== 'string') expect(type, name).toContain(fallback);
    }
  });
});
