/** Files and directories that a launch names, changed behind the back of its remembered plan. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type Change, checkChange, launch, lay, NO_NODE, seen } from './support/remembered';
import { withWorld } from './support/world';

const imageChanges: [string, (path: string) => void][] = [
  [
    'written in place, its size and times as before',
    (path) => {
      const { atime, mtime, size } = statSync(path);
      const fd = openSync(path, 'r+');
      writeSync(fd, Buffer.alloc(64, 1), 0, 64, size - 64);
      closeSync(fd);
      utimesSync(path, atime, mtime);
    },
  ],
  [
    'replaced by a copy, its size and times as before',
    (path) => {
      const { atime, mtime } = statSync(path);
      copyFileSync(path, `${path}.new`);
      utimesSync(`${path}.new`, atime, mtime);
      renameSync(`${path}.new`, path);
    },
  ],
  ['cut off', (path) => writeFileSync(path, readFileSync(path).subarray(0, 5_000))],
  [
    'a directory now',
    (path) => {
      rmSync(path);
      mkdirSync(join(path, 'bin'), { recursive: true });
    },
  ],
  ['closed to its owner', (path) => chmodSync(path, 0)],
  ['gone', (path) => rmSync(path)],
];

/** Of a directory nothing is remembered but that it is one. */
const sandboxChanges: [string, (root: string) => void][] = [
  ['a file in it changes', (root) => writeFileSync(join(root, 'srv/site/index.html'), 'changed\n')],
  [
    'a script of its environment changes',
    (root) => writeFileSync(join(root, '.singularity.d/env/95-more.sh'), 'export MORE=1\n'),
  ],
  ['a mount point goes', (root) => rmSync(join(root, 'mnt'), { recursive: true })],
  [
    'a mount point becomes a link',
    (root) => {
      rmSync(join(root, 'mnt'), { recursive: true });
      symlinkSync('/srv', join(root, 'mnt'));
    },
  ],
  [
    'it becomes a link to another',
    (root) => {
      renameSync(root, `${root}.old`);
      symlinkSync(`${root}.old`, root);
    },
  ],
];

