/** davit for users who may not enter the project: it may lie in a directory of root's alone. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, type World } from './world';

/** Copies what commands need that load nothing from node_modules. @returns the path of the copy's bin/davit */
export function davitForAll(world: World): string {
  const copy = world.makeDirectory('davit-for-all');
  for (const part of ['package.json', 'bin', 'dist', 'build/Release'])
    cpSync(join(projectRoot, part), join(copy, part), { recursive: true });
  return join(copy, 'bin/davit');
}
