import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

type Counts = { passed: number; failed: number; skipped: number };

it('counts what ctest prints, one executable each', async () => {
  const module = pathToFileURL(resolve('scripts/test.mjs')).href;
  const { ctestCounts } = (await import(module)) as { ctestCounts: (output: string) => Counts };
  const output = `
    Start 1: plan_test
1/5 Test #1: plan_test ........................   Passed    0.02 sec
2/5 Test #2: shell_test .......................***Failed    0.01 sec
3/5 Test #3: loop_test ........................***Skipped   0.00 sec
4/5 Test #4: slow_test ........................***Timeout 120.00 sec
5/5 Test #5: abort_test .......................Subprocess aborted***Exception:   0.01 sec

40% tests passed, 3 tests failed out of 5
`;
  expect(ctestCounts(output)).toEqual({ passed: 1, failed: 3, skipped: 1 });
});
