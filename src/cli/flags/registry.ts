/** Flags of the commands that talk to registries, libraries and the image cache (cli.md sections 4, 7 and 10). */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const row = (commands: string, type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: commands.split(', '), ...details });
const accepted = (commands: string, name: string, help: string, note: string, details: FlagDetails = {}): Flag =>
  row(commands, 'bool', name, help, { state: 'accepted', note, ...details });

export function registryFlags(): Flag[] {
  return [...commonFlags(), ...pullFlags(), ...pushFlags(), ...searchFlags(), ...cacheFlags(), ...loginFlags()];
}

function commonFlags(): Flag[] {
  return [
    row('pull, push', 'string', 'authfile', 'file with credentials for registries, in Docker’s format', {
      env: 'AUTH_FILE',
    }),
    row('pull, push', 'string', 'docker-host', 'Docker daemon to ask, as unix:///PATH or tcp://HOST:PORT', {
      env: 'DOCKER_HOST',
    }),
    row('pull, push', 'string', 'docker-password', 'password for registries', { env: 'DOCKER_PASSWORD', hidden: true }),
    row('pull, push', 'string', 'docker-username', 'user name for registries', {
      env: 'DOCKER_USERNAME',
      hidden: true,
    }),
    row('pull, push, search, delete', 'string', 'library', 'library to ask', { env: 'LIBRARY' }),
    row('pull, push, delete', 'bool', 'no-https', 'do without https where a server has none', {
      env: ['NOHTTPS', 'NO_HTTPS'],
    }),
    row('pull, push', 'bool', 'json-progress', 'print progress as JSON, one object a line', { own: true }),
  ];
}

function pullFlags(): Flag[] {
  return [
    row('pull', 'bool', 'allow-unauthenticated', 'do not look at signatures', {
      env: 'ALLOW_UNAUTHENTICATED',
      hidden: true,
    }),
    row('pull', 'bool', 'allow-unsigned', 'do not look at signatures', {
      short: 'U',
      env: 'ALLOW_UNSIGNED',
      hidden: true,
    }),
    row('pull', 'string', 'arch', 'architecture to pull (default: this machine’s)', { env: 'PULL_ARCH' }),
    row('pull', 'string', 'arch-variant', 'variant of the architecture', { env: 'PULL_ARCH_VARIANT' }),
    row('pull', 'string', 'dir', 'directory for the result', { env: ['PULLDIR', 'PULLFOLDER'] }),
    row('pull', 'bool', 'disable-cache', 'neither use nor fill the image cache', { env: 'DISABLE_CACHE' }),
    row('pull', 'bool', 'docker-login', 'ask for registry credentials', { env: 'DOCKER_LOGIN' }),
    row('pull', 'bool', 'force', 'replace a file that is there', { short: 'F', env: 'FORCE' }),
    row('pull', 'string', 'name', 'name of the result', { env: 'PULL_NAME', hidden: true }),
    accepted('pull', 'no-cleanup', 'keep temporary directories', 'there are none', { env: 'NO_CLEANUP' }),
    row('pull', 'bool', 'reproducible', 'dates and ids that do not change from pull to pull', { env: 'REPRODUCIBLE' }),
    row('pull', 'bool', 'sandbox', 'make a directory', { env: 'SANDBOX' }),
    row('pull', 'string', 'tmpdir', 'directory for temporary files', { env: 'TMPDIR', hidden: true }),
  ];
}

function pushFlags(): Flag[] {
  return [
    row('push', 'bool', 'allow-unsigned', 'push unsigned images to a library', { short: 'U', env: 'ALLOW_UNSIGNED' }),
    row('push', 'string', 'description', 'description of the image, for a library', { short: 'D' }),
  ];
}

function cacheFlags(): Flag[] {
  const kinds = 'kinds of entries: library, oci, shub, blob, net, oras';
  return [
    row('cache list', 'list', 'type', `${kinds} or all (default)`, { short: 'T' }),
    row('cache clean', 'list', 'type', `${kinds}, plan, all (default) or rootfs (unpacked, not in use)`, {
      short: 'T',
    }),
    row('cache list', 'bool', 'verbose', 'one line an entry', { short: 'v' }),
    row('cache clean', 'int', 'days', 'only what is older than so many days', { short: 'D', default: '0' }),
    row('cache clean', 'bool', 'dry-run', 'only say what would be removed', { short: 'n' }),
    row('cache clean', 'bool', 'force', 'ask nothing', { short: 'f' }),
  ];
}

function loginFlags(): Flag[] {
  return [
    row('registry, registry login, registry logout, registry list', 'string', 'config', 'path of remote.yaml', {
      short: 'c',
      key: 'remoteFile',
    }),
    row('registry login', 'string', 'username', 'user name', { short: 'u' }),
    row('registry login', 'string', 'password', 'password or token', { short: 'p' }),
    row('registry login', 'bool', 'password-stdin', 'read the password from standard input'),
    row('registry login, registry logout', 'string', 'authfile', 'file with credentials, in Docker’s format', {
      env: 'AUTH_FILE',
    }),
  ];
}

function searchFlags(): Flag[] {
  return [
    row('search', 'string', 'arch', 'architecture to search for', { env: 'SEARCH_ARCH' }),
    row('search', 'bool', 'signed', 'only signed images', { env: 'SEARCH_SIGNED' }),
    row('delete', 'string', 'arch', 'architecture to delete', { short: 'A', env: 'ARCH' }),
    row('delete', 'bool', 'force', 'ask nothing', { short: 'F', env: 'FORCE' }),
    row('delete', 'int', 'timeout', 'seconds', { short: 'T', env: 'TIMEOUT', default: '15', hidden: true }),
  ];
}
