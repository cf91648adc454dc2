/** On a terminal: prompt, job control, window size, Ctrl-C, Ctrl-Z, Ctrl-\, and the same on instances. */
import { expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { TerminalSession } from './support/terminal';
import { withWorld, type World } from './support/world';

/** The line editor of busybox also asks the terminal where the cursor is. */
const prompt = /Apptainer> (\x1b\[6n)?$/;

/** A shell in an image or an instance, waited for. */
async function shell(world: World, target: string, ...options: string[]): Promise<TerminalSession> {
  const session = new TerminalSession(world, ['shell', ...options, target]);
  await session.expect(prompt);
  return session;
}

describeWith(['terminal'], 'on a terminal', () => {
  withWorld('shell', (world) => {
    const targets: [string, () => Promise<string>, string[]][] = [
      ['of an image', async () => world().image(), []],
      ['of an image with --pid', async () => world().image(), ['--pid']],
      [
        'of an instance',
        async () => {
          if ((await world().list()).length === 0) await world().ok('instance', 'start', world().image(), 'web');
          return 'instance://web';
        },
        [],
      ],
    ];

    for (const [title, target, options] of targets) {
      test(`${title}: has a prompt, and passes the exit code`, async () => {
        const session = await shell(world(), await target(), ...options);
        await session.line('echo $((6 * 7))', /^42\r$/m);
        session.type('exit 3\n');
        expect(await session.end()).toBe(3);
      });

      test(`${title}: has the terminal, its size, and hears of changes`, async () => {
        const session = await shell(world(), await target(), ...options);
        await session.line('test -t 0 && test -t 1 && test -t 2 && echo all three', /^all three\r$/m);
        await session.line('stty size', /^24 80\r$/m);
        session.resize(40, 120);
        await session.line('stty size', /^40 120\r$/m);
        const script = 'trap "stty size; exit" WINCH; echo waiting; while :; do sleep 0.05; done';
        await session.line(`sh -c '${script}'`, /^waiting\r$/m);
        session.resize(30, 90);
        await session.expect(/^30 90\r$/m);
        session.type('exit\n');
        expect(await session.end()).toBe(0);
      });

      test(`${title}: Ctrl-C ends the command, not the shell`, async () => {
        const session = await shell(world(), await target(), ...options);
        await session.line("sh -c 'echo begin; exec cat'", /^begin\r$/m);
        await session.line('there', /^there\r\nthere\r$/m); // cat it is: a shell that becomes it may lose the signal
        const from = session.shown.length;
        session.type('\x03');
        await session.expect(prompt, from);
        await session.line('echo $?', /^130\r$/m);
        session.type('exit 0\n');
        expect(await session.end()).toBe(0);
      });

      test(`${title}: Ctrl-Z stops a job, fg continues it`, async () => {
        const session = await shell(world(), await target(), ...options);
        await session.line("sh -c 'echo begin; exec cat'", /^begin\r$/m);
        await session.line('there', /^there\r\nthere\r$/m); // cat it is, and no shell any more
        const from = session.shown.length;
        session.type('\x1a');
        await session.expect(prompt, from);
        await session.line('jobs', /Stopped.*cat/);
        await session.line('fg', /^sh -c .*cat/m);
        await session.line('typed', /^typed\r\ntyped\r$/m);
        session.type('\x04');
        await session.line('echo over', /^over\r$/m);
        // Typed before the shell reads by itself it is the terminal's end of file, and lost when the shell begins to.
        await session.expect(prompt);
        session.type('\x04');
        expect(await session.end()).toBe(0);
      });
    }

    test('says nothing of job control being off', async () => {
      const session = await shell(world(), world().image());
      session.type('exit\n');
      await session.end();
      expect(session.shown).not.toMatch(/job control|can't access tty/);
    });
  });

  withWorld('exec', (world) => {
    test.each([
      ['\x03', 130],
      ['\x1c', 131],
    ])('%j ends it with the code of the signal', async (key, code) => {
      for (const options of [[], ['--pid']]) {
        // Not by a shell that becomes another program: busybox loses the signal between the two.
        const session = new TerminalSession(world(), ['exec', ...options, world().image(), 'cat']);
        await session.line('up', /^up\r\nup\r$/m);
        session.type(key);
        expect(await session.end()).toBe(code);
      }
    });

    test('Ctrl-C in an instance reaches the command once', async () => {
      await world().ok('instance', 'start', world().image(), 'web');
      const script =
        'n=0; i=0; trap "n=\\$((n+1))" INT; echo up; while [ $n = 0 ]; do sleep 0.05; done; while [ $i -lt 6 ]; do sleep 0.05; i=$((i+1)); done; echo heard $n';
      for (const target of [['instance://web'], ['--pid', world().image()], [world().image()]]) {
        const session = new TerminalSession(world(), ['exec', ...target, 'sh', '-c', script]);
        await session.expect(/up/);
        session.type('\x03');
        await session.expect(/heard \d/);
        expect(session.shown).toContain('heard 1');
        await session.end();
      }
    });

    test('can be stopped and continued by the shell that has started it', async () => {
      for (const target of ['instance://web', world().image()]) {
        const session = new TerminalSession(world(), ['--norc', '-i'], { program: 'bash', env: { PS1: 'outer> ' } });
        await session.expect(/outer> /);
        const { davitPath } = await import('./support/world');
        await session.line(`${davitPath} exec ${target} sh -c 'echo up; cat'`, /^up\r$/m);
        const from = session.shown.length;
        session.type('\x1a');
        // With the prompt behind it: the line names the command, as that of fg does, and comes in pieces.
        await session.expect(/Stopped[\s\S]*outer> /, from);
        await session.line('fg', /sh -c/);
        await session.line('typed', /typed\r\ntyped\r/);
        session.type('\x04');
        await session.line('echo status $?', /^status 0\r$/m);
        session.type('exit\n');
        await session.end();
      }
    });

    test('messages are coloured on a terminal alone, and not with --nocolor', async () => {
      const colored = new TerminalSession(world(), ['exec', 'nosuch.sif', 'true']);
      expect(await colored.end()).toBe(255);
      expect(colored.shown).toMatch(/\x1b\[31mFATAL: {2}\x1b\[0m /);
      const plain = new TerminalSession(world(), ['--nocolor', 'exec', 'nosuch.sif', 'true']);
      await plain.end();
      expect(plain.shown).toMatch(/^FATAL: {3}/);
    });

    test('--contain has a console of its own kind', async () => {
      const session = new TerminalSession(world(), [
        'exec',
        '--contain',
        world().image(),
        'sh',
        '-c',
        'ls /dev/console; tty < /dev/tty && echo ok',
      ]);
      expect(await session.end()).toBe(0);
      expect(session.shown).toContain('/dev/console');
      expect(session.shown).toContain('ok');
    });
  });

  withWorld('instance start', (world) => {
    test('does not keep the terminal: a hang-up does not end the instance', async () => {
      const session = new TerminalSession(world(), ['instance', 'start', world().image(), 'detached']);
      expect(await session.end()).toBe(0);
      const { programPid, pid, keeperPid } = await world().listed('detached');
      for (const each of [programPid, pid, keeperPid]) {
        const stat = (await world().command('cat', [`/proc/${each}/stat`])).stdout;
        expect(stat.slice(stat.lastIndexOf(')')).split(' ')[5], `tty of ${each}`).toBe('0');
      }
    });

    test('survives SIGHUP of the session that has started it', async () => {
      const session = new TerminalSession(world(), ['--norc', '-i'], { program: 'bash', env: { PS1: 'outer> ' } });
      await session.expect(/outer> /);
      const { davitPath } = await import('./support/world');
      await session.line(`${davitPath} instance start ${world().image()} survivor; echo status $?`, /status 0/);
      session.kill();
      await session.end();
      await new Promise((done) => setTimeout(done, 200));
      expect(await world().listed('survivor')).toMatchObject({ state: 'running' });
    });
  });
});
