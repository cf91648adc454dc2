/** Builds from definition files in a world of their own. */
import { existsSync, readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { layOutBusybox } from './busybox';
import { isRoot } from './capabilities';
import type { Outcome, World } from './world';

/** What sections need: nothing as root, a user namespace for everyone else. */
export const SECTIONS = isRoot ? ([] as const) : (['userns'] as const);

/** A sandbox with a busybox in it, to begin with. */
export function base(world: World): string {
  const path = world.path('base');
  if (!existsSync(path)) layOutBusybox(world.makeDirectory('base'));
  return path;
}

export interface Built extends Outcome {
  image: string;
}

/** Builds NAME.sif from a definition with this text behind a header for the busybox. */
export async function build(world: World, name: string, sections: string, ...options: string[]): Promise<Built> {
  return await buildText(world, name, `Bootstrap: localimage\nFrom: ${base(world)}\n\n${sections}`, ...options);
}

/** Builds NAME.sif from a definition with exactly this text. */
export async function buildText(world: World, name: string, text: string, ...options: string[]): Promise<Built> {
  const definition = world.write(`${name}.def`, text);
  const image = world.path(`${name}.sif`);
  const result = await world.davitWith({ env: buildEnv(world) }, 'build', ...options, image, definition);
  return { ...result, image };
}

/** The image of a build that has to succeed. */
export async function built(world: World, name: string, sections: string, ...options: string[]): Promise<string> {
  const { image, ...result } = await build(world, name, sections, ...options);
  expect(result).toMatchObject({ status: 0 });
  return image;
}

/** Temporary directories are made where leftovers() looks. */
export function buildEnv(world: World): Record<string, string> {
  return { DAVIT_TMPDIR: world.makeDirectory('tmp') };
}

/** What builds have left: their temporary directories, unfinished images. */
export function leftovers(world: World): string[] {
  const partial = readdirSync(world.directory).filter(
    (name) => name.endsWith('.partial') || name.startsWith('build-temp-'),
  );
  return [...partial, ...(existsSync(world.path('tmp')) ? readdirSync(world.path('tmp')) : [])];
}
