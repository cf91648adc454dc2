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
    const message = error instanceof Error ? error.message : String(error);
    const damaged = object !== undefined && name === undefined;
    return {
      error: { code: damaged ? 'IMAGE_FORMAT' : code, message, errno: name, path: object, hint: hintFor(name) },
    };
  }
}

function hintFor(errno: string | undefined): string | undefined {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'there is no more room: free some, or choose another place';
    case 'EACCES':
    case 'EPERM':
      return 'you may not do that with this file: run as its owner or as root';
    case 'EMFILE':
      return 'too many open files: raise "ulimit -n"';
    default:
      return undefined;
  }
}
