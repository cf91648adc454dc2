/** State that others could have written: no remembered plan of it is used, and no instance of it joined. */
import { chmodSync, chownSync, lchownSync, linkSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { davitForAll } from './support/davit-for-all';
import { asRoot } from './support/capabilities';
import { lay, launch, NO_NODE } from './support/remembered';
import { withWorld } from './support/world';

const SOMEBODY = 65_533;

withWorld('state of somebody else', (world) => {
  const state = (...names: string[]): string => world().path('state', ...names);
  const plan = (): string => state('plans', readdirSync(state('plans'))[0] as string);
  const exec = (): string[] => ['exec', world().image(), 'true'];
  const joins = [
    ['exec', 'instance://web', 'true'],
    ['exec', '--env', 'A=1', 'instance://web', 'true'],
  ];

  let forAll = '';
  beforeAll(async () => {
    await lay(world(), () => {
      forAll = davitForAll(world());
    });
    await world().ok('instance', 'start', world().image(), 'web');
    for (const args of [exec(), ...joins]) expect(await launch(world(), {}, args)).toMatchObject({ status: 0 });
  });

  /** Without Node nothing but a remembered plan can succeed. */
  async function expectUnused(spoil: () => void, mend: () => void, affected: string[][]): Promise<void> {
    spoil();
    try {
      for (const args of affected) {
        const { status, stderr } = await launch(world(), {}, args, { DAVIT_NODE: NO_NODE });
        expect({ args, status, stderr }).toMatchObject({ status: 255, stderr: expect.stringContaining(NO_NODE) });
      }
    } finally {
      mend();
    }
    for (const args of [exec(), ...joins]) {
      expect(await launch(world(), {}, args, { DAVIT_NODE: NO_NODE }), args.join(' ')).toMatchObject({ status: 0 });
    }
  }

  test.each([0o750, 0o705, 0o1777])('is not used where others may enter (mode %o)', (mode) =>
    expectUnused(
      () => chmodSync(state(), mode),
      () => chmodSync(state(), 0o700),
      [exec(), ...joins],
    ),
  );

  test('is not used behind a link', () =>
    expectUnused(() => {
      renameSync(state(), world().path('state.real'));
      symlinkSync('state.real', state());
    }, () => {
      rmSync(state());
      renameSync(world().path('state.real'), state());
    }, [exec(), ...joins]));

  test('plans are not used where others may write them', async () => {
    const remembered = [exec(), joins[1] as string[]];
    for (const mode of [0o770, 0o707]) {
      const spoil = (): void => chmodSync(state('plans'), mode);
      await expectUnused(spoil, () => chmodSync(state('plans'), 0o700), remembered);
    }
    const files = readdirSync(state('plans')).map((name) => state('plans', name));
    const each = (mode: number): void => {
      for (const file of files) chmodSync(file, mode);
    };
    await expectUnused(
      () => each(0o622),
      () => each(0o600),
      remembered,
    );
  });

  test('a plan may have a second name, and is the same', async () => {
    linkSync(plan(), world().path('second'));
    expect(await launch(world(), {}, exec(), { DAVIT_NODE: NO_NODE })).toMatchObject({ status: 0 });
  });

  asRoot(() => {
    test.each<[string, () => string, boolean]>([
      ['the directory', () => state(), true],
      ['that of the plans', () => state('plans'), false],
    ])('is not used when %s is theirs', (_, path, all) =>
      expectUnused(
        () => chownSync(path(), SOMEBODY, SOMEBODY),
        () => chownSync(path(), 0, 0),
        [exec(), ...(all ? joins : [joins[1] as string[]])],
      ),
    );

    test('a plan of theirs is none', () => {
      const files = readdirSync(state('plans')).map((name) => state('plans', name));
      const give = (uid: number): void => {
        for (const file of files) chownSync(file, uid, uid);
      };
      return expectUnused(
        () => give(SOMEBODY),
        () => give(0),
        [exec(), joins[1] as string[]],
      );
    });

    test('a link of theirs to what is ours is not followed', () =>
      expectUnused(() => {
        renameSync(state('plans'), state('kept'));
        symlinkSync('kept', state('plans'));
        lchownSync(state('plans'), SOMEBODY, SOMEBODY);
      }, () => {
        rmSync(state('plans'));
        renameSync(state('kept'), state('plans'));
      }, [exec(), joins[1] as string[]]));

    test('a user does not get what was laid for them where theirs would be', async () => {
      const planted = `/tmp/davit-${SOMEBODY}`;
      const { stdout } = await world().command('sh', ['-c', `test -e ${planted} && echo there || true`]);
      expect(stdout, `${planted} is there already`).toBe('');
      const user = ['setpriv', '--reuid', String(SOMEBODY), '--regid', String(SOMEBODY), '--clear-groups'];
      const run = { env: { DAVIT_STATE_DIR: undefined, HOME: '/' }, cwd: '/' };
      const own = { run, through: user, davit: forAll };
      const args = ['exec', '--no-home', world().path('sandbox'), 'true'];
      try {
        expect(await launch(world(), own, args)).toMatchObject({ status: 0 });
        const hit = await launch(world(), own, args, { DAVIT_NODE: NO_NODE });
        expect(hit).toMatchObject({ status: 0 });
        // No file has their account: what a preloaded library says of it is not believed for ten minutes.
        const preloaded = { LD_PRELOAD: 'libc.so.6' };
        expect(await launch(world(), own, args, preloaded)).toMatchObject({ status: 0 });
        expect((await launch(world(), own, args, { ...preloaded, DAVIT_NODE: NO_NODE })).stderr).toContain(NO_NODE);
        for (const path of [planted, join(planted, 'plans')]) {
          chownSync(path, 0, 0);
          expect((await launch(world(), own, args, { DAVIT_NODE: NO_NODE })).stderr).toContain(NO_NODE);
          chownSync(path, SOMEBODY, SOMEBODY);
        }
      } finally {
        rmSync(planted, { recursive: true, force: true });
      }
    });
  });
});
