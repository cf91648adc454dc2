/** `davit key push`: a public key of the keyring to a key server. */
import { RuntimeError } from '../../../errors';
import { fingerprint } from '../../../runtime/signing/openpgp';
import type { CommandContext } from '../../command-line/command';
import { KEY_FAILED, openKeyServer, orFail, publicKeyring, pushKey } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { args, terminal } = context;
  const wanted = args[0] as string;
  const server = openKeyServer(context);
  try {
    return await orFail(context, 'push failed', KEY_FAILED, async () => {
      const keys = await publicKeyring(context).load();
      if (!/^([0-9a-fA-F]{16}|[0-9a-fA-F]{40})$/.test(wanted)) {
        throw new RuntimeError('KEY', 'please provide a keyid(16 chars) or a full fingerprint(40 chars)');
      }
      const key = keys.find((one) => fingerprint(one).endsWith(wanted.toUpperCase()));
      if (!key) throw new RuntimeError('KEY', 'could not find the requested key');
      await pushKey(key, await server.server(), context);
      terminal.out(`public key \`${wanted}' pushed to server successfully\n`);
    });
  } finally {
    server.close();
  }
}
