import { errnoOf, type ErrorCode, RuntimeError } from '../../errors';

/** What a task sends back. Errors cross between threads as plain data: structured clones lose their properties. */
export type Reply<T> =
  | { value: T }
  | { error: { code: ErrorCode; message: string; errno?: string; path?: string; hint?: string } };

/**
 * Runs a task and puts its outcome into a reply.
 * @param code for failures of system calls; damaged images are IMAGE_FORMAT
 */
export function replyWith<T>(code: ErrorCode, task: () => T): Reply<T> {
  try {
    return { value: task() };
  } catch (error) {
    if (error instanceof RuntimeError) {
      const { message, errno, path, hint } = error;
      return { error: { code: error.code, message, errno, path, hint } };
    }
    const { errno = errnoOf(error), object } = error as { errno?: unknown; object?: string };
    const name = typeof errno === 'string' ? errno : errnoOf(error);
    const message = object === undefined ? inOurWords(error) : (error as Error).message;
    const damaged = object !== undefined && name === undefined;
    return {
      error: { code: damaged ? 'IMAGE_FORMAT' : code, message, errno: name, path: object, hint: hintFor(name) },
    };
  }
}

/** Node's `EROFS: read-only file system, open '/x'` as `open "/x": EROFS (read-only file system)`. */
function inOurWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  const [, text] = /^\w+: ([^,]+)/.exec(error.message) ?? [];
  return code && syscall && path && text ? `${syscall} "${path}": ${code} (${text})` : error.message;
}

function hintFor(errno: string | undefined): string | undefined {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'there is no more room: free some, or choose another place';
    case 'EACCES':
    case 'EPERM':
      return 'that takes the rights of its owner or of root';
    case 'EMFILE':
      return 'too many open files: raise "ulimit -n"';
    default:
      return undefined;
  }
}
