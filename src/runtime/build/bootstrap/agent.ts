/** What a bootstrap agent is: the one that fetches the files an image begins with. */
import type { Stage } from '../../../formats/definition/definition';
import type { BuildContext } from '../context';

/** How images that are not files here are fetched; the command line knows the flags and shows the progress. */
export interface Fetching {
  /**
   * The image behind a URI as a SIF file, which stays until the build has ended.
   * @throws RuntimeError
   */
  toFile(reference: string): Promise<string>;
  /** Makes a new SIF file of it. @throws RuntimeError */
  toTarget(reference: string, target: string): Promise<void>;
  /** Whether it is converted here, and so says of itself already what it was made from. */
  isConverted(reference: string): boolean;
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