withWorld('a remembered plan', (world) => {
  const copyOf = (title: string): string => world().path('copies', title.replace(/\W/g, '-'));

  beforeAll(() =>
    lay(world(), () => {
      world().makeDirectory('copies');
      for (const [title] of imageChanges) copyFileSync(world().image(), copyOf(title));
      for (const [title] of sandboxChanges)
        cpSync(world().path('sandbox'), copyOf(title), { recursive: true, verbatimSymlinks: true });
    }),
  );

  test.each<[string, () => Change]>([
    [
      'a directory becomes a file',
      () => {
        const source = world().path('bound');
        return {
          options: ['--bind', `${source}:/mnt`],
          change: () => {
            renameSync(source, `${source}.old`);
            writeFileSync(source, 'a file\n');
          },
          undo: () => {
            rmSync(source);
            renameSync(`${source}.old`, source);
          },
          shows: true,
        };
      },
    ],
    [
      'a file becomes a directory',
      () => {
        const source = world().path('bound-file');
        return {
          options: ['--bind', `${source}:/mnt2`],
          change: () => {
            renameSync(source, `${source}.old`);
            mkdirSync(source);
          },
          undo: () => {
            rmdirSync(source);
            renameSync(`${source}.old`, source);
          },
        };
      },
    ],
    [
      'it is gone',
      () => {
        const source = world().path('bound');
        return {
          options: ['--bind', `${source}:/mnt:ro`],
          change: () => renameSync(source, `${source}.old`),
          undo: () => renameSync(`${source}.old`, source),
          shows: true,
        };
      },
    ],
    [
      'a link to it leads elsewhere',
      () => {
        const link = world().path('bound-link');
        return {
          options: ['--bind', `${link}:/mnt`],
          change: () => {
            rmSync(link);
            symlinkSync('bound2', link);
          },
          undo: () => {
            rmSync(link);
            symlinkSync('bound', link);
          },
          shows: true,
        };
      },
    ],
    [
      'it is relative, and the working directory another',
      () => ({
        options: ['--bind', './sub:/mnt'],
        run: { cwd: world().path('cwd1') },
        later: { run: { cwd: world().path('cwd2') } },
        shows: true,
      }),
    ],
    [
      'it may not be entered',
      () => {
        const source = world().path('bound');
        return {
          options: ['--bind', `${source}/..:/mnt:ro`],
          change: () => chmodSync(source, 0),
          undo: () => chmodSync(source, 0o755),
        };
      },
    ],
  ])('sees the source of a bind as it is: %s', (_, item) => checkChange(world(), item()));

  test.each<[string, () => Change]>([
    [
      'an overlay directory gets content',
      () => ({
        options: ['--overlay', `${world().path('overlay')}:ro`],
        change: () => writeFileSync(world().path('overlay/upper/srv/site/index.html'), 'another page\n'),
        undo: () => rmSync(world().path('overlay/upper/srv/site/index.html')),
        shows: true,
      }),
    ],
    [
      'an overlay directory becomes one without upper',
      () => ({
        options: ['--overlay', `${world().path('overlay')}:ro`],
        change: () => renameSync(world().path('overlay/upper'), world().path('overlay/other')),
        undo: () => renameSync(world().path('overlay/other'), world().path('overlay/upper')),
      }),
    ],
    [
      'an overlay directory is gone',
      () => ({
        options: ['--overlay', `${world().path('overlay')}:ro`],
        change: () => renameSync(world().path('overlay'), world().path('overlay.old')),
        undo: () => renameSync(world().path('overlay.old'), world().path('overlay')),
        shows: true,
      }),
    ],
    [
      '--home',
      () => ({
        options: ['--home', `${world().path('bound')}:/mnt`],
        change: () => writeFileSync(world().path('bound/new'), ''),
        undo: () => rmSync(world().path('bound/new')),
        shows: true,
      }),
    ],
    [
      '--home is gone',
      () => ({
        options: ['--home', `${world().path('bound')}:/mnt`],
        change: () => renameSync(world().path('bound'), world().path('bound.old')),
        undo: () => renameSync(world().path('bound.old'), world().path('bound')),
        shows: true,
      }),
    ],
    [
      '--workdir is gone',
      () => ({
        options: ['--contain', '--workdir', world().path('scratch')],
        change: () => renameSync(world().path('scratch'), world().path('scratch.old')),
        undo: () => {
          rmSync(world().path('scratch'), { recursive: true, force: true });
          renameSync(world().path('scratch.old'), world().path('scratch'));
        },
      }),
    ],
    [
      '--env-file',
      () => ({
        options: ['--env-file', world().path('some.env')],
        change: () => writeFileSync(world().path('some.env'), 'X=2\n'),
        undo: () => writeFileSync(world().path('some.env'), 'X=1\n'),
        shows: true,
      }),
    ],
    [
      'what --env-file asks the environment for',
      () => ({
        options: ['--env-file', world().path('asks.env')],
        run: { env: { ASKED: 'one' } },
        later: { run: { env: { ASKED: 'two' } } },
        shows: true,
      }),
    ],
  ])('sees what an option names as it is: %s', (_, item) => checkChange(world(), item()));

  test.each(imageChanges)('is of one image: it is %s', async (title, change) => {
    const copy = copyOf(title);
    const args = ['exec', copy, 'true'];
    expect(await launch(world(), {}, args)).toMatchObject({ status: 0 });
    expect(await launch(world(), {}, args, { DAVIT_NODE: NO_NODE })).toMatchObject({ status: 0 });
    change(copy);
    expect((await launch(world(), {}, args, { DAVIT_NODE: NO_NODE })).stderr).toContain(`execute "${NO_NODE}"`);
    const truth = await launch(world(), {}, args, { DAVIT_PLAN_CACHE: 'off' });
    expect(seen(await launch(world(), {}, args))).toEqual(seen(truth));
    expect(seen(await launch(world(), {}, args))).toEqual(seen(truth));
  });

  test.each(sandboxChanges)('of a sandbox: %s', async (title, change) => {
    const root = copyOf(title);
    const options = ['--bind', `${world().path('bound')}:/mnt`];
    await checkChange(world(), { image: root, options, change: () => change(root) });
  });
});
