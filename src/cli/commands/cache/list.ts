/** `davit cache list`. */
import { type CacheEntry, kindsNamed, listKind } from '../../../runtime/image/cache/list';
import type { CommandContext } from '../../command-line/command';
import { imageCacheDirectory, unknownKind } from './directory';

const NAME_WIDTH = 22;

export function run(context: CommandContext): number {
  const { options, env, terminal } = context;
  const kinds = kindsNamed(options.list('type'));
  if ('unknown' in kinds) throw unknownKind(kinds.unknown);
  const directory = imageCacheDirectory(env);
  const entries = kinds.flatMap((kind) => listKind(directory, kind));
  if (options.flag('verbose')) {
    terminal.out(`${'NAME'.padEnd(25)}${'DATE CREATED'.padEnd(23)}${'SIZE'.padEnd(17)}TYPE\n`);
    for (const entry of entries) terminal.out(line(entry));
    terminal.out('\n');
  }
  const images = entries.filter(({ kind }) => kind !== 'blob');
  const blobs = entries.filter(({ kind }) => kind === 'blob');
  const parts = [
    ...(kinds.some((kind) => kind !== 'blob') ? [`${images.length} container file(s) using ${total(images)}`] : []),
    ...(kinds.includes('blob') ? [`${blobs.length} oci blob file(s) using ${total(blobs)}`] : []),
  ];
  terminal.out(`There are ${parts.join(' and ')} of space\nTotal space used: ${total(entries)}\n`);
  return 0;
}

function line({ name, kind, sizeBytes, modifiedMs }: CacheEntry): string {
  const shown = name.slice(0, NAME_WIDTH).padEnd(25);
  return `${shown}${date(modifiedMs).padEnd(23)}${size(sizeBytes).padEnd(17)}${kind}\n`;
}

/** `2026-11-22 22:42:44`, in local time. */
function date(ms: number): string {
  const time = new Date(ms);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  return `${day} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`;
}

function total(entries: readonly CacheEntry[]): string {
  return size(entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
}

/** Never smaller units than KiB, always two digits, as Apptainer prints sizes. */
function size(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value.toFixed(2)} ${units[unit]}`;
}
