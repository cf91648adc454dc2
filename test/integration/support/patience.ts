/** Waiting for what other processes do. */
import { vi } from 'vitest';

/** Milliseconds until a test gives up: many, since a busy machine may need them and only a failure uses them up. */
export const PATIENCE_MS = 20_000;

/** Repeats `check` until it does not throw. @throws its last error when patience ends */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval: 20 });
}
