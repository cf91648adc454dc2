/** Flags of pull, push, search, delete, inspect and run-help: not there yet. */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const REGISTRY = 'registries are not there yet';
const INSPECT = 'inspect is not there yet';

const row = (commands: string, type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: commands.split(' '), state: 'later', note: REGISTRY, ...details });

export function imageFlags(): Flag[] {
  return [...registryFlags(), ...pullFlags(), ...pushFlags(), ...searchFlags(), ...inspectFlags()];
}

function registryFlags(): Flag[] {
  return [
    row('pull push', 'string', 'authfile', 'credentials for registries', { env: 'AUTH_FILE' }),
    row('pull push', 'string', 'docker-host', 'Docker daemon to ask', { env: 'DOCKER_HOST' }),
    row('pull push', 'string', 'docker-password', 'password for registries', { env: 'DOCKER_PASSWORD', hidden: true }),
    row('pull push', 'string', 'docker-username', 'user name for registries', { env: 'DOCKER_USERNAME', hidden: true }),
    row('pull push search delete', 'string', 'library', 'library to ask', { env: 'LIBRARY' }),
    row('pull push delete', 'bool', 'no-https', 'plain http for registries', { env: ['NOHTTPS', 'NO_HTTPS'] }),
  ];
}

function pullFlags(): Flag[] {
  return [
    row('pull', 'bool', 'allow-unauthenticated', 'take unsigned images', {
      env: 'ALLOW_UNAUTHENTICATED',
      hidden: true,
    }),
    row('pull', 'bool', 'allow-unsigned', 'no warning about unsigned images', {
      short: 'U',
      env: 'ALLOW_UNSIGNED',
      hidden: true,
    }),
    row('pull', 'string', 'arch', 'architecture to pull', { env: 'PULL_ARCH' }),
    row('pull', 'string', 'arch-variant', 'variant of the architecture', { env: 'PULL_ARCH_VARIANT' }),
    row('pull', 'string', 'dir', 'directory for the result', { env: ['PULLDIR', 'PULLFOLDER'] }),
    row('pull', 'bool', 'disable-cache', 'straight into the file', { env: 'DISABLE_CACHE' }),
    row('pull', 'bool', 'docker-login', 'ask for registry credentials', { env: 'DOCKER_LOGIN' }),
    row('pull', 'bool', 'force', 'replace a file that is there', { short: 'F', env: 'FORCE' }),
    row('pull', 'string', 'name', 'name of the result', { env: 'PULL_NAME', hidden: true }),
    row('pull', 'bool', 'no-cleanup', 'keep temporary directories', { env: 'NO_CLEANUP' }),
    row('pull', 'bool', 'reproducible', 'dates and ids that do not change', { env: 'REPRODUCIBLE' }),
    row('pull', 'bool', 'sandbox', 'make a directory', { env: 'SANDBOX' }),
    row('pull', 'string', 'tmpdir', 'directory for temporary files', { env: 'TMPDIR', hidden: true }),
  ];
}

function pushFlags(): Flag[] {
  return [
    row('push', 'bool', 'allow-unsigned', 'push unsigned images', { short: 'U', env: 'ALLOW_UNSIGNED' }),
    row('push', 'string', 'description', 'description of the image', { short: 'D' }),
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

function inspectFlags(): Flag[] {
  const inspect = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
    row('inspect', type, name, help, { note: INSPECT, ...details });
  return [
    inspect('bool', 'all', 'everything, as JSON'),
    row('inspect run-help', 'string', 'app', 'of one SCIF app', { note: INSPECT }),
    inspect('bool', 'deffile', 'the definition file', { short: 'd' }),
    inspect('bool', 'environment', 'the environment scripts', { short: 'e' }),
    inspect('bool', 'helpfile', 'the help text', { short: 'H' }),
    inspect('bool', 'json', 'print JSON', { short: 'j' }),
    inspect('bool', 'labels', 'the labels', { short: 'l' }),
    inspect('bool', 'list-apps', 'the names of the SCIF apps'),
    inspect('bool', 'runscript', 'the runscript', { short: 'r' }),
    inspect('bool', 'startscript', 'the startscript', { short: 's' }),
    inspect('bool', 'test', 'the test script', { short: 't' }),
  ];
}
