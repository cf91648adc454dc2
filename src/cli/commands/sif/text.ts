/** What `sif header`, `sif list` and `sif info` print, to the byte as the reference prints it. */
import { RuntimeError } from '../../../errors';
import { DataType } from '../../../formats/sif/constants';
import type { SifDescriptor } from '../../../formats/sif/descriptor';
import { NO_TIME_S } from '../../../formats/sif/edit';
import type { SifHeader } from '../../../formats/sif/header';
import {
  dataTypeName,
  hashName,
  messageNames,
  objectSummary,
  ociDigest,
  partitionNames,
  sbomFormatName,
} from '../../../formats/sif/names';
import { visible } from '../../terminal/render';

type Row = [label: string, value: string | number];

const NONE = 'NONE';
const RULER = `${'-'.repeat(78)}\n`;
/** Bytes of a signer's fingerprint in the metadata, behind the number of the hash. */
const FINGERPRINT = [4, 24] as const;

export function headerText(header: SifHeader): string {
  const rows: Row[] = [];
  if (header.launchScript !== '') rows.push(['Launch Script', inOneLine(header.launchScript.replace(/\n$/, ''))]);
  rows.push(['Version', header.version]);
  if (header.arch !== undefined) rows.push(['Primary Architecture', header.arch]);
  if (header.id.some((byte) => byte !== 0)) rows.push(['ID', uuid(header.id)]);
  rows.push(
    ...dates(header),
    ['Descriptors Free', header.descriptorsFree],
    ['Descriptors Total', header.descriptorsTotal],
    ['Descriptors Offset', header.tableOffsetBytes],
    ['Descriptors Size', binarySize(header.tableSizeBytes)],
    ['Data Offset', header.dataOffsetBytes],
    ['Data Size', binarySize(header.dataSizeBytes)],
  );
  return aligned(rows, '', 1);
}

export function listText(objects: readonly SifDescriptor[]): string {
  const rows = objects.map((object) => {
    const { id, group, link, linkToGroup, offsetBytes, sizeBytes } = object;
    const to = link === 0 ? NONE : linkToGroup ? `${String(link).padEnd(3)} (G)` : String(link);
    const cells = [
      String(id).padEnd(4),
      String(group || NONE).padEnd(7),
      to.padEnd(linkToGroup && link !== 0 ? 0 : 7),
      `${offsetBytes}-${offsetBytes + sizeBytes}`.padEnd(25),
    ];
    return `${cells.join(' |')} |${objectSummary(object)}\n`;
  });
  return `${RULER}ID   |GROUP   |LINK    |SIF POSITION (start-end)  |TYPE\n${RULER}${rows.join('')}`;
}

/** @throws RuntimeError USAGE when the metadata of the object make no sense */
export function infoText(object: SifDescriptor): string {
  const { type, id, group, link, linkToGroup, offsetBytes, sizeBytes, name } = object;
  const rows: Row[] = [
    ['Data Type', dataTypeName(type)],
    ['ID', id],
    ['Group ID', group || NONE],
    ['Linked ID', link === 0 ? NONE : `${link}${linkToGroup ? ' (G)' : ''}`],
    ['Offset', offsetBytes],
    ['Size', sizeBytes],
    ...dates(object),
  ];
  if (name !== '') rows.push(['Name', inOneLine(name)]);
  return aligned([...rows, ...details(object)], '  ', 2);
}

/** Text of an image, which must not look like rows that are not there, nor tell the terminal what to do. */
function inOneLine(text: string): string {
  return visible(text).replace(/\n/g, '\\x0a').replace(/\t/g, '\\x09');
}

function details({ type, partition, metadata }: SifDescriptor): Row[] {
  if (partition) {
    const [fs, kind, arch] = partitionNames(partition);
    return [
      ['Filesystem Type', fs],
      ['Partition Type', kind],
      ['Architecture', arch],
    ];
  }
  switch (type) {
    case DataType.signature:
      return signatureDetails(metadata);
    case DataType.cryptoMessage: {
      const [format, message] = messageNames(metadata);
      return [
        ['Format Type', format],
        ['Message Type', message],
      ];
    }
    case DataType.sbom:
      return [['Format', sbomFormatName(metadata.readInt32LE(0))]];
    case DataType.ociRootIndex:
    case DataType.ociBlob:
      return [['Digest', checkedDigest(ociDigest(metadata))]];
    default:
      return [];
  }
}

function signatureDetails(metadata: Buffer): Row[] {
  const hash = hashName(metadata.readInt32LE(0));
  if (hash === undefined) throw new RuntimeError('USAGE', 'hash algorithm unsupported');
  const entity = metadata.subarray(...FINGERPRINT);
  const rows: Row[] = [['Hash Type', hash]];
  if (entity.some((byte) => byte !== 0)) rows.push(['Entity', entity.toString('hex').toUpperCase()]);
  return rows;
}

function checkedDigest(digest: string): string {
  const [, algorithm, hex = ''] = /^([^:]*):([^:]*)$/.exec(digest) ?? [];
  if (algorithm === undefined) throw new RuntimeError('USAGE', `cannot parse hash: ${JSON.stringify(digest)}`);
  const strange = /[^0-9a-f]/.exec(hex);
  if (strange) throw new RuntimeError('USAGE', `found non-hex character in hash: ${strange[0]}`);
  if (algorithm !== 'sha256') throw new RuntimeError('USAGE', `unsupported hash: ${JSON.stringify(algorithm)}`);
  if (hex.length !== 64) throw new RuntimeError('USAGE', `wrong number of hex digits for sha256: ${hex}`);
  return digest;
}

/** Images that are the same whenever they are built have no dates. */
function dates({ createdS, modifiedS }: { createdS: number; modifiedS: number }): Row[] {
  const rows: Row[] = [];
  if (createdS !== NO_TIME_S) rows.push(['Created At', date(createdS)]);
  if (modifiedS !== NO_TIME_S) rows.push(['Modified At', date(modifiedS)]);
  return rows;
}

/** `2026-11-22 19:43:57 +0000 UTC`; years have four digits at least. */
function date(seconds: number): string {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return `${seconds} seconds`;
  const year = time.getUTCFullYear();
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = [time.getUTCMonth() + 1, time.getUTCDate()].map(two).join('-');
  const clock = [time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()].map(two).join(':');
  return `${year < 0 ? '-' : ''}${String(Math.abs(year)).padStart(4, '0')}-${day} ${clock} +0000 UTC`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `27 KiB`: rounded in the largest unit of which there is one. */
function binarySize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${Math.round(value)} ${UNITS[unit]}`;
}

function uuid(id: Buffer): string {
  return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function aligned(rows: Row[], indent: string, gap: number): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 1 + gap;
  return rows.map(([label, value]) => `${indent}${`${label}:`.padEnd(width)}${value}\n`).join('');
}
