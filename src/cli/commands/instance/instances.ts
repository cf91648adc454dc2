/** What the instance commands share: whose instances, and where they lie. */
import { lstatSync } from 'node:fs';
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { InstanceStore } from '../../../runtime/instance/store';
import { uidOfUser } from '../../../runtime/instance/users';
import { defaultStateDirectory, stateDirectory } from '../../../runtime/state-directory';
import type { CommandContext } from '../../command-line/command';

export interface Instances {
  store: InstanceStore;
  /** Set when they belong to another user than the caller. */
  foreignUid?: number;
}

const ROOT_ONLY: Record<string, string> = {
  'instance list': "Only root user can list user's instances",
  'instance stop': "Only root user can stop user's instances",
  'instance stats': "Only the root user can look at stats of a user's instance",
};

/**
 * The caller's instances; with `--user`, which only root may give, that user's.
 * @throws RuntimeError OPTION
 */
export async function openInstances({ name, options, env }: CommandContext): Promise<Instances> {
  const uid = process.getuid?.() ?? 0;
  const user = options.text('user');
  if (user === undefined) return { store: new InstanceStore(stateDirectory(uid, env), native(), { uid }) };
  if (uid !== 0) throw new RuntimeError('OPTION', ROOT_ONLY[name] ?? 'Only root user can use --user');
  const foreignUid = await uidOfUser(user);
  if (foreignUid === uid) return { store: new InstanceStore(stateDirectory(uid, env), native(), { uid }) };
  const store = new InstanceStore(foreignStateDirectory(foreignUid, env), native(), { uid: foreignUid, foreign: true });
  return { store, foreignUid };
}

/** Root's own DAVIT_STATE_DIR says where that user's instances are only when it is that user's. */
function foreignStateDirectory(uid: number, env: CommandContext['env']): string {
  const given = stateDirectory(uid, env);
  return lstatSync(given, { throwIfNoEntry: false })?.uid === uid ? given : defaultStateDirectory(uid);
}
