/** How a build gets images that are not files here. */
import type { Additions } from '../../image/source/source';

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
