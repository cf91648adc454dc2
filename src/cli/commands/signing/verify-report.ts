/** What `verify` says about each signature: text as the reference prints it, or rows for --json. */
import type { SifDescriptor } from '../../../formats/sif/descriptor';
import { dataTypeName } from '../../../formats/sif/names';
import { fingerprint, identities, type Key } from '../../../runtime/signing/openpgp';
import type { SignatureReport } from '../../../runtime/signing/verify';

/** In whose keyring a key is. */
export type Origin = (key: Key) => 'global' | 'local' | 'remote';

const LABELS = {
  global: { text: '[GLOBAL]', color: '\x1b[36m' },
  local: { text: '[LOCAL]', color: '\x1b[32m' },
  remote: { text: '[REMOTE]', color: '\x1b[33m' },
};
/** Colour codes are counted, as in the reference. */
const LABEL_WIDTH = 18;
const RULE = '-'.repeat(48);

export async function formatReport(report: SignatureReport, origin: Origin, color: boolean): Promise<string> {
  const { key, verified, error } = report;
  const lines: string[] = [];
  if (key) {
    const { text, color: code } = LABELS[origin(key)];
    const label = (color ? `${code}${text}\x1b[0m` : text).padEnd(LABEL_WIDTH);
    const [name] = await identities(key);
    if (name) lines.push(`${label} Signing entity: ${name.text}`);
    lines.push(`${label} Fingerprint: ${fingerprint(key)}`);
  }
  if (verified.length > 0)
    lines.push('Objects verified:', row('ID', 'GROUP', 'LINK', 'TYPE'), RULE, ...verified.map(objectRow));
  if (error) lines.push('', `Error encountered during signature verification: ${error.message}`);
  return lines.map((line) => `${line}\n`).join('');
}

function row(id: string, group: string, link: string, type: string): string {
  return `${id.padEnd(4)}|${group.padEnd(8)}|${link.padEnd(8)}|${type}`;
}

function objectRow({ id, group, link, linkToGroup, type }: SifDescriptor): string {
  const linked = link === 0 ? 'NONE' : linkToGroup ? `${link} (G)` : String(link);
  return row(String(id), group === 0 ? 'NONE' : String(group), linked, dataTypeName(type));
}

/** One object under one signature; names and their order are the reference's. */
export interface SignerRow {
  Partition: string;
  Name: string;
  Fingerprint: string;
  KeyLocal: boolean;
  KeyCheck: boolean;
  DataCheck: boolean;
}

export async function signerRows({ key, verified, damaged }: SignatureReport, origin: Origin): Promise<SignerRow[]> {
  const of = key ? await signer(key, origin) : { Name: 'unknown', Fingerprint: '', KeyLocal: false, KeyCheck: false };
  const objects = [...verified.map(({ type }) => ({ type, intact: true }))];
  if (damaged) objects.push({ type: damaged.type, intact: false });
  return objects.map(({ type, intact }) => ({ Partition: dataTypeName(type), ...of, DataCheck: intact }));
}

async function signer(key: Key, origin: Origin): Promise<Omit<SignerRow, 'Partition' | 'DataCheck'>> {
  const [name] = await identities(key);
  return {
    Name: name?.text ?? 'unknown',
    Fingerprint: fingerprint(key).toLowerCase(),
    KeyLocal: origin(key) === 'local',
    KeyCheck: true,
  };
}

/** Go's encoding: two blanks, and HTML's characters escaped. */
export function signersJson(signatures: number, rows: readonly SignerRow[]): string {
  const keys = rows.length === 0 ? null : rows.map((signed) => ({ Signer: signed }));
  const text = JSON.stringify({ Signatures: signatures, SignerKeys: keys }, undefined, 2);
  const escaped = text.replace(/[<>&]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `${escaped}\n`;
}
