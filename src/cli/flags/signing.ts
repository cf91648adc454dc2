/** Flags of the commands about signatures and keys (cli.md section 9). */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const row = (commands: string, type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: commands.split(', '), ...details });

export function signingFlags(): Flag[] {
  return [...objectFlags(), ...signFlags(), ...verifyFlags(), ...keyringFlags(), ...serverFlags(), ...keyFlags()];
}

function objectFlags(): Flag[] {
  return [
    row('sign, verify', 'int', 'group-id', 'objects of one group', { short: 'g' }),
    row('sign, verify', 'int', 'groupid', 'the same', {
      key: 'groupId',
      hidden: true,
      deprecated: "use '--group-id'",
    }),
    row('sign, verify', 'int', 'sif-id', 'one object', { short: 'i' }),
    row('sign, verify', 'int', 'id', 'the same', { key: 'sifId', hidden: true, deprecated: "use '--sif-id'" }),
  ];
}

function signFlags(): Flag[] {
  return [
    row('sign', 'bool', 'all', 'all objects', { short: 'a', hidden: true, deprecated: 'now the default behavior' }),
    row('sign', 'string', 'key', 'file with a private key (PEM)', { env: 'SIGN_KEY' }),
    row('sign', 'int', 'keyidx', "number of the key in 'key list --secret'", { short: 'k' }),
  ];
}

function verifyFlags(): Flag[] {
  return [
    row('verify', 'bool', 'all', 'with --legacy-insecure: every object must be signed', { short: 'a' }),
    row('verify', 'string', 'certificate', 'file with the certificate of the key (PEM)', { env: 'VERIFY_CERTIFICATE' }),
    row('verify', 'string', 'certificate-intermediates', 'file with intermediate certificates', {
      env: 'VERIFY_INTERMEDIATES',
    }),
    row('verify', 'string', 'certificate-roots', 'file with the certificates to trust (default: the system’s)', {
      env: 'VERIFY_ROOTS',
    }),
    row('verify', 'bool', 'json', 'print JSON', { short: 'j' }),
    row('verify', 'string', 'key', 'file with a public key (PEM)', { env: 'VERIFY_KEY' }),
    row('verify', 'bool', 'legacy-insecure', 'signatures of before 2020, which cover the data alone'),
    row('verify', 'bool', 'local', 'look for keys in the keyrings alone', { short: 'l', env: 'LOCAL_VERIFY' }),
    row('verify', 'bool', 'ocsp-verify', 'ask whether certificates were revoked', {
      env: 'VERIFY_OCSP',
      state: 'later',
      note: 'no OCSP responder is asked; check the certificate with: openssl ocsp',
    }),
    row('verify', 'string', 'url', 'key server to ask', { short: 'u', env: 'URL' }),
  ];
}

function keyringFlags(): Flag[] {
  const all = 'key export, key import, key list, key pull, key push, key remove';
  return [
    row(all, 'bool', 'global', 'the keyring of the site, with public keys', { short: 'g' }),
    row(
      `${all}, key newpair`,
      'string',
      'keysdir',
      'directory of the keyrings (default: $DAVIT_KEYSDIR, ~/.apptainer/keys)',
      {
        short: 'd',
      },
    ),
  ];
}

function serverFlags(): Flag[] {
  return [
    row('key search, key pull, key push', 'string', 'url', 'key server to ask', { short: 'u', env: 'URL' }),
    row('key search', 'bool', 'long-list', 'more about each key', { short: 'l' }),
  ];
}

function keyFlags(): Flag[] {
  return [
    row('key newpair', 'int', 'bit-length', 'length of the key', { short: 'b', default: '4096' }),
    row('key newpair', 'string', 'comment', 'comment', { short: 'C' }),
    row('key newpair', 'string', 'email', 'e-mail address of the owner', { short: 'E' }),
    row('key newpair', 'string', 'name', 'name of the owner', { short: 'N' }),
    row('key newpair', 'string', 'password', 'passphrase; seen by whoever lists processes', { short: 'P' }),
    row('key newpair', 'bool', 'push', 'push the public key to the key server', { short: 'U' }),
    row('key list', 'bool', 'secret', 'private keys', { short: 's', env: 'SECRET' }),
    row('key import', 'bool', 'new-password', 'give the private key a new passphrase'),
    row('key export', 'bool', 'armor', 'as text', { short: 'a' }),
    row('key export', 'bool', 'secret', 'a private key', { short: 's' }),
    row('key remove', 'bool', 'both', 'the public and the private key', { short: 'b' }),
    row('key remove', 'bool', 'public', 'the public key (default)', { short: 'p' }),
    row('key remove', 'bool', 'secret', 'the private key', { short: 's' }),
  ];
}
