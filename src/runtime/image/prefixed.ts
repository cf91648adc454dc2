import { RuntimeError } from '../../errors';

/** The same error with what was being done in front of its message; errors that are none of ours stay as they are. */
export function prefixed(error: unknown, prefix: string): unknown {
  if (!(error instanceof RuntimeError)) return error;
  const { code, errno, path, hint, exitCode } = error;
  return new RuntimeError(code, `${prefix}: ${error.message}`, { errno, path, hint, exitCode, cause: error });
}
