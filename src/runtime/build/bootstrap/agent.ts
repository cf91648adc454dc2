/** What a bootstrap agent is: the one that fetches the files an image begins with. */
import type { Stage } from '../../../formats/definition/definition';
import type { Additions } from '../../image/source';
import type { BuildContext } from '../context';

/** What is to be fetched. */
export interface Wanted {
  /** A URI. */
  reference: string;
  /** The library to ask, where a definition names one. */
  library?: string;
}

/** How images that are not files here are fetched; the command line knows the flags and shows the progress. */
export interface Fetching {
  /**
   * The image behind a URI as a SIF file, which stays until the build has ended.
   * @throws RuntimeError
   */
  toFile(wanted: Wanted): Promise<string>;
  /**
   * Makes a new SIF file of it.
   * @param additions only for what is converted here
   * @throws RuntimeError
   */
  toTarget(wanted: Wanted, target: string, additions?: Additions): Promise<void>;
}

export interface BaseImage {
  /** JSON objects that go over into a SIF, by name. */
  carried: Record<string, string>;
  /** GOARCH name, where the source has one. */
  arch?: string;
  /** Unix seconds, for reproducible images. */
  createdS?: number;
}

export interface BootstrapAgent {
  /**
   * Fills an empty root directory.
   * @throws RuntimeError
   */
  fill(stage: Stage, rootfs: string, ctx: BuildContext): Promise<BaseImage>;
}
