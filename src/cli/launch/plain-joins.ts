/**
 * Joins that depend on nothing but the record of the instance: the launcher has them beside the bundle (dist/joins.pb) and
 * carries them out without Node (native/launcher/plain_join.cc). Called when davit is built.
 */
import { compileJoin } from '../../runtime/launch/join';
import { type Action, type Caller, defaultLaunchOptions } from '../../runtime/launch/options';
import { davit } from '../../schema/generated/plan-cache';
import { PARAMETERS } from './plan-cache';
import { LEVEL } from '../terminal/render';

const ACTIONS: Action[] = ['exec', 'run', 'shell', 'test'];

/** Nothing of a caller goes into such a plan; what does would be wrong for the next one. */
const NOBODY: Caller = {
  uid: 0,
  gid: 0,
  groups: [],
  user: { name: '', gecos: '', home: '', shell: '' },
  groupNames: {},
  cwd: '',
  physicalCwd: '',
  env: {},
  umask: 0,
  hostname: '',
  privileged: false,
};

/** An encoded PlainJoins. @throws Error when such a join would need to say something */
export function plainJoins(): Uint8Array {
  const joins = ACTIONS.flatMap((action) => [false, true].map((color) => plainJoin(action, color)));
  return davit.PlainJoins.encode({ joins }).finish();
}

function plainJoin(action: Action, color: boolean): davit.PlainJoin.$Properties {
  const { bytes, warnings } = compileJoin({
    action,
    name: '',
    stateDir: '',
    options: defaultLaunchOptions(),
    caller: NOBODY,
    args: [],
    output: { messageLevel: LEVEL.info, color },
  });
  if (warnings.length > 0) throw new Error(`${action} on an instance: ${warnings[0]?.text}`);
  return { action, parameters: PARAMETERS[action], color, plan: bytes() };
}
