import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith, isRoot, testWith } from './support/capabilities';
import { base, build, buildEnv, buildText, built, leftovers, SECTIONS } from './support/definitions';
import { owners } from './support/squashfs';
import { davitPath, withWorld } from './support/world';

describeWith(SECTIONS, 'definition files', () => {
  withWorld('with several stages', (world) => {
    test('copy from one to the next, and leave the rest', async () => {
      const header = `Bootstrap: localimage\nFrom: ${base(world())}\n`;
      const { image, ...result } = await buildText(
        world(),
        'stages',
        `${header}Stage: build
%arguments
    V=1
%post
    mkdir -p /out/d; echo "made {{ V }}" >/out/a; ln -s a /out/l; ln -s /etc/keep /out/abs; ln -s ../a /out/d/inner; touch /left
    ln -s / /out/root
%labels
    OfTheFirst x

${header}%arguments
    V=2
%files from build
    /out/a
    /out/l /named
    /out/abs /kept
    /out/d /dd/
    /out/root/out/* /glob/
%post
    echo "V={{ V }}"
`,
      );
      expect(result).toMatchObject({ status: 0, stdout: 'V=2\n' });
      const script =
        'cat /out/a /named /kept /glob/a; readlink /dd/d/inner; ls /glob; ls /left 2>/dev/null || echo no left; grep -c First /.singularity.d/labels.json || true';
      expect(await world().inside([], script, image)).toBe(
        'made 1\nmade 1\nas in the image\nmade 1\n../a\na\nabs\nd\nl\nroot\nno left\n0',
      );
      expect(leftovers(world())).toEqual([]);
    });
  });

  withWorld('with several stages and owners', (world) => {
    testWith(isRoot ? ['mksquashfs'] : ['subuid', 'mksquashfs'], 'copies between stages are faithful', async () => {
      const header = `Bootstrap: localimage\nFrom: ${base(world())}\n`;
      const text = `${header}Stage: one
%post
    mkdir -p /o/d /o/t; touch /o/s /o/c; ln /o/s /o/hard; mkfifo /o/f
    chown 3:4 /o/c; chmod 640 /o/c; chmod 6755 /o/s; chmod 2775 /o/d; chmod 1777 /o/t; touch -d @978307200 /o/s

${header}Stage: two
%files from one
    /o
    /o/s /top
    /o/c /existing
`;
      const { image, ...result } = await buildText(world(), 'faithful', text);
      expect(result).toMatchObject({ status: 0 });
      expect(owners(image, ['o/c', 'o/d', 'o/t', 'o/s', 'o/hard', 'o/f', 'top', 'existing'])).toEqual([
        'o/c 3:4 -rw-r-----',
        'o/d 0:0 drwxrwsr-x',
        'o/t 0:0 drwxrwxrwt',
        'o/s 0:0 -rwsr-sr-x',
        'o/hard 0:0 -rwsr-sr-x',
        'o/f 0:0 prw-rw-r--',
        'top 0:0 -rwsr-sr-x',
        'existing 3:4 -rw-r-----',
      ]);
      const script = 'stat -c "%h %Y" /o/s /top; test /o/s -ef /o/hard && echo same';
      expect(await world().inside([], script, image)).toBe('2 978307200\n1 978307200\nsame');
      expect(leftovers(world())).toEqual([]);
    });

    test('the caller’s umask has no say in what is built, only in the image’s own mode', async () => {
      const text = `Bootstrap: localimage
From: ${base(world())}
%setup
    umask; touch "$APPTAINER_ROOTFS/of-setup"
%files
    /etc/hostname /sub/copied
%post
    umask; touch /of-post; mkdir /dir-of-post; echo 'export A=1' >>$APPTAINER_ENVIRONMENT
`;
      const definition = world().write('umask.def', text);
      const image = world().path('umask.sif');
      const words = `umask 077; exec ${davitPath} build ${image} ${definition}`;
      const result = await world().command('sh', ['-c', words], { env: buildEnv(world()) });
      expect(result).toMatchObject({ status: 0, stdout: '0002\n0002\n' });
      const script =
        'stat -c "%a %n" /of-setup /of-post /dir-of-post /sub /.singularity.d/env/91-environment.sh /.singularity.d';
      expect(await world().inside([], script, image)).toBe(
        '664 /of-setup\n664 /of-post\n775 /dir-of-post\n755 /sub\n664 /.singularity.d/env/91-environment.sh\n755 /.singularity.d',
      );
      expect(statSync(image).mode & 0o777).toBe(0o700);
    });
  });

  withWorld('into other targets', (world) => {
    test('a sandbox is built beside its place, and nothing else is left there', async () => {
      const text = `Bootstrap: localimage\nFrom: ${base(world())}\n%setup\n echo "$APPTAINER_ROOTFS"\n`;
      const definition = world().write('beside.def', text);
      const sandbox = join(world().makeDirectory('beside'), 'box');
      const result = await world().davit('build', '--sandbox', sandbox, definition);
      expect(result).toMatchObject({ status: 0, stdout: expect.stringContaining(world().path('beside/build-temp-')) });
      expect(readdirSync(world().path('beside'))).toEqual(['box']);
    });

    test('a sandbox, which --update runs sections over', async () => {
      const sandbox = world().path('sandbox');
      const definition = world().write(
        'one.def',
        `Bootstrap: localimage\nFrom: ${base(world())}\n%post\n echo 1 >/first\n`,
      );
      const env = buildEnv(world());
      const first = await world().davitWith({ env }, 'build', '--sandbox', sandbox, definition);
      expect(first).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('INFO:    Creating sandbox directory...\n'),
      });
      const update = world().write(
        'two.def',
        'Bootstrap: scratch\n%post\n cat /first; echo 2 >/second\n%labels\n New x\n',
      );
      const refused = await world().davitWith({ env }, 'build', '--update', world().path('x.sif'), update);
      expect(refused).toMatchObject({ status: 255, stderr: expect.stringContaining('--sandbox flag is missing') });
      const absent = await world().davitWith({ env }, 'build', '--update', '--sandbox', world().path('no'), update);
      expect(absent).toMatchObject({
        status: 255,
        stderr: expect.stringMatching(/could not update sandbox .*doesn't/),
      });
      const second = await world().davitWith({ env }, 'build', '--update', '--sandbox', sandbox, update);
      expect(second).toMatchObject({ status: 0, stdout: '1\n' });
      expect(second.stderr).toContain(`INFO:    Building into existing container: ${sandbox}\n`);
      expect(readFileSync(join(sandbox, 'second'), 'utf8')).toBe('2\n');
      expect(readdirSync(join(sandbox, '.singularity.d/bootstrap_history'))).toEqual(['Apptainer0']);
      const copy = world().path('copy');
      expect(await world().davitWith({ env }, 'build', '--sandbox', copy, sandbox)).toMatchObject({ status: 0 });
      expect(readFileSync(join(copy, 'second'), 'utf8')).toBe('2\n');
      const failing = world().write('three.def', 'Bootstrap: scratch\n%post\n rm /first; exit 1\n');
      expect(await world().davitWith({ env }, 'build', '--update', '--sandbox', sandbox, failing)).toMatchObject({
        status: 255,
      });
      expect(existsSync(join(sandbox, 'first'))).toBe(true);
      expect(leftovers(world())).toEqual([]);
    });

    test('nothing, when what is there is not to be replaced', async () => {
      const { image } = await build(world(), 'there', '%post\n true\n');
      expect(await build(world(), 'there', '%post\n true\n')).toMatchObject({
        status: 255,
        stdout: '',
        stderr: `FATAL:   While checking build target: build target '${image}' already exists. Use --force if you want to overwrite it\n`,
      });
    });

    test('the same bytes twice with --reproducible', async () => {
      const sections = '%post\n echo x >/x; mkdir -p /d/e\n%labels\n A b\n';
      const one = await built(world(), 'one', sections, '--reproducible');
      await new Promise((resolve) => setTimeout(resolve, 1100));
      const two = await built(world(), 'two', sections, '--reproducible');
      expect(readFileSync(two).equals(readFileSync(one))).toBe(true);
      expect(await world().inside([], 'stat -c %Y /x', two)).toBe('0');
      const env = { ...buildEnv(world()), SOURCE_DATE_EPOCH: '86400' };
      await world().okWith({ env }, 'build', '--reproducible', '--force', two, world().path('two.def'));
      expect(await world().inside([], 'stat -c %Y /x; cat /.singularity.d/labels.json', two)).toMatch(
        /^86400\n[\s\S]*"Friday_2_January_1970_0:0:0_UTC"/,
      );
    });
  });

  withWorld('from other bases', (world) => {
    test('nothing at all', async () => {
      mkdirSync(world().path('work/bin'), { recursive: true });
      const { image, ...result } = await buildText(
        world(),
        'scratch',
        `Bootstrap: scratch\n%files\n ${base(world())}/bin/busybox /bin/sh\n%runscript\n echo hi\n`,
      );
      expect(result).toMatchObject({ status: 0 });
      expect(await world().ok('run', image)).toBe('hi\n');
      const without = await buildText(world(), 'shell', 'Bootstrap: scratch\n%post\n true\n');
      expect(without).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('run %post: the image has no /bin/sh'),
      });
    });

    test('an image, whose metadata alone change: it is not unpacked', async () => {
      const image = world().image();
      const text = `Bootstrap: localimage\nFrom: ${image}\n%environment\n export ADDED=1\n%runscript\n echo "new $ADDED $FROM_IMAGE"\n%labels\n A b\n%apprun x\n echo app\n`;
      const { image: made, ...result } = await buildText(world(), 'described', text, '--tmpdir', '/nonexistent');
      expect(result).toMatchObject({ status: 0, stdout: '' });
      expect(result.stderr.split('\n').map((line) => line.slice(9))).toEqual([
        'Starting build...',
        `Verifying bootstrap image ${image}`,
        'Extracting local image...',
        'Adding labels',
        'Adding environment to container',
        'Adding runscript',
        'Creating SIF file...',
        expect.stringMatching(/^Done: packing, /),
        `Build complete: ${made}`,
        '',
      ]);
      expect(await world().ok('run', made)).toBe('new 1 set by the image\n');
      expect(await world().ok('run', '--app', 'x', made)).toBe('app\n');
      expect(await world().inside([], 'cat /.singularity.d/Singularity', made)).toBe(text.trimEnd());
    });

    test('an image with sections on top, and its scripts where none are given', async () => {
      const { image, ...result } = await buildText(
        world(),
        'unpacked',
        `Bootstrap: localimage\nFrom: ${world().image()}\n%post\n cat /etc/keep; chmod 4755 /bin/busybox\n`,
      );
      expect(result).toMatchObject({ status: 0, stdout: 'as in the image\n' });
      expect(await world().ok('run', image, 'w')).toContain('word: <w>');
      expect(await world().inside([], 'stat -c %a /bin/busybox', image)).toBe('4755');
    });

    test.each([
      ['nosuchagent', 'wrong.def:1: unable to get conveyorpacker: invalid build source nosuchagent'],
      ['buildkit', 'bootstrap agent buildkit is not supported yet'],
      ['localimage', 'wrong.def:1: bootstrap agent localimage needs the header key From'],
      ['debootstrap', 'wrong.def:1: bootstrap agent debootstrap needs the header key MirrorURL'],
      ['localimage\nFrom: /nonexistent', 'conveyor failed to get: could not open image /nonexistent'],
      ['localimage\nFrom: /usr\nFingerprints: 12', 'image not signed by required entities'],
      ['busybox\nMirrorURL: ftp://x', '"ftp://x" is no web address'],
    ])('%j: what is wrong is said', async (header, message) => {
      const { image, ...result } = await buildText(world(), 'wrong', `Bootstrap: ${header}\n%post\n true\n`);
      expect(result.status).toBe(255);
      expect(result.stderr).toContain(message);
      expect(existsSync(image)).toBe(false);
      expect(leftovers(world())).toEqual([]);
    });

    test.each([
      ['%post\n true\n', 'no bootstrap specification found'],
      ['Bootstrap: localimage\nFrom: x\n%nosuch\n', 'wrong.def:3: invalid section(s) specified: nosuch'],
      ['Bootstrap: localimage\nFrom: {{ X }}\n', 'build var X is not defined'],
      [
        'Bootstrap: localimage\nNo: x\n',
        'wrong.def:2: failed to parse deffile header: invalid header keyword found: no',
      ],
    ])('the definition %j: what is wrong is said with its line', async (text, message) => {
      const result = await buildText(world(), 'wrong', text);
      expect(result).toMatchObject({ status: 255, stdout: '' });
      expect(result.stderr).toMatch(/^FATAL: {3}Unable to build from .*wrong\.def: /);
      expect(result.stderr).toContain(message);
    });

    test('build arguments that nobody asks for', async () => {
      const text = `Bootstrap: localimage\nFrom: ${base(world())}\n%labels\n A {{ A }}\n`;
      const args = ['--build-arg', 'A=1,B=2', '--build-arg', 'C=3'];
      const refused = await buildText(world(), 'args', text, ...args);
      expect(refused).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('FATAL:   unused build args: B, C. Use'),
      });
      const file = world().write('args', '# comment\nA=from file\nnonsense\n');
      const taken = await buildText(
        world(),
        'args',
        text,
        '--build-arg-file',
        file,
        '--warn-unused-build-args',
        '--build-arg',
        'B=2',
      );
      expect(taken).toMatchObject({ status: 0 });
      expect(taken.stderr).toContain('WARNING: Skipping "nonsense" in build arg file');
      expect(taken.stderr).toContain('WARNING: Unused build args: B\n');
      expect(await world().inside([], 'grep \'"A"\' /.singularity.d/labels.json', taken.image)).toContain('from file');
    });
  });

  withWorld('binds and mounts', (world) => {
    test('--bind and --mount are there for %post, and stay outside', async () => {
      const data = world().makeDirectory('data');
      writeFileSync(join(data, 'file'), 'data\n');
      const sections =
        '%setup\n mkdir "$APPTAINER_ROOTFS/data" "$APPTAINER_ROOTFS/more"\n%post\n cat /data/file /more/file; touch /data/x\n';
      const { image, ...result } = await build(
        world(),
        'binds',
        sections,
        '-B',
        `${data}:/data`,
        '--mount',
        `type=bind,src=${data},dst=/more,ro`,
      );
      expect(result).toMatchObject({ status: 0, stdout: 'data\ndata\n' });
      expect(existsSync(join(data, 'x'))).toBe(true);
      expect(await world().inside([], 'ls /data /more | wc -l', image)).toMatch(/^\d+$/);
      const missing = await build(world(), 'missing', '%post\n true\n', '-B', `${data}:/nonexistent`);
      expect(missing.status).toBe(255);
      expect(missing.stderr).toContain('while running %post section: ');
      expect(leftovers(world())).toEqual([]);
    });

    test('what /etc/resolv.conf is in the image does not matter', async () => {
      const host = readFileSync('/etc/resolv.conf', 'utf8').trim();
      const sections =
        '%setup\n rm "$APPTAINER_ROOTFS/etc/resolv.conf"; ln -s ../run/nowhere/resolv.conf "$APPTAINER_ROOTFS/etc/resolv.conf"\n%post\n cat /etc/resolv.conf\n';
      const { image, ...result } = await build(world(), 'resolv', sections);
      expect(result).toMatchObject({ status: 0 });
      expect(result.stdout.trim()).toBe(host);
      const sandbox = world().path('resolv');
      await world().ok('build', '--sandbox', sandbox, image);
      expect(lstatSync(join(sandbox, 'etc/resolv.conf')).isSymbolicLink()).toBe(true);
    });

    test('a link where a mount point should be leads nowhere outside', async () => {
      symlinkSync('/', world().path('work/rootlink'));
      const sections = `%setup\n rm -r "$APPTAINER_ROOTFS/tmp"; ln -s ${world().path('work')} "$APPTAINER_ROOTFS/tmp"\n%post\n echo x >/tmp/escaped || true\n`;
      await build(world(), 'tmplink', sections);
      expect(existsSync(world().path('work/escaped'))).toBe(false);
      expect(leftovers(world())).toEqual([]);
    });
  });
});
