/** Flags of the commands that manage endpoints and their key servers (cli.md section 10). */
import { type Flag, type FlagDetails, type FlagType, flag } from './flag';

const row = (commands: string, type: FlagType, name: string, help: string, details: FlagDetails = {}): Flag =>
  flag(type, name, help, { commands: commands.split(', '), ...details });

// --config may also stand before the command in a group, which is where Apptainer has it.
const REMOTE = 'remote, remote add, remote remove, remote use, remote list, remote login, remote logout, remote status';
const KEYSERVER = 'keyserver, keyserver add, keyserver remove, keyserver list';

export function remoteFlags(): Flag[] {
  return [
    row(`${REMOTE}, ${KEYSERVER}`, 'string', 'config', 'path of remote.yaml', { key: 'remoteFile', short: 'c' }),
    row('remote add, remote remove, remote use', 'bool', 'global', 'change the site’s file, for all users', {
      short: 'g',
    }),
    row('remote add', 'bool', 'no-login', 'do not log in'),
    row('remote add', 'bool', 'insecure', 'the endpoint speaks plain http', { short: 'i', env: 'ADD_INSECURE' }),
    row('remote add', 'bool', 'no-default', 'do not use it from now on', { short: 'n' }),
    row('remote add, remote login', 'string', 'tokenfile', 'file with the access token'),
    row('remote use', 'bool', 'exclusive', 'users may not choose another (root only; implies --global)', {
      short: 'e',
    }),
    row('remote login', 'string', 'username', 'without effect: a token says who it is for', {
      short: 'u',
      state: 'accepted',
      note: 'a token says who it is for',
    }),
    row('remote login', 'string', 'password', 'access token', { short: 'p', note: 'taken as the access token' }),
    row('remote login', 'bool', 'password-stdin', 'read the access token from standard input', {
      note: 'taken as the access token',
    }),
    row('remote login', 'bool', 'insecure', 'without effect: the endpoint knows', {
      short: 'i',
      env: 'LOGIN_INSECURE',
      state: 'accepted',
      note: 'the endpoint’s own setting counts',
    }),
    row('keyserver add', 'int', 'order', 'its place in the list, 1 for the first', { short: 'o' }),
    row('keyserver add', 'bool', 'insecure', 'do not check its certificate', { short: 'i' }),
  ];
}
