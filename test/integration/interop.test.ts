/** Images that davit and Apptainer build from one definition file, each run under both. */
import { chmodSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { apptainer, describeWithApptainer } from './support/apptainer';
import { lacking } from './support/capabilities';
import { base, SECTIONS } from './support/definitions';
import { type Outcome, withWorld } from './support/world';

const DEFINITION = `
%arguments
    WHO=nobody

%files
    hello.txt /opt/hello.txt

%post
    echo 'export FROM_POST=yes' >>$APPTAINER_ENVIRONMENT

%environment
    export GREETING="good day"
    export LISTEN_PORT=9000

%runscript
    echo "run: $# [$*] $GREETING $FROM_POST"
    exit \${STATUS:-0}

%startscript
    echo "started: $* $GREETING"
    exec sleep 1000000

%test
    echo "test: $*"
    exit "\${1:-0}"

%help
    What this image is for.
    Two lines.

%labels
    Author {{ WHO }}
    Version 1.2.3

%appfiles hello
    hello.txt

%appinstall hello
    cat hello.txt >bin/copy

%apprun hello
    echo "hello: $SCIF_APPNAME $HELLO $*"

%appstart hello
    echo "hello started"
    exec sleep 1000000

%appenv hello
    export HELLO=hi

%apphelp hello
    Says hello.

%applabels hello
    AppVersion 7

%apptest hello
    echo "hello test"
`;

const variables = 'env | grep -E "^(GREETING|FROM|LISTEN|SCIF|APPTAINER|SINGULARITY|PATH|HELLO)" | sort';

/** Arguments of davit and Apptainer alike; IMAGE stands for the image. */
const COMMANDS: string[][] = [
  ['run', 'IMAGE', 'a', 'b  c'],
  ['run', '--env', 'STATUS=3', 'IMAGE'],
  ['run', '--app', 'hello', 'IMAGE', 'x'],
  ['run', '--app', 'nosuch', 'IMAGE'],
  ['exec', 'IMAGE', 'cat', '/opt/hello.txt', '/scif/apps/hello/bin/copy', '/scif/apps/hello/hello.txt'],
  ['exec', 'IMAGE', 'sh', '-c', variables],
  ['exec', '--app', 'hello', 'IMAGE', 'sh', '-c', variables],
  ['exec', '--containall', 'IMAGE', 'sh', '-c', 'ls -A /tmp; cat /etc/keep'],
  ['shell', 'IMAGE', '-c', 'echo "$PS1"'],
  ['test', 'IMAGE'],
  ['test', 'IMAGE', '5'],
  ['test', '--app', 'hello', 'IMAGE'],
];

/** What shows an image without running it. */
const LOOKS: string[][] = [
  ['inspect', 'IMAGE'],
  ['inspect', '--all', '--json', 'IMAGE'],
  ['inspect', '--list-apps', 'IMAGE'],
  ['inspect', '--deffile', 'IMAGE'],
  ['inspect', '--environment', 'IMAGE'],
  ['inspect', '--app', 'hello', '--runscript', 'IMAGE'],
  ['run-help', 'IMAGE'],
  ['run-help', '--app', 'hello', 'IMAGE'],
  ['sif', 'list', 'IMAGE'],
  ['sif', 'header', 'IMAGE'],
];

describeWithApptainer('with Apptainer', () => {
  const absent = lacking(SECTIONS);
  if (absent !== undefined) return void test.skip(`(needs ${absent})`, () => undefined);

  withWorld('images', (world) => {
    const image = (maker: string): string => world().path(`${maker}.sif`);
    const options = (maker: string): string[] => ['build', '--build-arg', 'WHO=me', image(maker), 'interop.def'];
    const theirs = (...args: string[]): Promise<Outcome> => apptainer(world(), { cwd: world().directory }, ...args);
    const ours = (...args: string[]): Promise<Outcome> => world().davitWith({ cwd: world().directory }, ...args);
    const either = { davit: ours, apptainer: theirs };
    const instance = `davit-interop-${process.pid}`;

    beforeAll(() => {
      world().write('hello.txt', 'hello\n');
      world().write('interop.def', `Bootstrap: localimage\nFrom: ${base(world())}\n${DEFINITION}`);
      // Apptainer may be another user.
      chmodSync(world().directory, 0o777);
    });

    test('are built by both', async () => {
      expect(await ours(...options('davit'))).toMatchObject({ status: 0 });
      expect(await theirs(...options('apptainer'))).toMatchObject({ status: 0 });
    }, 120_000);

    describe.each(COMMANDS.map((words) => ({ title: words.join(' ').slice(0, 60), words })))('$title', ({ words }) => {
      /** What a runner makes of the image of a maker, without its name. */
      const result = async (runner: keyof typeof either, maker: string): Promise<object> => {
        const args = words.map((word) => (word === 'IMAGE' ? image(maker) : word));
        const { status, stdout, stderr } = await either[runner](...args);
        const plain = (text: string): string => text.replaceAll(`${maker}.sif`, 'IMAGE').replaceAll('::', ':');
        return { status, stdout: plain(stdout), errors: stderr.match(/^(FATAL|ERROR).*$/gm) };
      };

      test('is the same, whoever has made the image, whoever runs it', async () => {
        const expected = await result('apptainer', 'apptainer');
        expect(await result('apptainer', 'davit')).toEqual(expected);
        expect(await result('davit', 'apptainer')).toEqual(expected);
        expect(await result('davit', 'davit')).toEqual(expected);
      });
    });

    describe.each([
      { runner: 'davit', maker: 'apptainer' },
      { runner: 'apptainer', maker: 'davit' },
    ] as const)('an instance of $runner with the image of $maker', ({ runner, maker }) => {
      const run = either[runner];

      test.each([
        { title: 'its startscript', args: [], output: 'started: web good day\n' },
        { title: 'the startscript of an app', args: ['--app', 'hello'], output: 'hello started\n' },
      ])('runs $title', async ({ args, output }) => {
        expect(await run('instance', 'start', ...args, image(maker), instance, 'web')).toMatchObject({ status: 0 });
        try {
          const { stdout } = await run('instance', 'list', '--json', instance);
          const [{ img, logOutPath }] = JSON.parse(stdout).instances;
          expect(img).toBe(image(maker));
          const printed = await world().command('tail', ['-n', '1', logOutPath]);
          expect(printed.stdout).toBe(output);
          expect(await run('run', `instance://${instance}`, 'x')).toMatchObject({
            status: 0,
            stdout: 'run: 1 [x] good day yes\n',
          });
        } finally {
          expect(await run('instance', 'stop', instance)).toMatchObject({ status: 0 });
        }
      });
    });

    test.each(LOOKS.map((words) => ({ title: words.join(' '), words })))(
      'davit shows what Apptainer shows: $title',
      async ({ words }) => {
        for (const maker of ['davit', 'apptainer']) {
          const args = words.map((word) => (word === 'IMAGE' ? image(maker) : word));
          expect(await ours(...args)).toEqual(await theirs(...args));
        }
      },
    );

    describe('Apptainer looks into ours', () => {
      /** What `inspect` says, without what has to differ. */
      const inspected = async (maker: string): Promise<object> => {
        const { status, stdout } = await theirs('inspect', '--all', '--json', image(maker));
        expect(status).toBe(0);
        const { attributes } = JSON.parse(stdout).data;
        const labels = Object.entries(attributes.labels).filter(
          ([name]) => !/build-date|usage\.(apptainer|davit)\.version/.test(name),
        );
        const environment = Object.entries(attributes.environment as Record<string, string>).map(([name, text]) => [
          name,
          text.replace(/^(#.*)?\n+/gm, ''),
        ]);
        return { ...attributes, labels: Object.fromEntries(labels), environment };
      };

      test('inspect: labels, scripts, environment, help, definition file and apps', async () => {
        const found = await inspected('davit');
        expect(found).toMatchObject({ labels: { Author: 'me', Version: '1.2.3' } });
        expect(found).toEqual(await inspected('apptainer'));
      });

      test('run-help, of the image and of an app', async () => {
        for (const args of [[], ['--app', 'hello']]) {
          const expected = await theirs('run-help', ...args, image('apptainer'));
          expect(expected).toMatchObject({ status: 0 });
          expect(await theirs('run-help', ...args, image('davit'))).toEqual(expected);
        }
      });

      test('sif list and header: the same objects in the same places', async () => {
        const rows = async (...args: string[]): Promise<string[]> => {
          const { status, stdout } = await theirs('sif', ...args);
          expect(status).toBe(0);
          // Ends depend on sizes; identity, times and the size of the data are each image's own.
          return stdout.split('\n').filter((line) => !/^(ID:|Created|Modified|Data Size)/.test(line));
        };
        const places = (list: string[]): string[] => list.map((line) => line.replace(/\d+-\d+ */, ''));
        expect(places(await rows('list', image('davit')))).toEqual(places(await rows('list', image('apptainer'))));
        expect(await rows('header', image('davit'))).toEqual(await rows('header', image('apptainer')));
      });

      test('verify: finds no fault but that nobody has signed', async () => {
        const { status, stderr } = await theirs('verify', '--local', image('davit'));
        expect(stderr).toContain('signature not found for object group 1');
        expect(status).toBe(255);
      });
    });
  });
});
