/** What every part of a build looks at. */
import type { OnProgress } from '../image/progress';
import type { Caller } from '../launch/options';
import type { Fetching } from './bootstrap/agent';
import type { Bundle } from './bundle';
import type { Interruption } from './interruption';
import type { BuildOptions } from './options';

export interface BuildContext {
  options: BuildOptions;
  caller: Caller;
  interruption: Interruption;
  bundle: Bundle;
  /** This process is root in a user namespace, on behalf of a plain user. */
  inUserNamespace: boolean;
  /** This process runs under fakeroot(1), and so do all programs of the build. */
  fakeroot?: { library: string; key: string };
  fetching?: Fetching;
  onInfo: (text: string) => void;
  onWarning: (text: string) => void;
  onVerbose: (text: string) => void;
  onProgress: OnProgress;
}
