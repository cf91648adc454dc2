/** Rows of commands.ts: the commands that look into SIF files and change them. */
import type { CommandSpec } from '../command-line/command';

const load = () => import('./sif/sif');

/** One row; all of them take flags anywhere, as in the reference. */
function row(name: string, usage: string, summary: string, details: Partial<CommandSpec> = {}): CommandSpec {
  const count = usage.split(' ').length;
  return { name: `sif ${name}`, usage, summary, args: [count, count], flagsAnywhere: true, load, ...details };
}

export const SIF_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'sif',
    usage: '<command>',
    summary: 'Look into SIF files and change them',
    description: 'A SIF file is a header, a table, and the objects that the table names by numbers.',
    examples: ['davit sif list image.sif', 'davit help sif add'],
    args: [0, -1],
    helps: true,
  },
  row('add', '<sif_path> <object_path>', 'Add an object to a SIF file', {
    description: 'Appends the content of a file. The image is locked meanwhile, and stays as it was when that fails.',
    examples: [
      'davit sif add image.sif notes.txt --datatype 7 --filename notes',
      'davit sif add image.sif rootfs.squashfs --datatype 4 --parttype 1 --partfs 1 --partarch 2',
    ],
  }),
  row('del', '<id> <sif_path>', 'Delete an object from a SIF file', {
    description: 'Takes the object out of the table. The file does not get smaller.',
    examples: ['davit sif del 4 image.sif'],
  }),
  row('dump', '<id> <sif_path>', 'Print the content of an object', { examples: ['davit sif dump 1 image.sif'] }),
  row('header', '<sif_path>', 'Show the header of a SIF file', { examples: ['davit sif header image.sif'] }),
  row('info', '<id> <sif_path>', 'Show what the table says of an object', { examples: ['davit sif info 1 image.sif'] }),
  row('list', '<sif_path>', 'List the objects of a SIF file', { examples: ['davit sif list image.sif'] }),
  row('new', '<sif_path>', 'Make a SIF file without objects', { examples: ['davit sif new image.sif'] }),
  row('setprim', '<id> <sif_path>', 'Choose the partition that containers run from', {
    examples: ['davit sif setprim 4 image.sif'],
  }),
];
