/** What a build and all its parts look at. */
import type { OnProgress } from '../../image/source/progress';
import type { Caller } from '../../launch/options';
import type { Bundle } from './bundle';
import type { Fetching } from './fetching';
import type { Interruption } from './interruption';
import type { BuildOptions } from './options';

/** What is known before anything is made. */
export interface Build {
  options: BuildOptions;
  env: Readonly<Record<string, string | undefined>>;
  caller: Caller;
  fetching?: Fetching;
  interruption: Interruption;
  onInfo: (text: string) => void;
  onWarning: (text: string) => void;
  onVerbose: (text: string) => void;
  onProgress: OnProgress;
}

/** What its parts look at. */
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
