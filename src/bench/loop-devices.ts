/** When an image is not in use any more: without a loop device (root), and without processes of the measurement. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { countDescendants } from './memory';

const PATIENCE_MS = 5000;
const STEP_MS = 1;

/** How many loop devices have this file. */
export function loopDevices(path: string): number {
  let names: string[];
  try {
    names = readdirSync('/sys/block');
  } catch {
    return 0;
  }
  return names.filter((name) => {
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim() === path;
    } catch {
      return false;
    }
  }).length;
}

/**
 * Waits until the next launch is the first to use the image again.
 * @param runner process whose descendants are the instances and FUSE servers
 * @throws Error after 5 s, when somebody else uses the image
 */
export async function untilUnused(path: string, runner: number): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; loopDevices(path) > 0 || countDescendants(runner) > 0; ) {
    if (Date.now() > end) throw new Error('the image stays in use by others: there is no first use of it');
    await sleep(STEP_MS);
  }
}
