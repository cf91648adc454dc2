/** JSON from strangers: bounded, and asked for its shape before it is used. */
import { RuntimeError } from '../../errors';

export type JsonObject = Record<string, unknown>;

/** Manifests, indexes and configurations are refused beyond this; what other clients allow, too. */
export const MAX_JSON_BYTES = 4 << 20;

/** @throws RuntimeError IMAGE_FORMAT */
export function parseObject(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > MAX_JSON_BYTES) {
    throw new RuntimeError('IMAGE_FORMAT', `${what} has ${bytes.length} bytes; ${MAX_JSON_BYTES} are the limit`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RuntimeError('IMAGE_FORMAT', `${what} is not JSON: ${printable((cause as Error).message)}`, { cause });
  }
  if (isObject(value)) return value;
  throw new RuntimeError('IMAGE_FORMAT', `${what} is JSON, but no object`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The values of a map that are strings; everything else counts as no entry. */
export function stringMap(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

/** A list of strings, or `undefined` when the value is absent or null. @throws RuntimeError IMAGE_FORMAT */
export function stringList(value: unknown, what: string): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new RuntimeError('IMAGE_FORMAT', `${what} is not a list of strings`);
}

export function optionalString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Text of a stranger for a message on a terminal: one line without control characters, not too long. */
export function printable(text: string, length = 300): string {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length)}…` : line;
}
