/** Users by name or number, for root's --user. */
import { readFileSync } from 'node:fs';
import { RuntimeError } from '../../errors';

/** uid_t without the two values that mean "none" (chown(2)). */
const LAST_UID = 0xffff_fffd;

/**
 * Uid of a user: a number, a line of /etc/passwd, or what the name service knows (LDAP, SSSD; by getent(1)).
 * @throws RuntimeError OPTION when there is no such user
 */
export async function uidOfUser(user: string): Promise<number> {
  const uid = /^\d+$/.test(user)
    ? Number(user)
    : (inPasswd(user, readFileSync('/etc/passwd', 'utf8')) ?? (await askGetent(user)));
  if (uid === undefined || uid > LAST_UID) {
    throw new RuntimeError('OPTION', `no user "${user}"`, { path: user });
  }
  return uid;
}

/** Third field of the user's line in passwd(5). */
function inPasswd(user: string, text: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${user}:`));
  const uid = line?.split(':')[2];
  return uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined;
}

async function askGetent(user: string): Promise<number | undefined> {
  // Loaded here: no start, list or stop of one's own instances needs it.
  const { spawnSync } = await import('node:child_process');
  const { status, stdout } = spawnSync('getent', ['passwd', '--', user], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? inPasswd(user, stdout) : undefined;
}
