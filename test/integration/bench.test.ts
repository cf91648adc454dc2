/** davit bench launch: what it measures, what it says, and that nothing of it stays, however it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { runnerPath } from '../../src/bench/runner';
import type { BenchResult } from '../../src/bench/types';
import { isRoot, testWith } from './support/capabilities';
import { layOutBusybox } from './support/busybox';
import { eventually } from './support/patience';
import { isAlive, type Outcome, outcome, projectRoot, withWorld } from './support/world';

withWorld('bench launch', (world) => {
  const tmp = (): string => world().makeDirectory('tmp');
  const quick = ['-n', '3', '-c', '2', '--warm-up', '1', '--instances', '2', '--throughput', '0.1', '--phases', '1'];
  const words = (...args: string[]): string[] => ['bench', 'launch', '--tmpdir', tmp(), ...quick, ...args];
  const bench = (...args: string[]): Promise<Outcome> => world().davit(...words(...args));
  const measured = async (...args: string[]): Promise<BenchResult> => {
    const { status, stdout, stderr } = await bench('--json', ...args);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    return JSON.parse(stdout) as BenchResult;
  };
  const left = (): string[] => [
    ...readdirSync(tmp()),
    ...readdirSync(world().stateDir).filter((name) => name.startsWith('davit-bench')),
    ...world()
      .processes()
      .map(({ commandLine }) => commandLine),
  ];
  const expectClean = (): Promise<void> => eventually(() => expect(left()).toEqual([]));
  const labels = ({ cases }: BenchResult): string[] => cases.map(({ label }) => label);

  beforeAll(() => {
    mkdirSync(world().stateDir, { recursive: true, mode: 0o700 });
  });

  describe('measures', () => {
    test('starts: every sample, throughput, memory, and who is missing', async () => {
      const result = await measured('--compare', 'podman=/nonexistent/podman', world().image());
      expect(result).toMatchObject({ schema: 1, operation: 'start', rounds: 3, callerEnvironment: false });
      expect(labels(result)).toEqual(['davit', 'davit, compiled', 'davit, first use']);
      for (const { label, samples, failures, summary } of result.cases) {
        expect([label, samples.length, failures, result.notes]).toEqual([label, 3, 0, []]);
        for (const sample of samples) {
          expect(sample?.ready).toBeGreaterThan(0);
          expect(sample?.returned).toBeGreaterThan(0);
          expect(sample?.stopped).toBeGreaterThan(0);
          expect(sample?.cpu).toBeGreaterThan(0);
        }
        expect(summary.ready?.n).toBe(3);
      }
      expect(result.throughput.map(({ label, what }) => `${label} ${what}`)).toEqual([
        'davit starts',
        'davit lives',
        'davit, compiled starts',
        'davit, compiled lives',
      ]);
      for (const { jobs, failures, perSecond } of result.throughput) {
        expect([jobs > 0, failures, perSecond > 0]).toEqual([true, 0, true]);
      }
      expect(result.phases.map(({ label, rounds }) => [label, rounds])).toEqual(
        labels(result).map((label) => [label, 1]),
      );
      const phasesOf = (index: number): string[] => result.phases[index]?.phases.map(({ name }) => name) ?? [];
      expect(phasesOf(0)).toEqual(
        expect.arrayContaining(['door', 'plan', 'clone', 'mount', 'pivot', 'action', 'exec']),
      );
      expect(phasesOf(0)).not.toContain('node');
      expect(phasesOf(1)).toContain('node');
      const [memory] = result.memory;
      expect(memory).toMatchObject({ runtime: 'davit', instances: 2, unreadable: 0 });
      const names = memory?.processes.map(({ name, count }) => `${count} ${name}`);
      expect(names).toEqual(expect.arrayContaining(['2 davit-init', '2 davit-keeper']));
      if (!isRoot) expect(names).toContain('1 squashfuse_ll');
      expect(result.skipped).toEqual([{ peer: 'podman', reason: 'no program "/nonexistent/podman"' }]);
      expect(result.machine.node).toBe(process.version);
      await expectClean();
    });

    test('commands, in an image without a shell and without libraries', async () => {
      const { status, stdout, stderr } = await bench('--operation', 'exec', world().image('static'));
      expect([status, stderr]).toEqual([0, expect.any(String)]);
      expect(stdout).toMatch(/^davit +3( +[\d.]+){6} +1.00$/m);
      expect(stdout).toMatch(/^davit, first use +3 /m);
      expect(stdout).toMatch(/^davit +lives +[\d.]+/m);
      expect(stdout).not.toContain('note:');
      await expectClean();
    });

    test('commands in a running instance', async () => {
      const result = await measured('--operation', 'join', '--instances', '0', '--throughput', '0', world().image());
      expect(labels(result)).toEqual(['davit', 'davit, compiled']);
      expect([result.notes, result.throughput, result.memory]).toEqual([[], [], []]);
      expect(result.cases.map(({ failures }) => failures)).toEqual([0, 0]);
    });

    testWith(['bwrap'], 'a directory, beside bwrap, which cannot enter a container', async () => {
      const directory = world().makeDirectory('directory');
      if (!existsSync(join(directory, 'bin'))) layOutBusybox(directory);
      const result = await measured('--instances', '0', '--throughput', '0', '--compare', 'bwrap', directory);
      expect(labels(result)).toEqual(['davit', 'davit, compiled', 'bwrap']);
      expect(result.cases[2]).toMatchObject({ failures: 0, summary: { ready: { n: 3 }, stopped: { n: 3 } } });
      expect(result.cases[2]?.summary.returned).toBeUndefined();
      const entering = await measured('--operation', 'join', '--instances', '0', '--compare', 'bwrap', directory);
      expect(entering.skipped).toEqual([{ peer: 'bwrap', reason: 'it cannot enter a running container' }]);
      await expectClean();
    });

    testWith(['crun'], 'crun, or says why it cannot', async () => {
      const result = await measured('--instances', '0', '--throughput', '0', '--compare', 'crun', world().image());
      const found = [...labels(result).slice(3), ...result.skipped.map(({ peer, reason }) => `${peer}: ${reason}`)];
      // As a plain user it refuses machines with both versions of cgroups.
      expect(found).toEqual([expect.stringMatching(isRoot ? /^crun$/ : /^crun(: .*)?$/)]);
      await expectClean();
    });

    test('in the environment of the caller', async () => {
      const result = await measured('--caller-environment', '--instances', '0', '--throughput', '0', world().image());
      expect([result.callerEnvironment, result.cases[0]?.failures]).toEqual([true, 0]);
    });

    test('and says so when launches are not remembered', async () => {
      const config = world().write('never.conf', 'plan cache = no\n');
      const some = ['--json', '--operation', 'exec', '--caller-environment', '--instances', '0', '--throughput', '0'];
      const args = words(...some, world().image());
      const { status, stdout } = await world().davitWith({ env: { DAVIT_CONFIG_FILE: config } }, ...args);
      const result = JSON.parse(stdout) as BenchResult;
      expect([status, result.cases[1]?.failures]).toEqual([0, 0]);
      expect(result.notes[0]).toContain('launches of this image are not remembered');
      expect(result.cases[0]?.summary).toEqual({});
    });
  });

  test('writes reports', async () => {
    for (const name of ['report.html', 'report.svg']) {
      const path = world().path(name);
      const { status } = await bench('--instances', '0', '--throughput', '0', '--report', path, world().image());
      expect(status).toBe(0);
      expect(readFileSync(path, 'utf8')).toMatch(
        name.endsWith('.svg') ? /^<svg [\s\S]*<\/svg>\n$/ : /^<!doctype html>/,
      );
    }
  });

  describe('refuses', () => {
    test.each([
      ['a missing image', ['/nonexistent/image.sif'], 255, 'open image "/nonexistent/image.sif": ENOENT'],
      ['what is no image', [join(projectRoot, 'package.json')], 255, 'is neither a SIF file, a squashfs file'],
      ['what is an image, but cannot be started', ['/'], 255, 'the root directory of the host cannot be used as'],
      ['an unknown runtime', ['--compare', 'docker', 'x.sif'], 255, '--compare "docker": no such runtime'],
      ['no rounds', ['-n', '0', 'x.sif'], 255, '--rounds: not a number from 1'],
      ['no concurrency', ['-c', '0', 'x.sif'], 255, '--concurrency: not a number from 1'],
      ['a report that cannot be written', ['--report', '/nosuch/x.html', 'x.sif'], 255, 'write the report'],
      ['a report of another kind', ['--report', 'x.txt', 'x.sif'], 255, 'the name must end in .html or .svg'],
      ['an unknown operation', ['--operation', 'fly', 'x.sif'], 1, 'not one of start, exec, join'],
      ['no image', [], 1, 'accepts 1 arg(s), received 0'],
    ])('%s', async (_, args, status, message) => {
      const result = await bench(...args);
      expect([result.status, result.stderr + result.stdout]).toEqual([status, expect.stringContaining(message)]);
      expect(result.stderr).not.toContain('fault of davit');
      await expectClean();
    });

    test('a directory for temporary files in which it cannot write', async () => {
      const { status, stderr } = await bench('--tmpdir', '/nonexistent', world().image());
      expect([status, stderr]).toEqual([255, expect.stringContaining('--tmpdir or DAVIT_TMPDIR names another place')]);
    });
  });

  describe('removes everything', () => {
    const began = (): Promise<void> => eventually(() => expect(world().processes().length).toBeGreaterThan(2));

    test.each([0, 300, 2000])('when it is interrupted %i ms after the first container', async (delayMs) => {
      const child = world().spawn(words('-n', '100000', world().image()));
      const ended = outcome(child);
      await began();
      await sleep(delayMs);
      child.kill('SIGINT');
      expect((await ended).signal).toBe('SIGINT');
      await expectClean();
    });

    test('when it is killed: at once what runs, with the next measurement the rest', async () => {
      const child = world().spawn(words('-n', '100000', world().image()));
      const ended = outcome(child);
      await began();
      await sleep(1000);
      child.kill('SIGKILL');
      await ended;
      await eventually(() => expect(world().processes()).toEqual([]));
      const [name] = readdirSync(tmp()) as [string];
      expect(statSync(join(tmp(), name)).mode & 0o777).toBe(0o700);
      const past = new Date(Date.now() - 120_000);
      utimesSync(join(tmp(), name), past, past);
      expect((await bench('--instances', '0', '--throughput', '0', '-n', '1', world().image())).status).toBe(0);
      await expectClean();
    });

    test('when nobody reads what was measured', async () => {
      const file = world().path('pid');
      const child = spawn(runnerPath(), [], { stdio: ['pipe', 'pipe', 'inherit'] });
      await once(child.stdout, 'data'); // its greeting
      child.stdout.destroy();
      const left = ['/bin/sh', '-c', 'sleep 1000 & echo $! > "$0"', file];
      child.stdin.write(`RUN 0 1 1 0 0 1 1\n${['x', String(left.length), ...left, 'PATH=/usr/bin:/bin'].join('\0')}\0`);
      expect(await once(child, 'exit')).toEqual([0, null]);
      expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false);
    });
  });
});
