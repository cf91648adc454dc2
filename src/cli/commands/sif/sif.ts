/** `davit sif list|header|info|dump|new|add|del|setprim`. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { RuntimeError } from '../../../errors';
import { errnoText } from '../../../runtime/image/errno-text';
import { createEmptySif, SifFile, WritableSif } from '../../../runtime/image/sif-file';
import type { CommandContext } from '../../command-line/command';
import { objectFromFlags } from './object';
import { headerText, infoText, listText } from './text';

const DEEDS: Record<string, (context: CommandContext) => void> = {
  'sif add': add,
  'sif del': ({ args }) => changing(args[1] as string, (sif) => sif.remove(readId(args[0] as string))),
  'sif dump': dump,
  'sif header': ({ args, terminal }) => reading(args[0] as string, ({ header }) => terminal.out(headerText(header))),
  'sif info': ({ args, terminal }) => {
    const id = readId(args[0] as string);
    reading(args[1] as string, (sif) => terminal.out(infoText(sif.find(id))));
  },
  'sif list': ({ args, terminal }) => reading(args[0] as string, ({ objects }) => terminal.out(listText(objects))),
  'sif new': ({ args }) => createEmptySif(args[0] as string),
  'sif setprim': ({ args }) => changing(args[1] as string, (sif) => sif.setPrimary(readId(args[0] as string))),
};

/** As in the reference, whatever goes wrong ends with the usage and exit code 1. */
export function run(context: CommandContext): number {
  try {
    DEEDS[context.name]?.(context);
    return 0;
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code === 'INTERNAL') throw error;
    const { message, hint, path, errno, cause } = error;
    throw new RuntimeError('USAGE', hint === undefined ? message : `${message} (${hint})`, { path, errno, cause });
  }
}

function reading(path: string, deed: (sif: SifFile) => void): void {
  const sif = SifFile.open(path);
  try {
    deed(sif);
  } finally {
    sif.close();
  }
}

function changing(path: string, deed: (sif: WritableSif) => void): void {
  const sif = WritableSif.open(path);
  try {
    deed(sif);
    sif.commit();
  } finally {
    sif.close();
  }
}

function dump({ args, terminal }: CommandContext): void {
  const id = readId(args[0] as string);
  reading(args[1] as string, (sif) => {
    for (const piece of sif.pieces(sif.find(id))) terminal.out(piece);
  });
}

function add({ args, options }: CommandContext): void {
  const [path, source] = args as [string, string];
  const fd = openSource(source);
  try {
    const object = objectFromFlags(options, () => digestOf(fd));
    changing(path, (sif) => sif.add(object, { fd }));
  } finally {
    closeSync(fd);
  }
}

function openSource(path: string): number {
  try {
    const fd = openSync(path, 'r');
    if (!fstatSync(fd).isDirectory()) return fd;
    closeSync(fd);
  } catch (cause) {
    throw new RuntimeError('USAGE', `open ${path}: ${errnoText(cause)}`, { path, cause });
  }
  throw new RuntimeError('USAGE', `read ${path}: is a directory`, { path });
}

/** Decimal, as everywhere in SIF; 0 is nobody's. */
function readId(text: string): number {
  const problem = !/^\d+$/.test(text) ? 'invalid syntax' : Number(text) > 0xffffffff ? 'value out of range' : undefined;
  if (problem === undefined) return Number(text);
  throw new RuntimeError(
    'USAGE',
    `while converting id: strconv.ParseUint: parsing ${JSON.stringify(text)}: ${problem}`,
  );
}

/** SHA-256 of the file in hex; where it is read next does not change. */
function digestOf(fd: number): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (let at = 0; ; ) {
    const count = readSync(fd, buffer, 0, buffer.length, at);
    if (count === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, count));
    at += count;
  }
}
