/** `davit verify`: the signatures of a SIF file. */
import type { KeyObject } from 'node:crypto';
import { prefixed } from '../../../runtime/image/prefixed';
import { openKeySource } from '../../../runtime/signing/key-source';
import { loadPublicKey } from '../../../runtime/signing/pem-key';
import { type VerifyRequest, verifyImage } from '../../../runtime/signing/verify';
import type { CommandContext } from '../../command-line/command';
import { isTerminal } from '../../terminal/render';
import { openKeyServer } from './signing';
import { formatReport, type Origin, type SignerRow, signerRows, signersJson } from './verify-report';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const path = args[0] as string;
  const server = openKeyServer(context);
  const json = options.flag('json');
  const rows: SignerRow[] = [];
  let signatures = 0;
  try {
    const { origin, ...keys } = await keyMaterial(context, server.server);
    await verifyImage(path, {
      ...chosen(context),
      ...keys,
      onReport: async (report) => {
        signatures += 1;
        if (json) rows.push(...(await signerRows(report, origin)));
        else terminal.out(await formatReport(report, origin, terminal.color && isTerminal(1)));
        return false;
      },
    })
      .catch((error: unknown) => {
        throw prefixed(error, 'Failed to verify container');
      })
      .finally(() => {
        if (json) terminal.out(signersJson(signatures, rows));
      });
  } finally {
    server.close();
  }
  if (!json) terminal.info(`Verified signature(s) from image '${path}'`);
  return 0;
}

function chosen({ options }: CommandContext): Pick<VerifyRequest, 'groups' | 'objects' | 'legacy' | 'all'> {
  const one = (key: string): number[] => (options.has(key) ? [options.number(key) ?? 0] : []);
  return {
    groups: one('groupId'),
    objects: one('sifId'),
    legacy: options.flag('legacyInsecure'),
    all: options.flag('all'),
  };
}

type KeyMaterial = Pick<VerifyRequest, 'publicKeys' | 'findKeys'> & { origin: Origin };

/** A certificate beats a key, and a key the keyrings. */
async function keyMaterial(
  context: CommandContext,
  server: ReturnType<typeof openKeyServer>['server'],
): Promise<KeyMaterial> {
  const { options, env, terminal } = context;
  const origin: Origin = () => 'remote';
  if (options.has('certificate')) return { publicKeys: [await certified(context)], origin };
  if (options.has('key')) return { publicKeys: [plainKey(context)], origin };
  terminal.info('Verifying image with PGP key material');
  const onWarning = (text: string): void => terminal.warning(text);
  try {
    return await openKeySource({ env, onWarning, ...(options.flag('local') ? undefined : { server }) });
  } catch (error) {
    throw prefixed(error, 'Failed to verify container');
  }
}

function plainKey({ options, terminal }: CommandContext): KeyObject {
  const path = options.text('key') ?? '';
  terminal.info(`Verifying image with key material from '${path}'`);
  try {
    return loadPublicKey(path);
  } catch (error) {
    throw prefixed(error, 'Failed to load key material');
  }
}

async function certified({ options, env, terminal }: CommandContext): Promise<KeyObject> {
  const path = options.text('certificate') ?? '';
  terminal.info(`Verifying image with key material from certificate '${path}'`);
  const { certifiedKey, loadCertificate, loadCertificates, systemRoots } = await import(
    '../../../runtime/signing/certificates'
  );
  const loaded = <T>(what: string, load: () => T): T => {
    try {
      return load();
    } catch (error) {
      throw prefixed(error, `Failed to load ${what}`);
    }
  };
  const certificate = loaded('certificate', () => loadCertificate(path));
  const pool = (key: string, what: string): ReturnType<typeof loadCertificates> | undefined =>
    options.has(key) ? loaded(what, () => loadCertificates(options.text(key) ?? '')) : undefined;
  const intermediates = pool('certificateIntermediates', 'intermediate certificates') ?? [];
  const roots = pool('certificateRoots', 'root certificates') ?? systemRoots(env);
  try {
    return certifiedKey(certificate, { intermediates, roots });
  } catch (error) {
    throw prefixed(error, 'Failed to verify container');
  }
}
