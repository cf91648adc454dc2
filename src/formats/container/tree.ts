/** The part of an image's file tree that says what the image is: `/.singularity.d` and `/scif`. */

/** An entry at a path relative to the root of the image. */
export interface TreeEntry {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'other';
  mode: number;
  /** Of a symbolic link. */
  target?: string;
  /** Of a file that is not too large. */
  content?: Uint8Array;
}

/** An entry to be put into an image while it is written. Without `replace`, what is there stays. */
export interface NewEntry {
  path: string;
  type: 'file' | 'directory' | 'symlink';
  mode: number;
  /** Of a file; the target of a symbolic link; empty for a directory. */
  content: string;
  replace: boolean;
}

/** Names in the root of an image whose subtrees are needed here. */
export const DESCRIBING_NAMES = ['.singularity.d', 'scif'];

/** Larger files are not scripts, labels or definition files. */
export const MAX_TEXT_BYTES = 1 << 20;

const MAX_LINKS = 40;

export class ImageTree {
  private readonly entries: Map<string, TreeEntry>;

  constructor(entries: TreeEntry[]) {
    this.entries = new Map(entries.map((entry) => [entry.path, entry]));
  }

  /** Text of a file, a symbolic link at its end followed within the listed part; `undefined` when there is none. */
  text(path: string): string | undefined {
    let entry = this.entries.get(path);
    for (let links = 0; entry?.type === 'symlink' && links < MAX_LINKS; links++) {
      entry = this.entries.get(resolveLink(entry.path, entry.target ?? ''));
    }
    return entry?.type === 'file' && entry.content ? Buffer.from(entry.content).toString('utf8') : undefined;
  }

  has(path: string): boolean {
    return this.entries.has(path);
  }

  /** Names of the entries directly in a directory, sorted. */
  names(directory: string): string[] {
    const prefix = `${directory}/`;
    return [...this.entries.keys()]
      .filter((path) => path.startsWith(prefix) && !path.includes('/', prefix.length))
      .map((path) => path.slice(prefix.length))
      .sort();
  }
}

function resolveLink(path: string, target: string): string {
  const parts = target.startsWith('/') ? [] : path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
