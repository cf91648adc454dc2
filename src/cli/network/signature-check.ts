/** Signatures of images that come from libraries or go there. */
import { RuntimeError } from '../../errors';
import { loadConfig } from '../../runtime/config/config';
import type { CommandContext } from '../command-line/command';
import { version } from '../command-line/version';

/** What is wrong with the signatures of an image, none included; `undefined` when all of them are right. */
export async function signatureTrouble(
  path: string,
  { env, terminal }: Pick<CommandContext, 'env' | 'terminal'>,
): Promise<string | undefined> {
  const { config } = loadConfig({ env });
  const onWarning = (text: string): void => terminal.warning(text);
  try {
    const { checkSignatures } = await import('../../runtime/signing/check.apart');
    await checkSignatures(path, { env, version: version(), onWarning, caFile: config.registryCaFile });
    return undefined;
  } catch (error) {
    if (error instanceof RuntimeError) return error.message;
    throw error;
  }
}
