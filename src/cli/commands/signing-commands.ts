/** Rows of commands.ts: signatures and keys. */
import type { CommandSpec } from '../command-line/command';

export const SIGNING_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'sign',
    usage: '[sign options...] <image path>',
    summary: 'Sign an image',
    description:
      'Adds a signature for each group of objects to a SIF file: with a key of the keyring (davit help key), or with a ' +
      'PEM key. Apptainer verifies it, and davit what Apptainer signed.',
    examples: ['davit sign service.sif', 'davit sign --key private.pem service.sif'],
    args: [1, 1],
    load: async () => (await import('./signing.apart')).sign,
  },
  {
    name: 'verify',
    usage: '[verify options...] <image path>',
    summary: 'Verify the signatures of an image',
    description:
      'Fails unless each group of objects is signed by a known key and is as it was signed. Keys are looked for in the ' +
      'keyrings, then on the key server; --key and --certificate name a PEM key instead.',
    examples: [
      'davit verify service.sif',
      'davit verify --key public.pem service.sif',
      'davit verify --certificate signer.pem --certificate-roots ca.pem service.sif',
    ],
    args: [1, 1],
    load: async () => (await import('./signing.apart')).verify,
  },
  {
    name: 'key',
    usage: '<command>',
    summary: 'Manage OpenPGP keys',
    description: 'The keyrings are those of Apptainer: $DAVIT_KEYSDIR, else ~/.apptainer/keys. See docs/signing.md.',
    args: [0, -1],
  },
  {
    name: 'key export',
    usage: '[export options...] <output-file>',
    summary: 'Write a key to a file',
    examples: ['davit key export --armor public.asc', 'davit key export --secret private.key'],
    args: [1, 1],
    load: async () => (await import('./signing.apart')).keyExport,
  },
  {
    name: 'key import',
    usage: '[import options...] <input-key>',
    summary: 'Add the keys of a file to the keyring',
    examples: ['davit key import public.asc'],
    args: [1, 1],
    load: async () => (await import('./signing.apart')).keyImport,
  },
  {
    name: 'key list',
    usage: '[list options...]',
    summary: 'List the keys of the keyring',
    examples: ['davit key list', 'davit key list --secret'],
    args: [0, 0],
    load: async () => (await import('./signing.apart')).keyList,
  },
  {
    name: 'key newpair',
    usage: '[newpair options...]',
    summary: 'Make a pair of keys',
    description: 'Makes an RSA key and puts it into the keyrings. What no option says is asked.',
    examples: ['davit key newpair', "davit key newpair --name 'Ann Example' --email ann@example.org --comment ''"],
    args: [0, 0],
    load: async () => (await import('./signing.apart')).keyNewpair,
  },
  {
    name: 'key pull',
    usage: '[pull options...] <fingerprint>',
    summary: 'Fetch a public key from a key server',
    description: 'What is in the keyring is trusted by verify: compare the fingerprint with its owner first.',
    args: [1, 1],
    load: async () => (await import('./signing.apart')).keyPull,
  },
  {
    name: 'key push',
    usage: '[push options...] <fingerprint>',
    summary: 'Upload a public key to a key server',
    args: [1, 1],
    load: async () => (await import('./signing.apart')).keyPush,
  },
  {
    name: 'key remove',
    usage: '[remove options...] <fingerprint>',
    summary: 'Remove a key from the keyring',
    args: [1, 1],
    load: async () => (await import('./signing.apart')).keyRemove,
  },
  {
    name: 'key search',
    usage: '[search options...] <search_string>',
    summary: 'Search for keys on a key server',
    examples: ['davit key search example.org'],
    args: [1, 1],
    load: async () => (await import('./signing.apart')).keySearch,
  },
];
