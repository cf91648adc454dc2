import { defineConfig } from 'vitest/config';

/**
 * Unit tests run anywhere. Integration tests start real instances, each file in a world of its own (support/world.ts): two
 * files at a time, since they wait more than they compute.
 */
export default defineConfig({
  test: {
    minWorkers: 1,
    maxWorkers: 2,
    // A worker that a busy machine does not end in time is an error of the whole run.
    teardownTimeout: 60_000,
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          pool: 'forks',
          // Each command of a test has a limit of its own (support/world.ts); many in a row may take long.
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // As in support/patience.ts.
          expect: { poll: { timeout: 20_000, interval: 20 } },
        },
      },
    ],
  },
});
