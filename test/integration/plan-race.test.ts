/** Launches while everything they depend on changes: each sees what was there at some moment of its own life. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { layOutBusybox } from './support/busybox';
import { launch } from './support/remembered';
import { withWorld } from './support/world';

/** As many as fit into the time, and on a slow machine at least some. */
const LAUNCHES = 200;
const MIN_LAUNCHES = 20;
const MIN_JOINS = 10;
const TIME_MS = 9_000;
const WORKERS = 3;
const GENERATIONS = 60;
/** An image that was changed a moment ago is not relied upon. */
const SETTLED_MS = 3_100;

/** Something that is replaced again and again; `begun` and `done` count how often. */
class Input {
  begun = 0;
  done = 0;

  constructor(
    readonly name: string,
    private readonly replace: (generation: number) => void,
  ) {
    replace(0);
  }

  flip(): void {
    if (this.begun + 1 >= GENERATIONS) return;
    this.begun += 1;
    this.replace(this.begun);
    this.done = this.begun;
  }
}

withWorld('remembered plans', (world) => {
  const link = (name: string, target: string): void => {
    symlinkSync(target, world().path(`${name}.new`));
    renameSync(world().path(`${name}.new`), world().path(name));
  };
  const file = (name: string, text: string): void => {
    writeFileSync(world().path(`${name}.new`), text);
    renameSync(world().path(`${name}.new`), world().path(name));
  };

  beforeAll(async () => {
    for (const name of ['even', 'odd']) {
      const root = world().makeDirectory(`${name}.root`);
      layOutBusybox(root);
      writeFileSync(`${root}/srv/site/index.html`, `${name}\n`);
      mkdirSync(`${root}/mnt2`);
      await world().ok('-q', 'build', world().path(`${name}.sif`), root);
    }
    for (let i = 0; i < GENERATIONS; i++) {
      world().write(`bound-${i}/generation`, `${i}\n`);
      world().write(`site-${i}/generation`, `${i}\n`);
    }
    await sleep(SETTLED_MS);
  });

  test('never mix what was with what is', async () => {
    const parity = (i: number): string => (i % 2 === 0 ? 'even' : 'odd');
    const inputs = [
      new Input('image', (i) => link('current.sif', `${parity(i)}.sif`)),
      new Input('bind', (i) => link('bound', `bound-${i}`)),
      new Input('configuration', (i) => file('davit.conf', `bind path = ${world().path(`site-${i}`)}:/mnt2\n`)),
      new Input('variables', (i) => file('some.env', `N=${i}\n`)),
    ];
    const options = ['--env-file', world().path('some.env'), '--bind', `${world().path('bound')}:/mnt`];
    const show = 'cat /srv/site/index.html /mnt/generation /mnt2/generation; echo $N';
    const args = ['exec', ...options, world().path('current.sif'), 'sh', '-c', show];
    const end = Date.now() + TIME_MS;
    let [launches, ended, quiet] = [0, 0, 0];

    const work = async (): Promise<void> => {
      while (launches < LAUNCHES && (Date.now() < end || quiet === 0 || launches <= MIN_LAUNCHES)) {
        launches += 1;
        const least = inputs.map(({ done }) => done);
        const { status, stdout, stderr } = await launch(world(), {}, args);
        const most = inputs.map(({ begun }) => begun);
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
        const [image, ...numbers] = stdout.trim().split('\n');
        for (const [at, { name }] of inputs.entries()) {
          const possible = Array.from(
            { length: (most[at] as number) - (least[at] as number) + 1 },
            (_, i) => i + (least[at] as number),
          );
          if (at === 0) expect(possible.map(parity), name).toContain(image);
          else expect(possible, name).toContain(Number(numbers[at - 1]));
        }
        ended += 1;
        if (least.every((count, at) => count === most[at])) quiet += 1;
      }
    };
    let over = false;
    const flip = async (): Promise<void> => {
      for (let i = 0; !over; i++) {
        inputs[i % inputs.length]?.flip();
        // At times long enough for a plan to be stored and used, whatever the machine.
        const enough = ended + (i % 4 === 0 ? 3 * WORKERS : 0);
        do await sleep(30);
        while (ended < enough && !over);
      }
    };
    const flipping = flip();
    await Promise.all(Array.from({ length: WORKERS }, work));
    over = true;
    await flipping;
    expect(launches).toBeGreaterThan(MIN_LAUNCHES);
    expect(quiet).toBeGreaterThan(0);
  });

  test('join an instance that is, and no other', async () => {
    let [over, joined] = [false, 0];
    const restart = async (): Promise<void> => {
      for (let i = 0; !over; i++) {
        const name = i % 2 === 0 ? 'even' : 'odd';
        const home = `${world().path(`bound-${i % 2}`)}:/${name}`;
        await world().ok('instance', 'start', '--home', home, world().path(`${name}.sif`), 'flip');
        await sleep(100);
        await world().ok('instance', 'stop', '--signal', 'KILL', 'flip');
      }
    };
    const end = Date.now() + TIME_MS / 2;
    const last = end + 60_000;
    const join = async (options: string[]): Promise<void> => {
      const show = 'cat /srv/site/index.html; echo $HOME $APPTAINER_NAME; cat $HOME/generation';
      for (let i = 0; (i < LAUNCHES && Date.now() < end) || (joined <= MIN_JOINS && Date.now() < last); i++) {
        const { status, stdout } = await world().davit('exec', ...options, 'instance://flip', 'sh', '-c', show);
        // The instance may end at any moment: then nothing of it is seen, or less.
        if (status === 0) expect(['even\n/even even.sif\n0\n', 'odd\n/odd odd.sif\n1\n']).toContain(stdout);
        joined += Number(status === 0);
      }
    };
    const restarting = restart();
    await Promise.all([join([]), join(['--env', 'A=1'])]).finally(() => {
      over = true;
    });
    await restarting;
    expect(joined).toBeGreaterThan(MIN_JOINS);
  });
});
