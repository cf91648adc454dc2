/** --dry-run: the plan, as text and as JSON, and nothing else happens. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isRoot } from './support/capabilities';
import { withWorld } from './support/world';

interface Plan {
  format: number;
  mode: string;
  steps: Record<string, Record<string, unknown>>[];
  [member: string]: unknown;
}

const stepNames = (plan: Plan): string[] => plan.steps.map((step) => Object.keys(step)[0] as string);

withWorld('--dry-run', (world) => {
  test('prints every step, numbered, and starts nothing', async () => {
    const text = await world().ok('instance', 'start', '--dry-run', '--bind', '/etc:/mnt', world().image(), 'web');
    expect(text).toMatch(/^plan format \d+, davit \d+\.\d+\.\d+\n/);
    expect(text).toMatch(/^ +\d+ bind +\/etc -> \/mnt /m);
    expect(text).toMatch(/^ +\d+ pivotRoot$/m);
    expect(await world().list()).toEqual([]);
    expect(existsSync(world().stateDir) ? readdirSync(world().stateDir) : []).toEqual([]);
  });

  test('of several instances prints the plan of the first', async () => {
    const start = ['instance', 'start', '--dry-run'];
    const ranges = await world().davit(...start, world().image(), 'web-[2-4]');
    expect(ranges.stderr).toBe('INFO:    the plan of web-2, the first of 3 instances\n');
    const one = await world().ok(...start, world().image(), 'web-2');
    expect(ranges).toMatchObject({ status: 0, stdout: one });
    const counted = await world().davit(...start, '--count', '2', world().image(), 'web');
    expect(counted.stdout).toBe(one.replaceAll('web-2', 'web-1'));
    expect(await world().list()).toEqual([]);
  });

  test.each([[['--dry-run=json']], [['--dry-run', '--json']]])('prints JSON with %j', async (flags) => {
    const plan: Plan = JSON.parse(await world().ok('exec', ...flags, world().image(), 'echo', 'a b'));
    expect(stepNames(plan)[0]).toBe('propagation');
    expect(stepNames(plan)).toContain(isRoot ? 'mountSquashfs' : 'mountFuse');
    expect(stepNames(plan).indexOf('pivotRoot')).toBeGreaterThan(stepNames(plan).lastIndexOf('bind'));
    expect(JSON.stringify(plan)).toContain('"a b"');
  });

  test('shows what options change', async () => {
    const plan = async (...options: string[]): Promise<Plan> =>
      JSON.parse(await world().ok('exec', '--dry-run=json', ...options, world().image(), 'true'));
    expect(stepNames(await plan('--hostname', 'x'))).toContain('hostname');
    expect(stepNames(await plan())).not.toContain('hostname');
    expect(JSON.stringify(await plan('--pid'))).not.toBe(JSON.stringify(await plan()));
    expect(JSON.stringify((await plan('--bind', '/etc:/mnt:ro')).steps)).toContain('"readOnly":true');
  });

  test('is the same twice', async () => {
    const args = ['exec', '--dry-run=json', '--containall', world().image(), 'true'];
    expect(await world().ok(...args)).toBe(await world().ok(...args));
  });

  test('works for run, shell, test and instance run, and comes from the environment', async () => {
    for (const args of [['run'], ['shell'], ['test']])
      expect(await world().ok(...args, '--dry-run', world().image())).toContain('pivotRoot');
    expect(await world().ok('instance', 'run', '--dry-run', world().image(), 'x')).toContain('pivotRoot');
    const env = { DAVIT_DRY_RUN: 'json' };
    expect(JSON.parse(await world().okWith({ env }, 'exec', world().image(), 'true'))).toHaveProperty('steps');
  });

  test('on an instance shows how it would be joined', async () => {
    await world().ok('instance', 'start', world().image(), 'web');
    const plan: Plan = JSON.parse(await world().ok('exec', '--dry-run=json', 'instance://web', 'true'));
    expect(JSON.stringify(plan)).toContain('"web"');
    expect(stepNames({ ...plan, steps: plan.steps ?? [] })).not.toContain('pivotRoot');
  });

  test('finds errors as a launch does', async () => {
    expect(await world().davit('exec', '--dry-run', 'nosuch.sif', 'true')).toMatchObject({ status: 255 });
    expect(await world().davit('exec', '--dry-run', '--bind', '/etc:rel', world().image(), 'true')).toMatchObject({
      status: 255,
    });
  });
});

describe('errors of a step', () => {
  withWorld('name it', (world) => {
    test('with the object, the errno and a way out', async () => {
      const result = await world().davit('exec', '--bind', '/etc/passwd:/srv/site', world().image(), 'true');
      expect(result.status).toBe(255);
      expect(result.stderr).toMatch(/^FATAL: {3}container creation failed: .*"\/etc\/passwd".*"\/srv\/site".*EINVAL/);
      expect(result.stderr).toMatch(/^ {9}step \d+ of \d+, bind$/m);
      expect(result.stderr).toMatch(/^ {9}hint: /m);
    });
  });
});
