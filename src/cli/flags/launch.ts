/** Flags of exec, run, shell, test, instance start and instance run that shape a container. */
import { ACTIONS, type Flag, type FlagDetails, type FlagType, flag, LAUNCHES, STARTS } from './flag';

const onAll = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, details, LAUNCHES);
const onActions = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, details, ACTIONS);
const onStarts = (type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, details, STARTS);

export function launchFlags(): Flag[] {
  return [...fileFlags(), ...environmentFlags(), ...isolationFlags(), ...privilegeFlags(), ...processFlags()];
}

function fileFlags(): Flag[] {
  return [
    onAll('array', 'bind', 'bind SRC[:DEST[:OPTS]] into the container; OPTS are ro or rw, commas separate several', {
      short: 'B',
      env: ['BIND', 'BINDPATH'],
      envAdds: true,
      note: 'image-src= and id= (images as sources) are not there yet',
    }),
    onAll('string', 'home', 'home directory, as SRC or SRC:DEST', { short: 'H', env: 'HOME' }),
    onAll('array', 'mount', 'mount by type=bind,source=SRC,destination=DEST[,ro]', {
      env: 'MOUNT',
      envAdds: true,
      note: 'image-src= and id= (images as sources) are not there yet',
    }),
    onAll('bool', 'no-home', 'do not bind the home directory', { env: 'NO_HOME' }),
    onAll('list', 'no-mount', 'leave out proc, sys, dev, devpts, home, tmp, hostfs, cwd, bind-paths or a bind path', {
      env: 'NO_MOUNT',
    }),
    onAll('list', 'overlay', 'a directory, as PATH[:ro], that holds changes, or lies over the image', {
      short: 'o',
      env: ['OVERLAY', 'OVERLAYIMAGE'],
      note: 'directories; ext3 images and overlay partitions of a SIF, in a user namespace by fuse2fs and fuse-overlayfs; squashfs images for root only',
    }),
    onAll('list', 'scratch', 'a fresh directory at this path, gone with the container; below --workdir when given', {
      short: 'S',
      env: ['SCRATCH', 'SCRATCHDIR'],
    }),
    onAll('bool', 'underlay', 'make missing mount points without an overlay', {
      env: 'UNDERLAY',
      hidden: true,
      deprecated: 'default overlay is preferred',
      state: 'accepted',
      note: 'an overlay is always used',
    }),
    onAll('bool', 'unsquash', 'unpack the image into the cache instead of mounting it', {
      env: 'UNSQUASH',
      note: 'the unpacked image is kept in the cache and shared, instead of being removed after each use',
    }),
    onAll('bool', 'unpack', 'the same as --unsquash', { key: 'unsquash', env: 'UNPACK', own: true }),
    onAll('string', 'workdir', 'directory for /tmp, /var/tmp and home under --contain, and for --scratch', {
      short: 'W',
      env: 'WORKDIR',
    }),
    onAll('bool', 'writable', 'write to the image itself (a sandbox directory)', {
      short: 'w',
      env: 'WRITABLE',
      note: 'sandbox directories, and a SIF with an ext3 overlay partition',
    }),
    onAll('bool', 'writable-tmpfs', 'writes go to memory and are forgotten at the end', {
      env: 'WRITABLE_TMPFS',
      note: 'always a kernel overlay on a tmpfs, also for users; capped at 64 MiB (sessiondir max size)',
    }),
  ];
}

function environmentFlags(): Flag[] {
  return [
    onAll('string', 'app', 'select a SCIF app of the image', { env: ['APP', 'APPNAME'], joins: true }),
    onAll('bool', 'cleanenv', 'pass hardly any variables of the host', { short: 'e', env: 'CLEANENV', joins: true }),
    onAll('map', 'env', 'set NAME=VALUE inside; commas separate several', {
      joins: true,
      note: 'quotes are removed in pairs; Apptainer removes a single quote at either end',
    }),
    onAll('list', 'env-file', 'set the variables of this file inside; later files win', {
      env: 'ENV_FILE',
      joins: true,
    }),
    onAll('list', 'no-env', 'do not pass these variables of the host', { env: 'NOENV', joins: true }),
    onAll('bool', 'no-eval', 'take values of --env and arguments as they are, without shell evaluation', {
      env: 'NO_EVAL',
      joins: true,
    }),
    onActions('string', 'cwd', 'working directory inside', { env: ['CWD', 'TARGET_CWD'], joins: true }),
    onActions('string', 'pwd', 'the same as --cwd', {
      key: 'cwd',
      env: ['PWD', 'TARGET_PWD'],
      hidden: true,
      joins: true,
    }),
    flag('string', 'shell', 'program to run as the shell', {
      short: 's',
      env: 'SHELL',
      commands: ['shell'],
      joins: true,
    }),
  ];
}

