/**
 * Keyrings: files of OpenPGP keys, one behind the other, as Apptainer keeps them, and the same files. What is added is
 * appended; what is removed is left out of a new file that takes the old one's place.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import { errnoText } from '../image/errno-text';
import { replaceFile } from '../image/replace-file';
import { makeDirectories } from '../make-directories';
import { userConfigDirectory } from '../user-config';
import { fingerprint, type Key, openpgp, readKeys } from './openpgp';

type Environment = Readonly<Record<string, string | undefined>>;

const DIRECTORY_MODE = 0o700;
const PRIVATE_MODE = 0o600;
const SITE_MODE = 0o644;
const SITE_DIRECTORIES = ['/etc/davit', '/etc/apptainer'];
const MAX_BYTES = 64 << 20;

/** `$DAVIT_KEYSDIR` and its twins, the older `SYPGPDIR`, else `keys` among the user's settings. */
export function keysDirectory(env: Environment): string {
  const names = ['KEYSDIR', 'SYPGPDIR'].flatMap((name) =>
    ['DAVIT', 'APPTAINER', 'SINGULARITY'].map((p) => `${p}_${name}`),
  );
  const named = names.map((name) => env[name]).find((value) => value !== undefined && value.trim() !== '');
  return named ?? join(userConfigDirectory(env), 'keys');
}

/** The site's file of public keys: davit's own, else Apptainer's. */
export function siteKeyring(directories: readonly string[] = SITE_DIRECTORIES): Keyring {
  const paths = directories.map((directory) => join(directory, 'global-pgp-public'));
  const found = paths.find((path) => statSync(path, { throwIfNoEntry: false }) !== undefined);
  return new Keyring(found ?? (paths[0] as string), SITE_MODE);
}

export interface UserKeyrings {
  public: Keyring;
  secret: Keyring;
}

export function userKeyrings(directory: string): UserKeyrings {
  const twin = (name: string): Keyring => new Keyring(join(directory, name), PRIVATE_MODE);
  return { public: twin('pgp-public'), secret: twin('pgp-secret') };
}

/**
 * Makes a user's keyring directory and files, or makes them private again.
 * @throws RuntimeError KEY
 */
export function prepareKeyrings(directory: string, onWarning: (text: string) => void): void {
  guarded(directory, 'use', () => {
    makeDirectories(directory, DIRECTORY_MODE);
    const mode = statSync(directory).mode & 0o7777;
    if (mode !== DIRECTORY_MODE) {
      const was = mode.toString(8);
      onWarning(`Directory mode (${was}) on ${directory} needs to be ${DIRECTORY_MODE.toString(8)}, fixing that...`);
      chmodSync(directory, DIRECTORY_MODE);
    }
    for (const { path } of Object.values(userKeyrings(directory)) as Keyring[])
      append(path, Buffer.alloc(0), PRIVATE_MODE);
  });
}

export class Keyring {
  constructor(
    readonly path: string,
    private readonly mode: number,
  ) {}

  /** The keys in the order of the file; none where there is no file. @throws RuntimeError KEY */
  async load(): Promise<Key[]> {
    return await readKeys(this.read(), this.path);
  }

  async has(key: Key): Promise<boolean> {
    return (await this.load()).some((other) => fingerprint(other) === fingerprint(key));
  }

  /** Appends a key. @throws RuntimeError KEY */
  add(key: Key): void {
    guarded(this.path, 'write', () => append(this.path, key.write() as Uint8Array, this.mode));
  }

  /** Takes a key out. @returns false when it is not there @throws RuntimeError KEY */
  async remove(wanted: string): Promise<boolean> {
    const name = wanted.replace(/^0x/i, '').toUpperCase();
    const keys = await this.load();
    const at = keys.findIndex((key) => fingerprint(key) === name);
    if (at < 0) return false;
    await openpgp();
    const bytes = Buffer.concat(keys.filter((_, index) => index !== at).map((key) => key.write() as Uint8Array));
    guarded(this.path, 'write', () => replaceFile(this.path, bytes, this.mode));
    return true;
  }

  private read(): Buffer {
    return guarded(this.path, 'open', () => {
      const stat = statSync(this.path, { throwIfNoEntry: false });
      if (!stat) return Buffer.alloc(0);
      if (stat.size > MAX_BYTES) throw new RuntimeError('KEY', `the keyring ${this.path} is too large`);
      return readFileSync(this.path);
    });
  }
}

/** In one call, so that two who append do not get between each other. */
function append(path: string, bytes: Uint8Array, mode: number): void {
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  const fd = openSync(path, O_APPEND | O_CREAT | O_WRONLY, mode);
  try {
    fchmodSync(fd, mode);
    const written = bytes.length > 0 ? writeSync(fd, bytes) : 0;
    if (written < bytes.length) {
      ftruncateSync(fd, fstatSync(fd).size - written); // half a key would spoil those behind it
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function guarded<T>(path: string, verb: string, deed: () => T): T {
  try {
    return deed();
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    throw new RuntimeError('KEY', `${verb} ${path}: ${errnoText(cause)}`, { path, errno: errnoOf(cause), cause });
  }
}
