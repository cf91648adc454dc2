/** instance list: columns, JSON, patterns and exit codes. */
import { existsSync, symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { asRoot, asUser } from './support/capabilities';
import { withWorld } from './support/world';

const noColumns = 'INSTANCE NAME    PID    IP    IMAGE\n';

withWorld('instance list', (world) => {
  const names = ['alpha', 'web1', 'web2', 'web10'];

  test('has headings alone when there is nothing', async () => {
    expect(await world().davit('instance', 'list')).toEqual({
      status: 0,
      signal: null,
      code: 0,
      stdout: noColumns,
      stderr: '',
    });
    expect(await world().ok('instance', 'list', 'nomatch*')).toBe(noColumns);
    expect(await world().ok('instance', 'list', '--logs')).toBe('INSTANCE NAME    PID    LOGS\n');
    expect(await world().ok('instance', 'list', '--json')).toBe('{\n\t"instances": []\n}\n');
  });

  test('is sorted by name and aligned, with the resolved path of the image', async () => {
    symlinkSync(world().image(), world().path('work/link.sif'));
    for (const name of [...names].reverse()) await world().ok('instance', 'start', 'link.sif', name);
    const listed = await world().list();
    expect(listed.map((entry) => entry.instance)).toEqual(['alpha', 'web1', 'web10', 'web2']);

    const width = Math.max(...listed.map(({ pid }) => String(pid).length)) + 4;
    const rows = listed.map(({ instance, pid }) =>
      [instance.padEnd('INSTANCE NAME'.length + 4), String(pid).padEnd(width), ' '.repeat(6), world().image()].join(''),
    );
    expect(await world().ok('instance', 'list')).toBe(
      `${['INSTANCE NAME    ' + 'PID'.padEnd(width) + 'IP    IMAGE', ...rows].join('\n')}\n`,
    );
  });

  test.each([
    ['web1', ['web1']],
    ['web*', ['web1', 'web10', 'web2']],
    ['*2', ['web2']],
    ['web?', ['web1', 'web2']],
    ['web[12]', ['web1', 'web2']],
    ['[!w]*', ['alpha']],
    ['nomatch', []],
    ['web1,alpha', ['alpha', 'web1']],
    ['web1,,', ['web1']],
    [',', []],
    ['', []],
    ['web[2,10]', ['web10', 'web2']],
  ])('takes the pattern %s', async (pattern, expected) => {
    expect((await world().list(pattern)).map((entry) => entry.instance)).toEqual(expected);
    const table = await world().ok('instance', 'list', pattern);
    expect(await world().okWith({ env: { APPTAINER_ALL: '1' } }, 'instance', 'list', pattern)).toBe(table);
    expect(table.match(/^(?:alpha|web)\S*/gm) ?? []).toEqual(expected);
  });

  test('prints JSON with tabs, first the keys that scripts know', async () => {
    const text = await world().ok('instance', 'list', '--json', 'web1');
    expect(text).toMatch(/^\{\n\t"instances": \[\n\t\t\{\n\t\t\t"instance": "web1",\n\t\t\t"pid": \d+,\n\t\t\t"img": /);
    const [entry] = JSON.parse(text).instances;
    expect(Object.keys(entry).slice(0, 6)).toEqual(['instance', 'pid', 'img', 'ip', 'logErrPath', 'logOutPath']);
    expect(entry).toMatchObject({
      ip: '',
      state: 'running',
      exitStatus: null,
      exitedAt: null,
      user: userInfo().username,
    });
    expect(Math.abs(Date.parse(entry.startedAt) - Date.now())).toBeLessThan(600_000);
    expect(['squashfs', 'squashfuse_ll', 'unpacked']).toContain(entry.driver);
  });

  test('prints two lines of log files for each instance, stderr first', async () => {
    const { pid, logErrPath, logOutPath } = await world().listed('web1');
    const lines = (await world().ok('instance', 'list', '--logs', 'web1')).split('\n');
    expect(lines[0]).toBe(`INSTANCE NAME    ${'PID'.padEnd(String(pid).length)}    LOGS`);
    expect(lines[1]).toBe(`web1             ${String(pid).padEnd(3)}    ${logErrPath}`);
    expect(lines[2]).toBe(`${' '.repeat(lines[1]!.indexOf('/'))}${logOutPath}`);
    expect(existsSync(logErrPath) && existsSync(logOutPath)).toBe(true);
  });

  test('does not take --json and --logs together', async () => {
    expect(await world().davit('instance', 'list', '--json', '--logs')).toMatchObject({
      status: 255,
      stderr: 'FATAL:   more than one flags have been set\n',
    });
  });

  test('takes one pattern at most', async () => {
    expect(await world().davit('instance', 'list', 'web1', 'web2')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('instance list [list options...] [<instance name glob>]'),
      stderr: 'Error for command "list": accepts between 0 and 1 arg(s), received 2\n\n',
    });
  });

  test('is the same with --all and with short flags', async () => {
    const plain = await world().ok('instance', 'list');
    expect(await world().ok('instance', 'list', '-a')).toBe(plain);
    expect(await world().ok('instance', 'list', '-aj')).toBe(await world().ok('instance', 'list', '--json'));
    expect(await world().ok('instance', 'list', '-l')).toBe(await world().ok('instance', 'list', '--logs'));
    expect(await world().okWith({ env: { APPTAINER_JSON: '1' } }, 'instance', 'list')).toContain('"instances"');
  });

  asUser(() => {
    test('is for root alone with --user', async () => {
      expect(await world().davit('instance', 'list', '-u', 'root')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}Only root user can list user's instances\n/),
      });
    });
  });

  asRoot(() => {
    test('knows no user of that name', async () => {
      expect(await world().davit('instance', 'list', '-u', 'no-such-user')).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/^FATAL: {3}.*no-such-user/),
      });
    });
  });

  test('keeps instances of another state directory apart', async () => {
    const other = { env: { DAVIT_STATE_DIR: world().path('other-state') } };
    expect(await world().okWith(other, 'instance', 'list')).toBe(noColumns);
    await world().okWith(other, 'instance', 'start', world().image(), 'web1');
    await world().okWith(other, 'instance', 'stop', 'web1');
    expect((await world().list('web1')).length).toBe(1);
  });

  test('knows a state directory that is relative as the one below the working directory', async () => {
    const relative = { cwd: world().makeDirectory('here'), env: { DAVIT_STATE_DIR: 'state' } };
    const same = { env: { DAVIT_STATE_DIR: world().path('here', 'state') } };
    for (const name of ['first', 'second']) await world().okWith(relative, 'instance', 'start', world().image(), name);
    const rows = await world().okWith(relative, 'instance', 'list');
    expect(rows).toMatch(/^first .*\nsecond /m);
    expect(await world().okWith(same, 'instance', 'list')).toBe(rows);
    const json = await world().okWith(same, 'instance', 'list', '--json', 'second');
    expect(JSON.parse(json).instances[0].logOutPath).toBe(world().path('here', 'state', 'logs', 'second.out'));
    const { stderr } = await world().davitWith(relative, 'instance', 'stop', '--all');
    expect(stderr).toMatch(new RegExp(`^INFO: {4}Stopping first instance of ${world().image()} .*\\n.*second`));
  });
});
