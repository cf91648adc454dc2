/** Flags of build. */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

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
    row('bool', 'fix-perms', 'give the owner rwX everywhere', { env: 'FIXPERMS' }),
    row('bool', 'force', 'replace an image, and labels, that are there', { short: 'F', env: 'FORCE' }),
    row('bool', 'json-progress', 'print progress as JSON, one object a line', { own: true }),
    later('string', 'mksquashfs-args', 'words for mksquashfs', 'mksquashfs is not used', { env: 'MKSQUASHFS_ARGS' }),
    row('bool', 'no-cleanup', 'keep the temporary directory', { env: 'NO_CLEANUP' }),
    later('bool', 'passphrase', 'ask for a passphrase to encrypt with', CRYPT),
    later('string', 'pem-path', 'key to encrypt with', CRYPT),
    row('bool', 'reproducible', 'dates and ids that do not change from build to build', { env: 'REPRODUCIBLE' }),
    row('bool', 'sandbox', 'make a directory', { short: 's', env: 'SANDBOX' }),
    row('string', 'tmpdir', 'directory for temporary files', { env: 'TMPDIR', hidden: true }),
    row('bool', 'update', 'run the sections over a sandbox that is there', { short: 'u', env: 'UPDATE' }),
  ];
}

function definitionFlags(): Flag[] {
  return [
    row('array', 'bind', 'bind SRC[:DEST[:OPTS]] during the build', { short: 'B' }),
    row('list', 'build-arg', 'VAR=VALUE for the definition file'),
    row('string', 'build-arg-file', 'file with lines VAR=VALUE'),
    accepted('bool', 'fakeroot', 'be root inside a user namespace', 'definition files always are built so', {
      short: 'f',
      env: 'FAKEROOT',
    }),
    row('bool', 'ignore-fakeroot-command', 'do without the fakeroot command', {
      env: 'IGNORE_FAKEROOT_COMMAND',
      hidden: true,
    }),
    accepted('bool', 'ignore-proot', 'do not use proot', 'it is never used', { env: 'IGNORE_PROOT', hidden: true }),
    row('bool', 'ignore-subuid', 'map one id', { env: 'IGNORE_SUBUID', hidden: true }),
    later('bool', 'ignore-userns', 'do not use a user namespace', 'it would need the fakeroot command alone', {
      env: 'IGNORE_USERNS',
      hidden: true,
    }),
    later('bool', 'json', 'the definition is JSON', 'not there yet', { env: 'JSON' }),
    row('array', 'mount', 'mount during the build', { env: 'MOUNT' }),
    row('bool', 'notest', 'do not run %test', { short: 'T', env: 'NOTEST' }),
    later('bool', 'nv', 'bind the NVIDIA driver during the build', 'GPUs are not there yet'),
    later('bool', 'nvccli', 'use nvidia-container-cli during the build', 'GPUs are not there yet', { env: 'NVCCLI' }),
    later('bool', 'rocm', 'bind ROCm during the build', 'GPUs are not there yet'),
    row('list', 'section', 'sections to run: all, none, or some of their names', { env: 'SECTION' }),
    accepted('bool', 'userns', 'build in a user namespace', 'no privileges are used', { env: 'USERNS' }),
    row('bool', 'warn-unused-build-args', 'warn about build arguments nobody uses'),
    row('bool', 'writable-tmpfs', 'writes of %test go to memory', { env: 'WRITABLE_TMPFS' }),
  ];
}

function registryFlags(): Flag[] {
  return [
    row('string', 'arch', 'architecture to fetch and build for', { env: 'BUILD_ARCH' }),
    row('string', 'arch-variant', 'variant of the architecture', { env: 'BUILD_ARCH_VARIANT' }),
    row('string', 'authfile', 'file of credentials for registries', { env: 'AUTH_FILE' }),
    later('string', 'buildkit-host', 'BuildKit daemon to use', 'there is no bootstrap agent buildkit', {
      env: 'BUILDKIT_HOST',
    }),
    row('bool', 'disable-cache', 'no image cache', { env: 'DISABLE_CACHE' }),
    row('string', 'docker-host', 'Docker daemon to ask', { env: 'DOCKER_HOST' }),
    row('bool', 'docker-login', 'ask for registry credentials', { env: 'DOCKER_LOGIN' }),
    row('string', 'docker-password', 'password for registries', { env: 'DOCKER_PASSWORD', hidden: true }),
    row('string', 'docker-username', 'user name for registries', { env: 'DOCKER_USERNAME', hidden: true }),
    row('string', 'library', 'library to ask', { env: 'LIBRARY' }),
    row('bool', 'no-https', 'plain http for registries', { env: ['NOHTTPS', 'NO_HTTPS'] }),
    later('bool', 'remote', 'build on a remote machine', 'refused by Apptainer as well', { hidden: true }),
  ];
}
