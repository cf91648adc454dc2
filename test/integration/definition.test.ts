import { existsSync, symlinkSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { base, build, built, leftovers, SECTIONS } from './support/definitions';
import { withWorld } from './support/world';

describeWith(SECTIONS, 'definition files', () => {
  withWorld('sections', (world) => {
    beforeAll(() => {
      world().write('work/hello.txt', 'hello\n');
      world().write('work/dir/inner/file', 'inner\n', 0o750);
      world().write('work/with space', 'space\n');
      symlinkSync('hello.txt', world().path('work/link'));
    });

    test('run in their order, with the output and the lines that users know', async () => {
      const { image, ...result } = await build(
        world(),
        'order',
        `%pre
    echo pre
%setup
    echo "setup \${APPTAINER_ROOTFS:+yes} \${SINGULARITY_ROOTFS:+yes} \${DAVIT_ROOTFS:+yes}"
    touch "\${APPTAINER_ROOTFS}/setup-was-here"
%files
    hello.txt /opt/hello.txt
%post
    echo "post as $(id -un), shell $0"; cat /opt/hello.txt /setup-was-here
    echo 'export FROM_POST=yes' >>$APPTAINER_ENVIRONMENT
%environment
    export MY_VAR="value one"
%runscript
    echo "run $# [$*] $MY_VAR $FROM_POST"
%startscript
    exec sleep 1000000
%test
    echo "test $FROM_POST"
%help
    Help.
%labels
    Author Somebody
`,
      );
      expect(result).toMatchObject({
        status: 0,
        stdout: 'pre\nsetup yes yes yes\npost as root, shell /.post.script\nhello\ntest yes\n',
      });
      const info = result.stderr.split('\n').filter((line) => line.startsWith('INFO:'));
      expect(info.map((line) => line.slice(9))).toEqual([
        'Starting build...',
        'Running pre scriptlet',
        'Extracting local image...',
        'Running setup scriptlet',
        'Copying hello.txt to /opt/hello.txt',
        'Running post scriptlet',
        'Adding help info',
        'Adding labels',
        'Adding environment to container',
        'Adding startscript',
        'Adding runscript',
        'Adding testscript',
        'Running testscript',
        'Creating SIF file...',
        expect.stringMatching(/^Done: packing, /),
        `Build complete: ${image}`,
      ]);
      expect(result.stderr).toContain('\n+ id -un\n');
      expect(await world().ok('run', image, 'a', 'b c')).toBe('run 2 [a b c] value one yes\n');
      expect(leftovers(world())).toEqual([]);
    });

    test('see nothing of the caller but what they should', async () => {
      const env = { SECRET: 'secret', http_proxy: 'http://proxy:1', DAVIT_TMPDIR: world().makeDirectory('tmp') };
      const definition = world().write(
        'clean.def',
        `Bootstrap: localimage\nFrom: ${base(world())}\n%post\n  env; pwd; ls -A /tmp /var/tmp; ls /proc | grep -c '^[0-9]'; cat /etc/keep\n`,
      );
      const result = await world().davitWith({ env }, 'build', world().path('clean.sif'), definition);
      expect(result).toMatchObject({ status: 0 });
      expect(result.stdout).not.toContain('SECRET');
      expect(result.stdout).toMatch(/^http_proxy=http:\/\/proxy:1$/m);
      expect(result.stdout).toMatch(/^FROM_IMAGE=set by the image$/m);
      expect(result.stdout).toMatch(/^HOME=\/root$/m);
      expect(result.stdout).toMatch(/\n\/\n\/tmp:\n\n\/var\/tmp:\n[1-5]\nas in the image\n$/);
    });

    test('see no directory of the host, and change the copy alone', async () => {
      const image = await built(
        world(),
        'mounts',
        `%post
  ls ${world().path('work')} 2>/dev/null && exit 1
  cut -d ' ' -f 2 /proc/mounts | grep -vE '^/(dev|proc|sys)(/|$)' | sort >/opt/mounts
  rm -r /srv
`,
      );
      const mounts = (await world().ok('exec', image, 'cat', '/opt/mounts')).trim().split('\n');
      expect(mounts).toEqual(['/', '/etc/hosts', '/etc/resolv.conf', '/tmp', '/var/tmp']);
      expect(await world().inside([], 'ls -d /srv || echo gone', image)).toBe('gone');
      expect(existsSync(world().path('base/srv/site'))).toBe(true);
    });

    test('%files takes globs, quotes, links and variables', async () => {
      const image = await built(
        world(),
        'files',
        `%files
    hello.txt
    "with space" "/a b"
    link /linked
    dir /newdir
    dir /etc
    dir/inn* /glob/
    $HOME/../work/hello.txt /from-home
    dir/ /into/
    hello.txt ../../../escaped
%post
    echo outside >/outside; ln -s /etc /lnk
`,
      );
      const script =
        'cd /; cat hello.txt "a b" linked from-home escaped; test -L linked || echo no link; cat newdir/inner/file etc/dir/inner/file glob/inner/file into/dir/inner/file; stat -c %a newdir/inner/file';
      expect(await world().inside([], script, image)).toBe(
        'hello\nspace\nhello\nhello\nhello\nno link\ninner\ninner\ninner\ninner\n750',
      );
      expect(existsSync(world().path('escaped'))).toBe(false);
    });

    test('%files follows links of the image inside the image alone', async () => {
      const image = await built(
        world(),
        'links',
        `%setup
    ln -s /mnt/davit-outside "$APPTAINER_ROOTFS/out"
    ln -s / "$APPTAINER_ROOTFS/root-link"
%files
    hello.txt /out/copied
    hello.txt /root-link/opt/here
`,
      );
      expect(existsSync('/mnt/davit-outside')).toBe(false);
      expect(await world().inside([], 'cat /mnt/davit-outside/copied /opt/here', image)).toBe('hello\nhello');
    });

    test.each([
      [
        '%post\n  echo before; exit 9; echo after\n',
        'while running engine: while running %post section: exit status 9',
      ],
      ['%post\n  kill -9 $$\n', 'while running engine: while running %post section: signal: killed'],
      ['%post\n  false\n  touch /never\n', 'while running engine: while running %post section: exit status 1'],
      ['%setup\n  exit 3\n', 'failed to run %setup script: exit status 3'],
      ['%pre\n  exit 4\n', 'failed to run %pre script: exit status 4'],
      ['%test\n  exit 5\n', 'failed to execute %test script: exit status 5'],
      ['%files\n  nosuch /x\n', 'unable to copy files from host to container fs: \\S+failing.def:5: .*nosuch.*ENOENT'],
      [
        '%files from nowhere\n  a\n',
        'unable to copy files from stage to container fs: \\S+failing.def:4: stage nowhere was not found',
      ],
      ['%post -c\n  a\n', "bad post section '-c' parameter: missing arguments"],
    ])('%j stops the build and leaves nothing', async (sections, message) => {
      const { image, ...result } = await build(world(), 'failing', sections);
      expect(result.status).toBe(255);
      expect(result.stderr).toMatch(/^FATAL: {3}While performing build: /m);
      expect(result.stderr.slice(result.stderr.indexOf('FATAL'))).toMatch(new RegExp(message));
      expect(existsSync(image)).toBe(false);
      expect(leftovers(world())).toEqual([]);
    });

    test('a %post that leaves something running does not hold the build up', async () => {
      // A command that takes longer than a minute is a failure by itself.
      const image = await built(world(), 'daemon', '%post\n  sleep 1000 & \n  echo started\n');
      expect(existsSync(image)).toBe(true);
    });

    test('%post takes another shell', async () => {
      const { image: _, ...result } = await build(world(), 'shell', '%post -c /bin/ash -u\n  echo "$0 $-"\n');
      expect(result).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\/\.post\.script \S*u/) });
    });

    test('labels that sections write, and labels that are there', async () => {
      const sections =
        '%post\n  echo "FromPost a b" >>$APPTAINER_LABELS; echo "Both post" >>$SINGULARITY_LABELS\n%labels\n  Both definition\n  Mine x\n';
      const { image, ...result } = await build(world(), 'labels', sections);
      expect(result.stderr).toContain(
        'WARNING: Label: Both already exists and force option is false, not overwriting\n',
      );
      const labels = JSON.parse(await world().ok('exec', image, 'cat', '/.singularity.d/labels.json'));
      expect(labels).toMatchObject({
        FromPost: 'a b',
        Both: 'post',
        Mine: 'x',
        'org.label-schema.usage.singularity.deffile.bootstrap': 'localimage',
      });
      const forced = await built(world(), 'labels', sections, '--force');
      const now = JSON.parse(await world().ok('exec', forced, 'cat', '/.singularity.d/labels.json'));
      expect(now).toMatchObject({ Both: 'definition' });
      expect(await world().inside([], 'ls -A / | grep -E "build.labels|post.script" || echo none', forced)).toBe(
        'none',
      );
    });

    test('apps are built, installed and run', async () => {
      const image = await built(
        world(),
        'apps',
        `%appinstall foo
    pwd >where
%appfiles foo
    hello.txt foo-hello.txt
%applabels foo
    L v
%appenv foo
    export FOO_VAR=foo
%apprun foo
    echo "foo $* $FOO_VAR $(cat $SCIF_APPROOT/where)"
%apprun my-app
    cat $SCIF_APPROOT_foo/foo-hello.txt
%apphelp foo
    Help of foo.
`,
      );
      expect(await world().ok('run', '--app', 'foo', image, 'x')).toBe('foo x foo /scif/apps/foo\n');
      expect(await world().ok('run', '--app', 'my-app', image)).toBe('hello\n');
      expect(
        await world().inside([], 'ls -d /scif/data/my-app/input; cat /scif/apps/foo/scif/labels.json', image),
      ).toBe('/scif/data/my-app/input\n{\n\t"L": "v",\n\t"SCIF_APP_NAME": "foo"\n}');
    });

    test('--section, --notest and --build-arg choose what is done', async () => {
      const sections =
        '%arguments\n  WHO=world\n%setup\n  echo S\n%post\n  echo "P {{ WHO }}"\n%test\n  echo T\n%environment\n  export E=1\n';
      const all = await build(world(), 'all', sections, '--notest', '--build-arg', 'WHO=me');
      expect(all.stdout).toBe('S\nP me\n');
      const some = await build(world(), 'some', sections, '--section', 'post,test');
      expect(some.stdout).toBe('P world\nT\n');
      const none = await build(world(), 'none', sections, '--section', 'none');
      expect(none).toMatchObject({ status: 0, stdout: '' });
      expect(await build(world(), 'bad', sections, '--section', 'nosuch')).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('no section "nosuch"'),
      });
    });
  });
});
