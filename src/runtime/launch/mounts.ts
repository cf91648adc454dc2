/** Everything that is mounted into the root, in its order. */
import type { BindSpec } from './bind-spec';
import { addDev, addProc, addSys } from './devices';
import { addConfiguredBinds, addScratch, addTmp, addUserBinds, addWorkingDirectory, checkWorkdir } from './directories';
import { addAccounts, addResolvConf } from './generated-files';
import { addHome } from './home';
import type { MountContext } from './mount-context';

export function addMounts(ctx: MountContext, binds: BindSpec[]): void {
  checkWorkdir(ctx);
  if (ctx.config.mountHostfs && !ctx.noMount.has('hostfs'))
    ctx.notes.warning('"mount hostfs = yes" is not supported yet');
  const wantsHostDev = binds.some(({ source, target }) => source === '/dev' && target === '/dev');
  addDev(ctx, wantsHostDev);
  addConfiguredBinds(ctx);
  addProc(ctx);
  addSys(ctx);
  // A home below /tmp would be hidden by what is mounted there.
  const homeBelowTmp = ['/tmp/', '/var/tmp/'].some((directory) => ctx.home.target.startsWith(directory));
  if (!homeBelowTmp) addHome(ctx);
  addTmp(ctx);
  if (homeBelowTmp) addHome(ctx);
  addScratch(ctx);
  addResolvConf(ctx);
  addAccounts(ctx);
  addUserBinds(ctx, binds);
  addWorkingDirectory(ctx);
}
