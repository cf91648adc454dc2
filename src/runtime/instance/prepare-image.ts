/** An image on its way into a plan: opened, its mount driver chosen, unpacked where that driver needs it. */
import { join } from 'node:path';
import { RuntimeError } from '../../errors';
import { native } from '../../native';
import { cacheDirectory } from '../cache-directory';
import type { LaunchConfig } from '../config/directives';
import { openImage } from '../image/open';
import type { Image } from '../image/types';
import { imageScheme } from '../image/uri';
import { chooseDriver, type DriverChoice } from '../launch/image-layer';
import type { Caller, LaunchOptions } from '../launch/options';
import { refuse } from '../../witness';

export interface PreparedImage {
  image: Image;
  choice: DriverChoice;
  /** For the driver `unpacked`. */
  unpackedDir?: string;
}

export interface PrepareRequest {
  /** How the user named it. */
  given: string;
  options: LaunchOptions;
  caller: Caller;
  config: LaunchConfig;
  /** Nothing is unpacked; the plan names the directory that would be. */
  dryRun?: boolean;
  /** Makes a file of an image that is named by a URI; without it such images are refused. */
  fetch?: (reference: string) => Promise<{ path: string; isTemporary: boolean }>;
  onInfo?: (text: string) => void;
  onWarning?: (text: string) => void;
}

/**
 * Prepares an image for compileImageLaunch().
 * @throws RuntimeError of openImage() and unpackedRootfs()
 */
export async function prepareImage(request: PrepareRequest): Promise<PreparedImage> {
  const { given, options, caller, config, fetch } = request;
  // Names of files are the rule: whether a name is a URI is asked without importing anything that fetches.
  const image = fetch && isFetched(given) ? await openFetched(given, fetch) : openImage(given);
  const choice = chooseDriver(image, options, caller, config);
  if (choice.driver !== 'unpacked') return { image, choice };
  return { image, choice, unpackedDir: await unpack(image, choice, request) };
}

async function openFetched(given: string, fetch: NonNullable<PrepareRequest['fetch']>): Promise<Image> {
  const { path, isTemporary } = await fetch(given);
  const image = openImage(path);
  return isTemporary ? { ...image, isTemporary } : image;
}

/** Whether openImage() would refuse it because it has to be fetched first. */
function isFetched(given: string): boolean {
  const scheme = imageScheme(given);
  return scheme !== undefined && scheme !== 'instance' && scheme !== 'shub';
}

async function unpack(image: Image, choice: DriverChoice, request: PrepareRequest): Promise<string> {
  if (image.isTemporary) {
    const why = choice.reason ?? '--unsquash was asked for';
    throw new RuntimeError('CACHE', `there is no cache to unpack the image into, and it cannot be mounted: ${why}`, {
      hint: `make a directory of it first: davit pull --sandbox DIRECTORY ${request.given}`,
    });
  }
  refuse(); // the cache of unpacked images is not looked at by the launcher
  const { findUnpacked, unpackedKey, unpackedRootfs } = await import('../image/unpack');
  const cacheDir = cacheDirectory(request.caller.env, request.caller.uid, native());
  const found = findUnpacked(image, cacheDir);
  if (found !== undefined) return found;
  if (request.dryRun) return join(cacheDir, 'rootfs', unpackedKey(image, process.geteuid?.() === 0));
  if (choice.reason !== undefined) request.onInfo?.(`Cannot mount ${image.path}: ${choice.reason}`);
  request.onInfo?.('Converting SIF file to temporary sandbox...');
  return await unpackedRootfs(image, cacheDir, request.onWarning);
}
