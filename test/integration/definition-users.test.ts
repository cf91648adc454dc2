import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asRoot, asUser, describeWith, findProgram, testWith } from './support/capabilities';
import { base, build, buildEnv, built, leftovers, SECTIONS } from './support/definitions';
import { eventually } from './support/patience';
import { childrenOf, printed } from './support/processes';
import { owners } from './support/squashfs';
import { davitPath, withWorld } from './support/world';

/** Owners and modes that only root can give. */
const OWNERS = `%setup
    touch "$APPTAINER_ROOTFS/s"; chown 44:55 "$APPTAINER_ROOTFS/s"
%post
    touch /a /b; chown 33:44 /a; chmod 4755 /a; mkdir -p /x/y; chown -R 7:8 /x; chmod 0 /x/y
`;

describeWith([...SECTIONS, 'mksquashfs'], 'definition files', () => {
  withWorld('and who builds', (world) => {
    asRoot(() => {
      test('root gives files any owner', async () => {
        const image = await built(world(), 'root', OWNERS);
        expect(owners(image, OWNED)).toEqual(ALL_OWNERS);
      });
    });

    asUser(() => {
      testWith(['subuid'], 'a user with subordinate ids does, too, and can remove what he made', async () => {
        const image = await built(world(), 'subuid', OWNERS);
        expect(owners(image, OWNED)).toEqual(ALL_OWNERS);
        expect(leftovers(world())).toEqual([]);
      });

      test('a user with one id is root, and no other', async () => {
        const options = ['--ignore-subuid', '--ignore-fakeroot-command'];
        const one = await build(
          world(),
          'one',
          '%post\n id -u; cat /proc/self/uid_map; touch /a; chmod 4755 /a\n',
          ...options,
        );
        expect(one.status).toBe(0);
        expect(one.stdout).toMatch(/^0\n\s+0\s+\d+\s+1\n$/);
        expect(one.stderr).toContain('INFO:    User not listed in /etc/subuid, trying root-mapped namespace\n');
        expect(owners(one.image, ['a'])).toEqual(['a 0:0 -rwsr-xr-x']);
        expect(await build(world(), 'other', OWNERS, ...options)).toMatchObject({ status: 255 });
        expect(leftovers(world())).toEqual([]);
      });

      if (findProgram('faked-sysv') || findProgram('faked')) {
        test('a user with one id and fakeroot is whoever he likes, on the host', async () => {
          // busybox is static: what is preloaded does not reach it. %setup runs with the host's programs.
          const sections = OWNERS.slice(0, OWNERS.indexOf('%post'));
          const faked = await build(world(), 'fakeroot', sections, '--ignore-subuid');
          expect(faked).toMatchObject({ status: 0 });
          expect(faked.stderr).toContain('INFO:    Using fakeroot command combined with root-mapped namespace\n');
          expect(owners(faked.image, ['s'])).toEqual(['s 44:55 -rw-rw-r--']);
          expect(leftovers(world())).toEqual([]);
        });
      } else test.skip('with fakeroot (needs fakeroot: it is not on PATH)', () => undefined);

      test('files of the host that belong to root are root’s in the image', async () => {
        const image = await built(world(), 'mapped', '%files\n /etc/passwd /from-host\n%post\n true\n');
        expect(owners(image, ['from-host', 'etc/keep'])).toEqual([
          'from-host 0:0 -rw-r--r--',
          'etc/keep 0:0 -rw-r--r--',
        ]);
      });
    });
  });

  withWorld('interrupted', (world) => {
    test.each([
      ['SIGINT', '%post\n  touch /z; chown 0 /z; echo started; sleep 1000\n'],
      ['SIGTERM', '%post\n  trap "" INT; echo started; sleep 1000\n'],
      ['SIGHUP', '%setup\n  echo started; sleep 1000; true\n'],
      ['SIGTERM', '%test\n  echo started; sleep 1000\n'],
    ] as const)('by %s during %j, leave nothing and die of it', async (signal, sections) => {
      const definition = world().write('slow.def', `Bootstrap: localimage\nFrom: ${base(world())}\n${sections}`);
      const image = world().path('slow.sif');
      const child = world().spawn(['build', image, definition], { env: buildEnv(world()) });
      await printed(child.stdout as NodeJS.ReadableStream, 'started');
      child.kill(signal);
      const ended = await new Promise((resolve) => child.once('close', (status, by) => resolve(by ?? status)));
      expect(ended).toBe(signal);
      expect(existsSync(image)).toBe(false);
      expect(leftovers(world())).toEqual([]);
      await eventually(() => expect(world().processes()).toEqual([]));
    });

    testWith(['terminal'], 'by Ctrl-C on a terminal', async () => {
      const definition = world().write(
        'ctrl.def',
        `Bootstrap: localimage\nFrom: ${base(world())}\n%post\n sleep 1000\n`,
      );
      const image = world().path('ctrl.sif');
      // script(1) gives it a terminal of its own; the terminal turns the byte 3 into a signal for all that run there.
      const script = ['-qec', `${davitPath} build ${image} ${definition}`, '/dev/null'];
      const child = spawn('script', script, { env: { ...world().env, ...buildEnv(world()) } });
      const ended = new Promise((resolve) => child.once('close', resolve));
      await printed(child.stdout, '+ sleep 1000');
      child.stdin.write('\x03');
      expect(await ended).toBe(130);
      expect(leftovers(world())).toEqual([]);
    });

    /** A build that waits in %post, with a mount that its %setup has made. */
    const started = async (name: string, at: 'post' | 'setup'): Promise<ChildProcess> => {
      const mount = 'mkdir "$APPTAINER_ROOTFS/m"; mount -t tmpfs none "$APPTAINER_ROOTFS/m"';
      const wait = 'echo started; sleep 1000';
      const sections =
        at === 'setup'
          ? `%setup\n ${mount}; ${wait}\n`
          : `%setup\n ${mount}\n%post\n mkdir /x; chown 1 /x || true\n sleep 1000 &\n ${wait}\n`;
      const text = `Bootstrap: localimage\nFrom: ${base(world())}\n${sections}`;
      const definition = world().write(`${name}.def`, text);
      const child = world().spawn(['build', world().path(`${name}.sif`), definition], { env: buildEnv(world()) });
      await printed(child.stdout as NodeJS.ReadableStream, 'started');
      return child;
    };
    const nothingLeft = async (): Promise<void> => {
      await eventually(() => expect(leftovers(world())).toEqual([]));
      await world().expectNothingLeft();
    };

    test('a build process that is killed leaves nothing either', async () => {
      const child = await started('kill', 'post');
      const inner = childrenOf(child.pid as number);
      expect(inner).toHaveLength(1);
      process.kill(inner[0] as number, 'SIGKILL');
      const status = await new Promise((resolve) => child.once('close', resolve));
      expect(status).toBe(255);
      await nothingLeft();
    });

    test.each(['post', 'setup'] as const)('nor does one that waits in %%%s and whose parent is killed', async (at) => {
      const child = await started(`orphan-${at}`, at);
      process.kill(child.pid as number, 'SIGKILL');
      await nothingLeft();
    });

    test('by the end of a disk, say so', async () => {
      // A file size limit stands in for it.
      const definition = world().write('full.def', `Bootstrap: localimage\nFrom: ${base(world())}\n%post\n true\n`);
      const image = world().path('full.sif');
      const command = `ulimit -f 100; trap '' XFSZ; ${davitPath} build ${image} ${definition}`;
      const result = await world().command('bash', ['-c', command], { env: buildEnv(world()) });
      expect(result.status).toBe(255);
      expect(result.stderr).toMatch(/FATAL: {3}While performing build: /);
      expect(existsSync(image)).toBe(false);
      expect(leftovers(world())).toEqual([]);
    });
  });
});

const OWNED = ['s', 'a', 'b', 'x', 'x/y'];
const ALL_OWNERS = [
  's 44:55 -rw-rw-r--',
  'a 33:44 -rwsr-xr-x',
  'b 0:0 -rw-rw-r--',
  'x 7:8 drwxrwxr-x',
  'x/y 7:8 d---------',
];
