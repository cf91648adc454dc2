/** A startscript that fails is never hidden. */
import { expect, test } from 'vitest';
import { eventually } from './support/patience';
import { withWorld } from './support/world';

withWorld('a startscript that fails', (world) => {
  test('at once: start shows the end of its error output, and the instance stays up', async () => {
    const result = await world().davit('instance', 'start', world().image(), 'early', 'fail', '7');
    expect(result).toMatchObject({ status: 0, stdout: '' });
    expect(result.stderr).toContain('INFO:    instance started successfully\n');
    await eventually(async () =>
      expect(await world().listed('early')).toMatchObject({ state: 'exited', exitStatus: 7 }),
    );
    expect(await world().ok('exec', 'instance://early', 'echo', 'up')).toBe('up\n');
  });

  test('is listed with its exit status and the time', async () => {
    const entry = await world().listed('early');
    expect(entry.exitStatus).toBe(7);
    expect(Math.abs(Date.parse(entry.exitedAt ?? '') - Date.now())).toBeLessThan(60_000);
    expect(Date.parse(entry.exitedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(entry.startedAt));

    const [heading, row] = (await world().ok('instance', 'list', '-v')).split('\n');
    expect(heading).toMatch(/^INSTANCE NAME {4}PID +IP {4}IMAGE +STATE +EXIT STATUS$/);
    expect(row).toMatch(/^early +\d+ +\S+ +exited +7$/);
  });

  test('shows what it wrote, when it fails before start returns', async () => {
    // The program cannot even be executed: that is known before start returns, always.
    const result = await world().davit('instance', 'start', world().image(), 'nothing', 'run', '/no/such/program');
    await eventually(async () => expect(await world().listed('nothing')).toMatchObject({ exitStatus: 127 }));
    expect(result.status).toBe(0);
    expect(await world().ok('instance', 'logs', '--err', 'nothing')).toContain('/no/such/program');
  });

  test('with --wait: start fails, with the last lines of its output', async () => {
    const result = await world().davit('instance', 'start', '--wait', world().image(), 'waited', 'fail', '9');
    expect(result.status).not.toBe(0);
    expect(result.status).not.toBe(null);
    expect(result.stderr).toContain('cannot open the database');
    expect(result.stderr).toMatch(/9/);
    expect(result.stderr).not.toContain('instance started successfully');
  });

  test('with --wait and a startscript that lasts: start succeeds after the time', async () => {
    const since = Date.now();
    const result = await world().davit('instance', 'start', '--wait=0.3', world().image(), 'lasting');
    expect(Date.now() - since).toBeGreaterThanOrEqual(300);
    expect(result.status).toBe(0);
    // On a busy machine the startscript may not have come to its error line in that time.
    expect(result.stderr).toMatch(/^(startscript: an error line\n)?INFO: {4}instance started successfully\n$/);
    expect(await world().listed('lasting')).toMatchObject({ state: 'running', exitStatus: null });
  });

  test('with --wait and a startscript that ends well: start succeeds at once, with what it has said', async () => {
    expect(await world().davit('instance', 'start', '--wait=1000', world().image(), 'well', 'end')).toMatchObject({
      status: 0,
      stderr: 'startscript: an error line\nINFO:    instance started successfully\n',
    });
    expect(await world().listed('well')).toMatchObject({ state: 'exited', exitStatus: 0 });
  });

  test('by a signal: the exit status is 128 + N', async () => {
    await world().ok('instance', 'start', world().image(), 'killed', 'run', 'sh', '-c', 'kill -SEGV $$');
    await eventually(async () => expect(await world().listed('killed')).toMatchObject({ exitStatus: 139 }));
  });

  test('later: list knows', async () => {
    const script = `while [ ! -e ${world().path('go')} ]; do sleep 0.05; done; exit 4`;
    await world().ok('instance', 'start', world().image(), 'later', 'run', 'sh', '-c', script);
    expect(await world().listed('later')).toMatchObject({ state: 'running', exitStatus: null });
    world().write('go', '');
    await eventually(async () =>
      expect(await world().listed('later')).toMatchObject({ state: 'exited', exitStatus: 4 }),
    );
  });

  test('the name is free again after stop', async () => {
    await world().ok('instance', 'stop', 'early');
    await world().ok('instance', 'start', world().image(), 'early');
    expect(await world().listed('early')).toMatchObject({ state: 'running', exitStatus: null });
  });

  test('of an app that does not exist: start fails', async () => {
    const result = await world().davit('instance', 'start', '--app', 'nosuch', world().image(), 'noapp');
    expect(result).toMatchObject({ status: 255, stderr: expect.stringMatching(/^FATAL: /) });
    expect(await world().ok('instance', 'logs', 'noapp')).toBe('Could not locate the container application: nosuch\n');
    expect((await world().list()).map((entry) => entry.instance)).not.toContain('noapp');
  });

  test('early output on stderr is shown by start, and not with -q', async () => {
    const script = 'echo "a warning of the service" >&2; exec sleep 1000000';
    const image = world().image();
    const loud = await world().davit('instance', 'start', '--wait=0.3', image, 'loud', 'run', 'sh', '-c', script);
    expect(loud.status).toBe(0);
    const quiet = await world().davit(
      '-q',
      'instance',
      'start',
      '--wait=0.3',
      image,
      'quiet',
      'run',
      'sh',
      '-c',
      script,
    );
    expect(quiet).toMatchObject({ status: 0, stderr: '' });
  });
});
