/**
 * Flags of commands that are not there yet. They are listed so that `help` and
 * docs/compatibility.md are complete; the commands themselves are refused before flags matter.
 */
import { type Flag, type FlagType, flag } from './flag';

/** `command | type | -s --name | ENV | help` per line; several commands are separated by commas. */
const ROWS = `
keyserver login, keyserver logout | string | -c --config | | path of remote.yaml
keyserver login | string | -u --username | LOGIN_USERNAME | user name
keyserver login | string | -p --password | LOGIN_PASSWORD | password
keyserver login | bool | --password-stdin | | read the password
config fakeroot | bool | -a --add | | give a user ids
config fakeroot | bool | -r --remove | | take them away
config fakeroot | bool | -e --enable | | enable a user
config fakeroot | bool | -d --disable | | disable a user
config global | bool | -s --set | | set a directive
config global | bool | -u --unset | | remove a value
config global | bool | -g --get | | print a directive
config global | bool | -r --reset | | back to the default
config global | bool | -d --dry-run | | only print the file
capability add, capability drop | string | -u --user | CAP_USER | user
capability add, capability drop | string | -g --group | CAP_GROUP | group
checkpoint instance | string | -H --home | HOME | home directory
plugin compile | string | -o --out | | name of the result
plugin compile | bool | --disable-minor-check | | take other minor versions
oci create, oci run | string | -b --bundle | | bundle directory
oci create, oci run | string | -s --sync-socket | | socket for state changes
oci create, oci run | string | -l --log-path | | log file
oci create, oci run | string | --log-format | | format of the log
oci create, oci run | string | --pid-file | | file for the PID
oci create | bool | --empty-process | | no process
oci state | string | -s --sync-socket | | socket for state changes
oci kill | bool | -f --force | | SIGKILL
oci kill | string | -s --signal | | signal to send
oci kill | int | -t --timeout | | seconds
oci update | string | -f --from-file | | file with resources
`;

export function otherFlags(): Flag[] {
  return ROWS.trim().split('\n').map(readRow);
}

function readRow(line: string): Flag {
  const [commands, type, names, env, help] = line.split('|').map((cell) => cell.trim()) as [
    string,
    FlagType,
    string,
    string,
    string,
  ];
  const [, short, name] = /^(?:-(\w) )?--([\w-]+)$/.exec(names) as unknown as [string, string | undefined, string];
  return flag(type, name, help, {
    commands: commands.split(', '),
    ...(short === undefined ? undefined : { short }),
    ...(env === '' ? undefined : { env }),
    state: 'later',
    note: 'the command is not there yet',
  });
}
