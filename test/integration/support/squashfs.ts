/** What a SIF's file system says of its files: a user sees other ids than his own as nobody's. */
import { execFileSync } from 'node:child_process';
import { inspectImage } from '../../../src/runtime/image/open';

/** `NAME UID:GID MODE` of files, as the squashfs has them. */
export function owners(image: string, names: readonly string[]): string[] {
  const { squashfs } = inspectImage(image).image;
  const args = ['-lln', '-o', String(squashfs?.offsetBytes), image];
  const lines = execFileSync('unsquashfs', args, { encoding: 'utf8' }).split('\n');
  const found = new Map<string, string>();
  for (const line of lines) {
    const [, mode, uid, gid, name] = /^(\S{10}) (\d+)\/(\d+) .* squashfs-root\/(.*)$/.exec(line) ?? [];
    if (name !== undefined) found.set(name, `${name} ${uid}:${gid} ${mode}`);
  }
  return names.map((name) => found.get(name) ?? `${name} is not there`);
}
