import { RuntimeError } from '../../../errors';

const CONTEXT = 'While performing build: ';

/** Says of an error that it came while the image was made. */
export async function performing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.message.startsWith(CONTEXT)) throw error;
    const { code, message, errno, path, hint, step } = error;
    throw new RuntimeError(code, CONTEXT + message, { errno, path, hint, step, cause: error });
  }
}
