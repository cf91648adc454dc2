/** System errors that nobody has worded, as errors of ours. */
import { errnoOf, RuntimeError } from '../../errors';
import { errnoText } from './errno-text';

/**
 * The error itself when it is no system error of a file, such as `ENOSPC`.
 * @param what was being done, such as `write the image into "/a"`
 */
export function wordedError(error: unknown, what: string, hint?: string): unknown {
  const errno = errnoOf(error);
  if (error instanceof RuntimeError || errno === undefined || !/^E[A-Z]+$/.test(errno)) return error;
  return new RuntimeError('IMAGE_BUILD', `${what}: ${errnoText(error)}`, { errno, hint, cause: error });
}
