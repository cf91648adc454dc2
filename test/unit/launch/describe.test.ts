import { describe, expect, it } from 'vitest';
import { describePlan, planToJson } from '../../../src/runtime/launch/describe';
import { compile } from './support';

describe('--dry-run', () => {
  const plan = () =>
    compile({ hostname: 'h', env: { A: '"1"' } }, { action: 'start', instanceName: 'web1', args: ['a b'] }).plan;

  it('numbers the steps as errors do, and names what they are about', () => {
    const text = describePlan(plan());
    expect(text).toContain('mode               instance (keeper and init stay)\n');
    expect(text).toContain('namespaces         user, mount, pid, uts\n');
    expect(text).toContain('id map             uid 0->2000x1, gid 0->2000x1\n');
    expect(text).toContain('   2 session            64 MiB\n');
    expect(text).toMatch(/^ {3}3 mountFuse {10}image \/images\/lab\.sif, serverArgv .*offset=36864/m);
    expect(text).toMatch(/^ {3}5 bind {15}\/dev -> \/dev recursive, keepSuidDev, origin \/dev$/m);
    expect(text).toMatch(/^ +\d+ file +\/etc\/hostname bytes 2 B$/m);
    expect(text).toMatch(/^ +\d+ userNamespace +uid 2000->0x1, gid 2000->0x1$/m);
    expect(text).toMatch(/^ +\d+ privileges +noNewPrivs, dropAll$/m);
    expect(text).toContain('  arguments        "a b"\n');
    expect(text).toContain("    USER_PATH=(the caller's PATH)\n");
    expect(text).toContain('    APPTAINER_INSTANCE=(name of the instance)\n');
    expect(text).not.toContain('undefined');
    expect(text).not.toContain('[object');
  });

  it('has a line for every step', () => {
    const launch = plan();
    const lines = describePlan(launch)
      .split('\n')
      .filter((line) => /^ *\d+ [a-zA-Z]+/.test(line));
    expect(lines).toHaveLength(launch.steps?.length as number);
  });

  it('is JSON with text where bytes are text', () => {
    const json = JSON.parse(planToJson(plan()));
    expect(json).toMatchObject({ format: 1, mode: 2, instance: { name: 'web1' } });
    const hostname = json.steps.find((step: { file?: { target: string } }) => step.file?.target === '/etc/hostname');
    expect(hostname.file.bytes).toBe('h\n');
    expect(json.instance.record).toMatch(/^[A-Za-z0-9+/]+=*$/);
  });
});
