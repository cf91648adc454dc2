/** Flags of `sif add` (the user guide, command line). */
import { type Flag, type FlagType, flag } from './flag';

const row = (type: FlagType, name: string, help: string): Flag => flag(type, name, help, {}, ['sif add']);

/** What the numbers mean is told by the description of the command. */
export function sifFlags(): Flag[] {
  return [
    row('int', 'alignment', 'where it may begin: a multiple of this; 4096 for partitions, else anywhere'),
    row('int', 'datatype', 'kind of the object, by number'),
    row('string', 'filename', 'name of the object'),
    row('int', 'groupid', 'group of the object; 0: none'),
    row('int', 'link', 'object that it belongs to; 0: none'),
    row('int', 'partarch', 'architecture of a partition, by number'),
    row('int', 'partfs', 'file system of a partition, by number'),
    row('int', 'parttype', 'kind of a partition, by number'),
    row('string', 'sbomformat', 'format of an SBOM'),
    row('string', 'signentity', 'fingerprint of who signs: 40 hexadecimal digits'),
    row('int', 'signhash', 'hash of a signature, by number'),
  ];
}
