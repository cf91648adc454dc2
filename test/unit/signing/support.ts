/** Images in a directory of the test's own, and the day on which the fixtures were signed, or a bit later. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, vi } from 'vitest';

export interface Place {
  path(name: string): string;
  write(name: string, content: string | Uint8Array): string;
}

export function ownPlace(): Place {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'davit-signing-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const path = (name: string): string => join(directory, name);
  return {
    path,
    write(name, content) {
      writeFileSync(path(name), content);
      return path(name);
    },
  };
}

/** The clock shows a day when the fixtures' keys and certificates are valid, whatever the machine's says. */
export function inDecember2026(): void {
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-12-01T12:00:00Z') });
  });
  afterAll(() => {
    vi.useRealTimers();
  });
}
