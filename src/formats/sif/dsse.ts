/** DSSE envelopes (github.com/secure-systems-lab/dsse, protocol.md): how signatures by PEM keys lie in a SIF. */
import { isObject } from '../oci/json';

export const DSSE_PAYLOAD_TYPE = 'application/vnd.sylabs.sif-metadata+json';

export interface DsseEnvelope {
  payloadType: string;
  payload: Buffer;
  signatures: { keyId: string; signature: Buffer }[];
}

/** `undefined` for what is no envelope. */
export function decodeEnvelope(data: Buffer): DsseEnvelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(data.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value.payloadType !== 'string' || typeof value.payload !== 'string') return undefined;
  const rows = Array.isArray(value.signatures) ? value.signatures : [];
  const signatures = rows.flatMap((row: unknown) =>
    isObject(row) && typeof row.sig === 'string'
      ? [{ keyId: String(row.keyid ?? ''), signature: Buffer.from(row.sig, 'base64') }]
      : [],
  );
  return { payloadType: value.payloadType, payload: Buffer.from(value.payload, 'base64'), signatures };
}

export function encodeEnvelope({ payloadType, payload, signatures }: DsseEnvelope): Buffer {
  const rows = signatures.map(({ keyId, signature }) => ({ keyid: keyId, sig: signature.toString('base64') }));
  return Buffer.from(JSON.stringify({ payloadType, payload: payload.toString('base64'), signatures: rows }));
}

/** The bytes that are signed ("pre-authentication encoding"): lengths count bytes. */
export function signedEnvelopeBytes(payloadType: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}
