/** What a bootstrap agent is: the one that fetches the files an image begins with. */
import type { Stage } from '../../../formats/definition/definition';
import type { BuildContext } from '../bundle/context';

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
