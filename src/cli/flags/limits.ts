/** Launch flags for registries, which images by URI need, and for limits, networks, devices and checkpoints. */
import { ACTIONS, type Flag, type FlagDetails, type FlagType, flag, LAUNCHES, STARTS } from './flag';

const LIMITS = 'resource limits are not there yet';
const GPU = 'GPUs are not there yet';
const CRYPT = 'encrypted images are not there yet';

const later = (type: FlagType, name: string, help: string, note: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, details, LAUNCHES, 'later', note);
const accepted = (type: FlagType, name: string, help: string, note: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { ...details, joins: true }, LAUNCHES, 'accepted', note);

export function limitFlags(): Flag[] {
  return [...cgroupFlags(), ...networkFlags(), ...deviceFlags(), ...registryFlags(), ...otherLaunchFlags()];
}

function cgroupFlags(): Flag[] {
  return [
    later('string', 'apply-cgroups', 'limits from a TOML file', LIMITS, { env: 'APPLY_CGROUPS' }),
    later('int', 'blkio-weight', 'weight of block I/O, 10 to 1000, 0 for none', LIMITS, {
      env: 'BLKIO_WEIGHT',
      default: '0',
    }),
    later('list', 'blkio-weight-device', 'weight of block I/O of a device, as DEVICE:WEIGHT', LIMITS, {
      env: 'BLKIO_WEIGHT_DEVICE',
    }),
    later('int', 'cpu-shares', 'share of CPU time', LIMITS, { env: 'CPU_SHARES', default: '-1' }),
    later('string', 'cpus', 'number of CPUs, also a fraction', LIMITS, { env: 'CPUS' }),
    later('string', 'cpuset-cpus', 'CPUs that may be used, such as 0-3,5', LIMITS, { env: 'CPUSET_CPUS' }),
    later('string', 'cpuset-mems', 'memory nodes that may be used', LIMITS, { env: 'CPUSET_MEMS' }),
    later('string', 'memory', 'limit of memory, such as 512m', LIMITS, { env: 'MEMORY' }),
    later('string', 'memory-reservation', 'soft limit of memory', LIMITS, { env: 'MEMORY_RESERVATION' }),
    later('string', 'memory-swap', 'limit of memory and swap together, -1 for none', LIMITS, { env: 'MEMORY_SWAP' }),
    later('bool', 'oom-kill-disable', 'do not kill when memory runs out', LIMITS, { env: 'OOM_KILL_DISABLE' }),
    later('int', 'pids-limit', 'limit of processes, -1 for none', LIMITS, { env: 'PIDS_LIMIT', default: '0' }),
  ];
}

function networkFlags(): Flag[] {
  const note = 'CNI networks are not there yet';
  return [
    later('string', 'netns-path', 'join the network namespace at this path', note, { env: 'NETNS_PATH' }),
    later('list', 'network-args', 'arguments for the networks, such as portmap=8080:80/tcp', note, {
      env: 'NETWORK_ARGS',
    }),
  ];
}

function deviceFlags(): Flag[] {
  return [
    later('list', 'cdi-dirs', 'where CDI specifications lie', GPU, { commands: ACTIONS }),
    later('list', 'device', 'a CDI device, as VENDOR/CLASS=NAME', GPU, { commands: ACTIONS }),
    later('list', 'containlibs', 'bind these libraries into the image', GPU, { env: 'CONTAINLIBS', hidden: true }),
    later('bool', 'intel-hpu', 'bind Gaudi devices', GPU, { env: 'INTEL_HPU' }),
    later('bool', 'nv', 'bind the NVIDIA driver libraries and tools', GPU, { env: 'NV' }),
    later('bool', 'nvccli', 'let nvidia-container-cli set the GPU up', GPU, { env: 'NVCCLI' }),
    later('bool', 'rocm', 'bind the ROCm libraries and tools', GPU, { env: 'ROCM' }),
    accepted('bool', 'no-nv', 'no NVIDIA set-up, even if configured', 'there is none to leave out', {
      env: ['NV_OFF', 'NO_NV'],
      hidden: true,
    }),
    accepted('bool', 'no-rocm', 'no ROCm set-up, even if configured', 'there is none to leave out', {
      env: ['ROCM_OFF', 'NO_ROCM'],
      hidden: true,
    }),
  ];
}

function registryFlags(): Flag[] {
  const row = (type: FlagType, name: string, help: string, details: FlagDetails): Flag =>
    flag(type, name, help, details, LAUNCHES);
  return [
    row('string', 'authfile', 'file with credentials for registries, in Docker’s format', { env: 'AUTH_FILE' }),
    row('bool', 'disable-cache', 'neither use nor fill the image cache', { env: 'DISABLE_CACHE' }),
    row('string', 'docker-host', 'Docker daemon to ask, as unix:///PATH or tcp://HOST:PORT', { env: 'DOCKER_HOST' }),
    row('bool', 'docker-login', 'ask for registry credentials', { env: 'DOCKER_LOGIN' }),
    row('string', 'docker-password', 'password for registries', { env: 'DOCKER_PASSWORD', hidden: true }),
    row('string', 'docker-username', 'user name for registries', { env: 'DOCKER_USERNAME', hidden: true }),
    row('bool', 'no-https', 'do without https where a server has none', { env: ['NOHTTPS', 'NO_HTTPS'] }),
    row('bool', 'nohttps', 'the same as --no-https', {
      key: 'noHttps',
      hidden: true,
      deprecated: 'use --no-https',
    }),
    row('string', 'tmpdir', 'directory for temporary files', { env: 'TMPDIR', hidden: true }),
  ];
}

function otherLaunchFlags(): Flag[] {
  const checkpoints = 'checkpoints are not there yet';
  return [
    later('bool', 'boot', 'run /sbin/init as process 1 (root only)', 'not there yet', {
      env: 'BOOT',
      commands: STARTS,
    }),
    later('string', 'dmtcp-launch', 'checkpoint to save to', checkpoints, { env: 'DMTCP_LAUNCH', commands: STARTS }),
    later('string', 'dmtcp-restart', 'checkpoint to restart from', checkpoints, {
      env: 'DMTCP_RESTART',
      commands: STARTS,
    }),
    later('list', 'fusemount', 'a FUSE mount, as TYPE:COMMAND MOUNTPOINT; implies --pid', 'not there yet', {
      env: 'FUSESPEC',
    }),
    later('bool', 'passphrase', 'ask for the passphrase of an encrypted image', CRYPT),
    later('string', 'pem-path', 'key of an encrypted image', CRYPT),
    later('list', 'security', 'seccomp:FILE, apparmor:PROFILE, selinux:LABEL, uid:N or gid:N', 'not there yet', {
      env: 'SECURITY',
      joins: true,
    }),
    later('bool', 'sharens', 'share namespaces between the processes of one parent', 'not there yet', {
      env: 'SHARENS',
      commands: ACTIONS,
    }),
  ];
}