function isolationFlags(): Flag[] {
  return [
    onAll(
      'bool',
      'compat',
      'behave like OCI runtimes: --containall, --no-init, --no-umask, --no-eval, --writable-tmpfs',
      {
        env: 'COMPAT',
      },
    ),
    onAll('bool', 'contain', 'a minimal /dev, and an empty home and /tmp', { short: 'c', env: 'CONTAIN' }),
    onAll('bool', 'containall', '--contain, with PID and IPC namespaces and a clean environment', {
      short: 'C',
      env: 'CONTAINALL',
      key: 'containAll',
    }),
    onAll('string', 'dns', 'name servers, separated by commas, for resolv.conf', { env: 'DNS' }),
    onAll('string', 'hostname', 'host name inside; implies --uts', { env: 'HOSTNAME' }),
    onAll('bool', 'ipc', 'a new IPC namespace', { short: 'i', env: ['IPC', 'UNSHARE_IPC'] }),
    onAll('bool', 'net', 'a new network namespace', {
      short: 'n',
      env: ['NET', 'UNSHARE_NET'],
      note: 'with --network none; the default network (bridge) is not there yet',
    }),
    onAll('string', 'network', 'networks of the new namespace; none has only loopback; implies --net', {
      env: 'NETWORK',
      note: 'none; CNI networks are not there yet',
    }),
    onActions('bool', 'no-pid', 'no new PID namespace, also with --containall', { env: 'NO_PID' }),
    onActions('bool', 'pid', 'a new PID namespace', { short: 'p', env: ['PID', 'UNSHARE_PID'] }),
    onAll('bool', 'userns', 'a new user namespace, also for root', { short: 'u', env: ['USERNS', 'UNSHARE_USERNS'] }),
    onAll('bool', 'uts', 'a new UTS namespace', { env: ['UTS', 'UNSHARE_UTS'] }),
  ];
}

function privilegeFlags(): Flag[] {
  return [
    onAll('string', 'add-caps', 'add these capabilities, separated by commas', {
      env: 'ADD_CAPS',
      joins: true,
    }),
    onAll('bool', 'allow-setuid', 'let set-user-id programs of the image work (root only)', { env: 'ALLOW_SETUID' }),
    onAll('string', 'drop-caps', 'drop these capabilities, separated by commas', { env: 'DROP_CAPS', joins: true }),
    onAll('bool', 'fakeroot', 'be root inside a user namespace', {
      short: 'f',
      env: 'FAKEROOT',
      note: 'by subordinate ids, else with one id mapped; the fakeroot command is not used',
    }),
    onAll('bool', 'ignore-fakeroot-command', 'do not look for the fakeroot command', {
      env: 'IGNORE_FAKEROOT_COMMAND',
      hidden: true,
      state: 'accepted',
      note: 'the fakeroot command is never used',
    }),
    onAll('bool', 'ignore-subuid', 'map one id, even if subordinate ids are there', {
      env: 'IGNORE_SUBUID',
      hidden: true,
    }),
    onAll('bool', 'ignore-userns', 'do not use a user namespace for --fakeroot', {
      env: 'IGNORE_USERNS',
      hidden: true,
      state: 'later',
      note: 'it would need the fakeroot command',
    }),
    onAll('bool', 'keep-privs', 'keep all capabilities (root only)', { env: 'KEEP_PRIVS' }),
    onAll('bool', 'no-privs', 'drop all capabilities (root)', { env: 'NO_PRIVS' }),
  ];
}

function processFlags(): Flag[] {
  return [
    onAll('choice', 'dry-run', 'print the launch plan, as text or json, and start nothing', {
      choices: ['text', 'json'],
      implied: 'text',
      env: 'DRY_RUN',
      own: true,
      joins: true,
    }),
    onAll('bool', 'json', 'with --dry-run: print the plan as JSON', { own: true, joins: true }),
    onStarts('string', 'log-dir', 'directory for the files NAME.out and NAME.err', { env: 'LOG_DIR', own: true }),
    onAll('bool', 'no-init', 'no helper process as process 1 of a PID namespace', { env: 'NOSHIMINIT' }),
    onAll('bool', 'no-umask', 'umask 0022 instead of the caller’s', {
      env: 'NO_UMASK',
      joins: true,
      note: 'instances get 0022 as well (Apptainer gives them 0000)',
    }),
    onStarts('string', 'pid-file', 'write the host PID of the instance’s process 1 to this file', { env: 'PID_FILE' }),
    onStarts('int', 'count', 'start so many instances, NAME-1, NAME-2 and so on', { own: true }),
    onStarts('bool', 'atomic', 'of several instances, start all or none: after a failure stop those already started', {
      own: true,
    }),
    onStarts('int', 'jobs', 'of several instances, launch so many at a time (default: eight for each core)', {
      own: true,
    }),
    onStarts('seconds', 'wait', 'wait so many seconds for the startscript, and fail if it fails', {
      implied: '1',
      env: 'WAIT',
      own: true,
    }),
    flag('string', 'runscript-timeout', 'limit for commands in environment scripts, such as 30s', {
      env: 'RUNSCRIPT_TIMEOUT',
      commands: ['run', 'instance run'],
      state: 'accepted',
      joins: true,
      note: 'nothing is limited: the scripts run in the payload’s own process',
    }),
  ];
}
