/** Flags of build. */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const DEFINITION = 'definition files are not there yet';
const REGISTRY = 'registries are not there yet';
const CRYPT = 'encrypted images are not there yet';

const row = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: ['build'], ...details });
const later = (type: FlagType, name: string, help: string, note: string, details: FlagDetails = {}): Flag =>
  row(type, name, help, { state: 'later', note, ...details });
const accepted = (type: FlagType, name: string, help: string, note: string, details: FlagDetails = {}): Flag =>
  row(type, name, help, { state: 'accepted', note, ...details });

export function buildFlags(): Flag[] {
  return [...outputFlags(), ...definitionFlags(), ...registryFlags()];
}

function outputFlags(): Flag[] {
  return [
    row('string', 'compression', 'zstd[:1-22] (default zstd:3), gzip[:1-9], xz or lz4', { own: true }),
    later('bool', 'data', 'a SIF with a data partition', 'not there yet', { env: 'DATA' }),
    later('bool', 'encrypt', 'encrypt the image', CRYPT, { short: 'e' }),
    later('bool', 'fix-perms', 'give the owner rwX everywhere', 'not there yet', { env: 'FIXPERMS' }),
    row('bool', 'force', 'replace an image that is there', { short: 'F', env: 'FORCE' }),
    later('string', 'mksquashfs-args', 'words for mksquashfs', 'mksquashfs is not used', { env: 'MKSQUASHFS_ARGS' }),
    accepted('bool', 'no-cleanup', 'keep the temporary directories', 'there are none', { env: 'NO_CLEANUP' }),
    later('bool', 'passphrase', 'ask for a passphrase to encrypt with', CRYPT),
    later('string', 'pem-path', 'key to encrypt with', CRYPT),
    later('bool', 'reproducible', 'dates and ids that do not change from build to build', 'not there yet', {
      env: 'REPRODUCIBLE',
    }),
    row('bool', 'sandbox', 'make a directory', { short: 's', env: 'SANDBOX' }),
    accepted('string', 'tmpdir', 'directory for temporary files', 'the image is written where it will lie', {
      env: 'TMPDIR',
      hidden: true,
    }),
    later('bool', 'update', 'run sections over a sandbox that is there', DEFINITION, { short: 'u', env: 'UPDATE' }),
  ];
}

function definitionFlags(): Flag[] {
  return [
    later('array', 'bind', 'bind SRC[:DEST[:OPTS]] during the build', DEFINITION, { short: 'B' }),
    later('list', 'build-arg', 'VAR=VALUE for the definition file', DEFINITION),
    later('string', 'build-arg-file', 'file with lines VAR=VALUE', DEFINITION),
    accepted('bool', 'fakeroot', 'be root inside a user namespace', 'without effect for directories', {
      short: 'f',
      env: 'FAKEROOT',
    }),
    accepted('bool', 'ignore-fakeroot-command', 'do not look for the fakeroot command', 'it is never used', {
      env: 'IGNORE_FAKEROOT_COMMAND',
      hidden: true,
    }),
    accepted('bool', 'ignore-proot', 'do not use proot', 'it is never used', { env: 'IGNORE_PROOT', hidden: true }),
    later('bool', 'ignore-subuid', 'map one id', DEFINITION, { env: 'IGNORE_SUBUID', hidden: true }),
    later('bool', 'ignore-userns', 'do not use a user namespace', DEFINITION, { env: 'IGNORE_USERNS', hidden: true }),
    later('bool', 'json', 'print the definition as JSON', DEFINITION, { env: 'JSON' }),
    later('array', 'mount', 'mount during the build', DEFINITION, { env: 'MOUNT' }),
    accepted('bool', 'notest', 'do not run %test', 'there is none to run', { short: 'T', env: 'NOTEST' }),
    later('bool', 'nv', 'bind the NVIDIA driver during the build', DEFINITION),
    later('bool', 'nvccli', 'use nvidia-container-cli during the build', DEFINITION, { env: 'NVCCLI' }),
    later('bool', 'rocm', 'bind ROCm during the build', DEFINITION),
    later('list', 'section', 'sections to run', DEFINITION, { env: 'SECTION' }),
    accepted('bool', 'userns', 'build in a user namespace', 'no privileges are used', { env: 'USERNS' }),
    accepted('bool', 'warn-unused-build-args', 'warn about build arguments nobody uses', 'there are none'),
    later('bool', 'writable-tmpfs', 'writes of %test go to memory', DEFINITION, { env: 'WRITABLE_TMPFS' }),
  ];
}

function registryFlags(): Flag[] {
  return [
    later('string', 'arch', 'architecture to build for', REGISTRY, { env: 'BUILD_ARCH' }),
    later('string', 'arch-variant', 'variant of the architecture', REGISTRY, { env: 'BUILD_ARCH_VARIANT' }),
    accepted('string', 'authfile', 'credentials for registries', REGISTRY, { env: 'AUTH_FILE' }),
    later('string', 'buildkit-host', 'BuildKit daemon to use', REGISTRY, { env: 'BUILDKIT_HOST' }),
    accepted('bool', 'disable-cache', 'no image cache', REGISTRY, { env: 'DISABLE_CACHE' }),
    accepted('string', 'docker-host', 'Docker daemon to ask', REGISTRY, { env: 'DOCKER_HOST' }),
    accepted('bool', 'docker-login', 'ask for registry credentials', REGISTRY, { env: 'DOCKER_LOGIN' }),
    accepted('string', 'docker-password', 'password for registries', REGISTRY, {
      env: 'DOCKER_PASSWORD',
      hidden: true,
    }),
    accepted('string', 'docker-username', 'user name for registries', REGISTRY, {
      env: 'DOCKER_USERNAME',
      hidden: true,
    }),
    accepted('string', 'library', 'library to ask', REGISTRY, { env: 'LIBRARY' }),
    accepted('bool', 'no-https', 'plain http for registries', REGISTRY, { env: ['NOHTTPS', 'NO_HTTPS'] }),
    later('bool', 'remote', 'build on a remote machine', 'refused by Apptainer as well', { hidden: true }),
  ];
}
