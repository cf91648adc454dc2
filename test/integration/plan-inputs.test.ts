/** Who calls, and from where: what of it a remembered plan depends on, and that nothing of it is remembered wrongly. */
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { flagsOf } from '../../src/cli/flags';
import { asRoot, isRoot } from './support/capabilities';
import { type Change, checkChange, launch, lay, NO_NODE } from './support/remembered';
import { withWorld } from './support/world';

withWorld('a remembered plan', (world) => {
  beforeAll(() => lay(world()));

  const options = flagsOf('exec').flatMap(({ env }) => env);
  const names = options.flatMap((name) => ['DAVIT', 'APPTAINER', 'SINGULARITY'].map((prefix) => `${prefix}_${name}`));

  test(`is not used with any of the ${names.length} variables that are options`, async () => {
    const args = ['exec', world().image(), 'true'];
    expect(await launch(world(), {}, args)).toMatchObject({ status: 0 });
    const missed = `execute "${NO_NODE}"`;
    for (const name of names.filter((name) => name !== 'DAVIT_CONFIG_FILE')) {
      const { stderr } = await launch(world(), {}, args, { [name]: '1', DAVIT_NODE: NO_NODE });
      expect(stderr, name).toContain(missed);
    }
    expect(await launch(world(), {}, args, { DAVIT_NODE: NO_NODE })).toMatchObject({ status: 0 });
  });

  test.each<[string, Record<string, string>, boolean?]>([
    ['HOME', { HOME: '/somewhere' }, false],
    ['USER, LOGNAME and SHELL', { USER: 'somebody', LOGNAME: 'somebody', SHELL: '/bin/ash' }],
    ['the locale', { LANG: 'de_DE.UTF-8', LC_ALL: 'C', LANGUAGE: 'de' }],
    ['TZ and TERM', { TZ: 'Europe/Berlin', TERM: 'vt52' }],
    ['TMPDIR and XDG_RUNTIME_DIR', { TMPDIR: '/nonexistent', XDG_RUNTIME_DIR: '/run/user/7' }],
    ['a proxy', { http_proxy: 'http://proxy:1', NO_PROXY: 'x' }],
    ['LD_LIBRARY_PATH', { LD_LIBRARY_PATH: '/lib/mine' }, false],
    ['what shells have', { IFS: ':', UID: '7', OLDPWD: '/', PS1: '$ ', PROMPT_COMMAND: 'x' }],
    ['a function', { 'BASH_FUNC_x%%': '() { :; }' }, false],
    ['a variable of the image', { FROM_IMAGE: 'no' }, false],
    ['PWD, to nonsense', { PWD: 'relative' }, false],
    ['NODE_OPTIONS', { NODE_OPTIONS: '--no-warnings' }],
  ])('takes the variables of the moment: %s', (_, more, shows = true) =>
    checkChange(world(), { later: { run: { env: more } }, shows }),
  );

  test.each<[string, () => Change]>([
    [
      'PWD becomes a link to it',
      () => ({
        run: { cwd: world().path('cwd1'), env: { PWD: world().path('cwd1') } },
        later: { run: { cwd: world().path('cwd1'), env: { PWD: world().path('cwd-link') } } },
        shows: true,
      }),
    ],
    [
      'the link in PWD leads elsewhere',
      () => ({
        run: { cwd: world().path('cwd1'), env: { PWD: world().path('cwd-link') } },
        change: () => {
          rmSync(world().path('cwd-link'));
          symlinkSync('cwd2', world().path('cwd-link'));
        },
        undo: () => {
          rmSync(world().path('cwd-link'));
          symlinkSync('cwd1', world().path('cwd-link'));
        },
        shows: true,
      }),
    ],
    [
      'it is made anew',
      () => ({
        run: { cwd: world().path('cwd1'), env: { PWD: world().path('cwd1') } },
        change: () => {
          renameSync(world().path('cwd1'), world().path('cwd3'));
          mkdirSync(world().path('cwd1'));
        },
        undo: () => {
          rmdirSync(world().path('cwd1'));
          renameSync(world().path('cwd3'), world().path('cwd1'));
        },
      }),
    ],
    [
      'it has been removed',
      () => ({
        through: ['sh', '-c', 'cd "$0" && exec "$@"', world().path('cwd1')],
        later: { through: ['sh', '-c', 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', 'sh'] },
        shows: true,
      }),
    ],
  ])('knows the working directory: %s', (_, item) => checkChange(world(), item()));

  test.each<[string, string[]]>([
    ['a limit of open files', ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh']],
    ['limits of processes and stack', ['sh', '-c', 'ulimit -u 5000; ulimit -s 4096; exec "$@"', 'sh']],
    ['a mask of new files', ['sh', '-c', 'umask 027; exec "$@"', 'sh']],
    ['ignored signals', ['sh', '-c', 'trap "" INT USR1; exec "$@"', 'sh']],
    ['niceness', ['nice', '-n', '5']],
    ['no_new_privs', ['setpriv', '--no-new-privs']],
    ['a session of its own', ['setsid', '--wait']],
    ['closed standard input', ['sh', '-c', 'exec "$@" <&-', 'sh']],
    ...(isRoot
      ? ([
          ['fewer groups', ['setpriv', '--clear-groups']],
          ['other groups', ['setpriv', '--groups', '4,20']],
          ['another group', ['setpriv', '--regid', '7', '--clear-groups']],
          ['a smaller bounding set', ['setpriv', '--bounding-set', '-sys_time,-net_raw']],
          ['inheritable capabilities', ['setpriv', '--inh-caps', '+net_raw']],
          ['a namespace of mounts', ['unshare', '-m']],
          [
            'a namespace of mounts, with another /etc/resolv.conf',
            ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf; exec "$@"', 'RESOLV'],
          ],
          [
            'a namespace of mounts, with another /etc/passwd',
            ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/passwd; exec "$@"', 'PASSWD'],
          ],
          ['namespaces of host name and network', ['unshare', '-u', '-n']],
          ['a namespace of processes', ['unshare', '-p', '-f', '--mount-proc']],
          ['an oom score', ['choom', '-n', '500', '--']],
        ] as [string, string[]][])
      : []),
  ])('is not taken for that of another caller: %s', (_, words) => {
    const files: Record<string, string> = { RESOLV: world().path('resolv.conf'), PASSWD: world().path('passwd') };
    return checkChange(world(), { later: { through: words.map((word) => files[word] ?? word) } });
  });

  asRoot(() => {
    /** A mount namespace in which /etc can be written without any change to that of the host. */
    let holder: ChildProcess | undefined;
    const enter = (): string[] => ['nsenter', `--mount=/proc/${holder?.pid}/ns/mnt`, `--wd=${world().cwd}`];
    const change = (script: string): void => {
      const [program, ...words] = [...enter(), 'sh', '-c', script];
      execFileSync(program as string, words, { stdio: 'pipe' });
    };

    beforeAll(async () => {
      const own = world().makeDirectory('etc');
      // No overlay: its directories have other inode numbers when the kernel has forgotten them for a moment.
      const script = `mount -t tmpfs none ${own} && cp -a /etc/. ${own} && mount --bind ${own} /etc && rm -rf /etc/davit &&
echo ready && exec sleep 600`;
      const stdio: StdioOptions = ['ignore', 'pipe', 'inherit'];
      holder = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script], { stdio });
      await once(holder.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    });
    afterAll(() => holder?.kill('SIGKILL'));

    test.each<[string, string, boolean?]>([
      ['resolv.conf', 'echo nameserver 192.0.2.7 > /etc/resolv.conf'],
      ['resolv.conf is gone', 'rm /etc/resolv.conf'],
      ['hosts', 'echo 192.0.2.7 elsewhere > /etc/hosts'],
      ['localtime', 'rm -f /etc/localtime; echo > /etc/localtime'],
      ['localtime is gone', 'rm /etc/localtime'],
      ['a configuration appears', 'mkdir /etc/davit; echo "mount tmp = no" > /etc/davit/davit.conf'],
      ['the configuration changes', 'echo "mount home = no" > /etc/davit/davit.conf'],
      ['the configuration is gone', 'rm -r /etc/davit'],
      ['group', 'sed -i s/^root:/wheel:/ /etc/group', false],
      ['passwd', 'sed -i "s#:/root:#:/srv:#" /etc/passwd'],
      // The last one: a directory that has just been made is not relied upon.
      [
        'a directory of configuration appears',
        'mkdir -p /etc/davit/davit.d; echo "mount tmp = no" > /etc/davit/davit.d/a.conf',
      ],
    ])('sees /etc as it is: %s', (_, script, shows = true) =>
      checkChange(world(), {
        through: enter(),
        run: { env: { DAVIT_CONFIG_FILE: undefined } },
        change: () => change(script),
        shows,
      }),
    );
  });
});
