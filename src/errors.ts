/** Every error davit raises on purpose. Codes are stable: programs and tests match codes, never texts. */
export type ErrorCode =
  | 'USAGE' // wrong command line: usage text, exit 1
  | 'NOT_FOUND' // no such instance where Apptainer answers with usage and exit 1
  | 'IMAGE_OPEN'
  | 'IMAGE_FORMAT'
  | 'IMAGE_ARCH'
  | 'IMAGE_UNSUPPORTED'
  | 'IMAGE_BUILD'
  | 'DEFINITION' // a definition file is wrong; `path` is FILE:LINE
  | 'INSTANCE_NAME'
  | 'INSTANCE_EXISTS'
  | 'INSTANCE_MISSING'
  | 'STATE'
  | 'OPTION' // an option's value is wrong: exit 255
  | 'CONFIG'
  | 'BIND'
  | 'NETWORK' // a server could not be reached, or the connection broke
  | 'REGISTRY' // a registry, library or web server refused, or answered nonsense
  | 'INTEGRITY' // what was received is not what was announced, or not what was signed
  | 'KEY' // a key or a keyring cannot be found, read or used
  | 'CACHE' // the image cache cannot be used as asked
  | 'NAMESPACE'
  | 'LAUNCH_STEP'
  | 'NATIVE'
  | 'INTERNAL';

export interface ErrorDetails {
  /** Name of the errno, e.g. `EPERM`. */
  errno?: string;
  /** The object: a path, an instance name, an option. */
  path?: string;
  /** The plan step that failed, 1-based. */
  step?: number;
  /** A way out, one sentence, lower case, no full stop. */
  hint?: string;
  cause?: unknown;
  /** Exit code of the command line; 255 unless given (1 for USAGE and NOT_FOUND). */
  exitCode?: number;
}

/** Bundles that lie apart have a copy of the class each; all copies are one class. */
const BRAND = Symbol.for('davit.RuntimeError');

/** The one error class. `message` is what the user reads after `FATAL:`, lower case, without a full stop. */
export class RuntimeError extends Error {
  readonly code: ErrorCode;
  readonly errno?: string;
  readonly path?: string;
  readonly step?: number;
  readonly hint?: string;
  readonly exitCode: number;
  readonly [BRAND] = true;

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass is asked for its own instances
    if (this !== RuntimeError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RuntimeError';
    this.code = code;
    this.errno = details.errno;
    this.path = details.path;
    this.step = details.step;
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? (code === 'USAGE' || code === 'NOT_FOUND' ? 1 : 255);
  }
}

/** The errno name of a Node system error (`ENOENT`), or `undefined`. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
