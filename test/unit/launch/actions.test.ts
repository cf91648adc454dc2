import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { FakeRoot, type Outcome, SHELLS } from './shells';
import { compile, userCaller } from './support';

const HOST = { HOME: '/home/hpc', PATH: '/usr/local/bin:/usr/bin:/bin' };
const caller = (env: Record<string, string>) => userCaller({ env });

let root: FakeRoot;
beforeEach(() => {
  root = new FakeRoot();
});
afterEach(() => rmSync(root.path, { recursive: true }));

describe.each(SHELLS)('the action script under $name', (shell) => {
  describe('run, shell, test and start', () => {
    const act = (
      action: 'run' | 'shell' | 'test' | 'start',
      args: string[] = [],
      wanted: Partial<LaunchOptions> = {},
    ): Outcome => {
      const plan = compile(wanted, {
        action,
        args,
        caller: caller(HOST),
        ...(action === 'start' ? { instanceName: 'web1' } : {}),
      });
      return root.run(plan, shell, HOST);
    };
    beforeEach(() => {
      root.withEnvironmentFiles().write('/bin/sh', '#!/bin/sh\necho "sh $*"\n');
    });

    it('run executes the runscript with its arguments', () => {
      root.write('/.singularity.d/runscript', '#!/bin/sh\necho "run $# $*"\nexit 3\n');
      expect(act('run', ['a b', 'c'])).toMatchObject({ status: 3, stdout: 'run 2 a b c\n' });
    });

    it('run falls back to /apptainer, /singularity and /bin/sh, in this order', () => {
      expect(act('run', ['-c', 'x'])).toMatchObject({
        status: 0,
        stdout: 'sh -c x\n',
        stderr: 'INFO:    No runscript found in container, executing /bin/sh\n',
      });
      root.write('/singularity', '#!/bin/sh\necho old\n');
      expect(act('run').stdout).toBe('old\n');
      root.write('/apptainer', '#!/bin/sh\necho newer\n');
      expect(act('run').stdout).toBe('newer\n');
      root.write('/.singularity.d/runscript', 'echo no\n', 0o644);
      expect(act('run').stdout).toBe('newer\n');
    });

    it('interprets scripts for /bin/sh in an image that has none', () => {
      rmSync(`${root.path}/bin/sh`);
      root.write('/.singularity.d/runscript', '#!/bin/sh\necho "interpreted $# $1"\nexit 4\n');
      expect(act('run', ['a b'])).toMatchObject({ status: 4, stdout: 'interpreted 1 a b\n' });
      rmSync(`${root.path}/.singularity.d/runscript`);
      expect(act('run')).toMatchObject({
        status: 1,
        stderr: 'ERROR:   no runscript and no /bin/sh found in container\n',
      });
      root.write('/.singularity.d/startscript', '#!/bin/sh\n# nothing\n');
      expect(act('start')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    });

    it('shell takes --shell, then bash, then sh, and sets SHELL', () => {
      root.write('/bin/sh', '#!/bin/sh\necho "sh $SHELL $*"\n');
      expect(act('shell').stdout).toBe(`sh ${root.path}/bin/sh \n`);
      root.write('/bin/bash', '#!/bin/sh\necho "bash $SHELL $*"\n');
      expect(act('shell').stdout).toBe(`bash ${root.path}/bin/bash --norc\n`);
      root.write('/my/shell', '#!/bin/sh\necho "mine $APPTAINER_SHELL"\n');
      const mine = `${root.path}/my/shell`;
      expect(act('shell', [], { shell: mine }).stdout).toBe(`mine ${mine}\n`);
      expect(act('shell', [], { shell: '/no/such' }).stdout).toContain('bash');
      rmSync(`${root.path}/bin`, { recursive: true });
      expect(act('shell')).toMatchObject({ status: 1, stderr: 'ERROR:   /bin/sh does not exist in container\n' });
    });

    it('test and start without a script say so and succeed', () => {
      expect(act('test')).toMatchObject({
        status: 0,
        stdout: 'No test found in container, executing /bin/sh -c true\n',
        stderr: 'INFO:    No test script found in container, exiting\n',
      });
      expect(act('start')).toMatchObject({
        status: 0,
        stderr: 'INFO:    No instance start script found in container\n',
      });
      root
        .write('/.singularity.d/test', '#!/bin/sh\nexit 9\n')
        .write('/.singularity.d/startscript', '#!/bin/sh\necho "$APPTAINER_INSTANCE $*"\n');
      expect(act('test').status).toBe(9);
      expect(act('start', ['x', 'y']).stdout).toBe('web1 x y\n');
    });

    it.each([
      ['run', 'ERROR:   no runscript for contained app: foo\n'],
      ['test', 'ERROR:   No tests for contained app: foo\n'],
      ['start', 'ERROR:   No startscript for contained app: foo\n'],
    ] as const)('%s --app without its script fails', (action, stderr) => {
      expect(act(action, [], { app: 'foo' })).toMatchObject({ status: 1, stderr });
    });

    it('--app selects the scripts of the app', () => {
      for (const name of ['runscript', 'test', 'startscript']) {
        root.write(`/scif/apps/foo/scif/${name}`, `#!/bin/sh\necho "${name} $SINGULARITY_APPNAME $*"\n`);
      }
      expect(act('run', ['a'], { app: 'foo' }).stdout).toBe('runscript foo a\n');
      expect(act('test', [], { app: 'foo' }).stdout).toBe('test foo \n');
      expect(act('start', [], { app: 'foo' }).stdout).toBe('startscript foo \n');
    });
  });
});
