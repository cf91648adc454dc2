/** Imports go one way (docs/architecture.md): neither files nor rooms, which are folders, lead back to themselves. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

type Graph = Map<string, Set<string>>;

const src = resolve(__dirname, '../../../src');
/** With `import type`, `import()` and types by `import('…')`: whoever reads a file has to know them all. */
const IMPORT = /\b(?:from\s+|import\s*\(\s*|require\()'(\.[^']*)'/g;

function fileImports(): Graph {
  const graph: Graph = new Map();
  for (const name of readdirSync(src, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!name.endsWith('.ts') || name.startsWith('schema/generated/')) continue;
    const path = join(src, name);
    const targets = [...readFileSync(path, 'utf8').matchAll(IMPORT)].map(([, module]) => {
      const target = join(dirname(path), module as string);
      return relative(src, existsSync(`${target}.ts`) ? `${target}.ts` : join(target, 'index.ts'));
    });
    graph.set(name, new Set(targets));
  }
  return graph;
}

/** Of src/ itself every file is a room of its own: errors.ts lies below all, index.ts above. All of bench/ is one. */
function roomOf(name: string): string {
  if (name.startsWith('bench/')) return 'bench';
  return dirname(name) === '.' ? name : dirname(name);
}

function roomImports(files: Graph): Graph {
  const rooms: Graph = new Map();
  for (const [name, targets] of files) {
    const room = rooms.get(roomOf(name)) ?? new Set();
    for (const target of targets) if (roomOf(target) !== roomOf(name)) room.add(roomOf(target));
    rooms.set(roomOf(name), room);
  }
  return rooms;
}

/** The first way found that ends where it began. */
function circle(graph: Graph): string[] {
  const done = new Set<string>();
  const visit = (name: string, way: string[]): string[] => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return [];
    for (const next of graph.get(name) ?? []) {
      const found = visit(next, [...way, name]);
      if (found.length > 0) return found;
    }
    done.add(name);
    return [];
  };
  for (const name of graph.keys()) {
    const found = visit(name, []);
    if (found.length > 0) return found;
  }
  return [];
}

const files = fileImports();

it('finds the imports of all kinds', () => {
  expect(files.get('cli/dispatch.ts')).toContain('errors.ts');
  expect(files.get('cli/dispatch.ts')).toContain('cli/help/man-page.ts'); // import()
  expect(files.get('runtime/build/bundle/context.ts')).toContain('runtime/build/bundle/bundle.ts'); // import type
  expect(
    circle(
      new Map([
        ['a', new Set(['b'])],
        ['b', new Set(['c'])],
        ['c', new Set(['b'])],
      ]),
    ),
  ).toEqual(['b', 'c', 'b']);
});

it('no file leads back to itself', () => {
  expect(circle(files)).toEqual([]);
});

it('no room leads back to itself', () => {
  expect(circle(roomImports(files))).toEqual([]);
});
