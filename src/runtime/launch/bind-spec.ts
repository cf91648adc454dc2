/** `--bind` and `--mount` as text: parsed into sources and targets, nothing looked up. */
import { posix, resolve } from 'node:path';
import { RuntimeError } from '../../errors';

export interface BindSpec {
  /** On the host; absolute. */
  source: string;
  /** Absolute and normalized. */
  target: string;
  readOnly: boolean;
  /** Not passed on to nested launches by APPTAINER_BIND. */
  nonested: boolean;
  /** The option that asked for it. */
  origin: '--bind' | '--mount';
}

/**
 * All binds of a launch, in the order given.
 * @param cwd the caller's directory, for relative sources
 * @throws RuntimeError BIND with the specification and what is wrong with it.
 */
export function parseBinds(binds: string[], mounts: string[], cwd: string): BindSpec[] {
  const specs = binds.flatMap((text) => splitUnescaped(text, ',').reduce<string[]>(joinOptions, []));
  return [...specs.map((text) => parseBind(text, cwd)), ...mounts.map((text) => parseMount(text, cwd))];
}

/** Words that follow `src:dst:ro,` are options as long as they are known ones: the comma separates those too. */
function joinOptions(specs: string[], word: string): string[] {
  const last = specs.at(-1);
  if (last !== undefined && isOption(word) && splitUnescaped(last, ':').length === 3) {
    specs[specs.length - 1] = `${last},${word}`;
  } else if (word !== '') specs.push(word);
  return specs;
}

function isOption(word: string): boolean {
  return word === 'ro' || word === 'rw' || word.startsWith('image-src=') || word.startsWith('id=');
}

function parseBind(text: string, cwd: string): BindSpec {
  const fields = splitUnescaped(text, ':');
  if (fields.length > 3)
    throw bad(text, 'it has more than three fields', 'use SRC[:DEST[:ro]]; write a colon of a path as "\\:"');
  const [given = '', target = '', options = ''] = fields.map(withoutEscapes);
  if (given === '') throw bad(text, 'it has no source', 'use SRC[:DEST[:ro]]');
  let readOnly = false;
  for (const option of options.split(',')) {
    // As in the original, "ro" stays in force when "rw" follows.
    if (option === 'ro') readOnly = true;
    else if (option.startsWith('image-src=') || option.startsWith('id=')) throw imageSource(text);
    else if (option !== '' && option !== 'rw') throw bad(text, `${option} is not a valid bind option`, 'use ro or rw');
  }
  const source = resolve(cwd, given);
  return { source, target: checkTarget(text, target || source), readOnly, nonested: false, origin: '--bind' };
}

function parseMount(text: string, cwd: string): BindSpec {
  const fields = splitCsv(text);
  const found: Record<string, string> = {};
  let readOnly = false;
  let nonested = false;
  for (const field of fields) {
    const equals = field.indexOf('=');
    const key = equals < 0 ? field : field.slice(0, equals);
    const value = equals < 0 ? '' : field.slice(equals + 1);
    if (key === 'type') found.type = value;
    else if (key === 'source' || key === 'src') found.source = value;
    else if (key === 'destination' || key === 'dst' || key === 'target') found.target = value;
    else if (key === 'ro' || key === 'readonly') readOnly = true;
    else if (key === 'nonested') nonested = true;
    else if (key === 'image-src' || key === 'id') throw imageSource(text);
    else if (key === 'bind-propagation') throw bad(text, 'bind-propagation not supported for individual mounts');
    else throw bad(text, `invalid key "${key}" in mount specification`);
  }
  if (found.type !== undefined && found.type !== 'bind') {
    throw bad(text, `unsupported mount type "${found.type}", only 'bind' is supported`);
  }
  const { source, target } = found;
  if (!source || !target) throw bad(text, 'mounts must specify a source and a destination');
  return { source: resolve(cwd, source), target: checkTarget(text, target), readOnly, nonested, origin: '--mount' };
}

function checkTarget(text: string, target: string): string {
  if (!target.startsWith('/'))
    throw bad(text, 'destination must be an absolute path', 'give the path inside the container from "/"');
  const normal = normalizeTarget(target);
  if (normal === '/') throw bad(text, 'the root of the container cannot be a destination');
  return normal;
}

/** An absolute path without `.`, `..`, doubled or trailing slashes. */
export function normalizeTarget(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

function bad(text: string, what: string, hint?: string): RuntimeError {
  return new RuntimeError('BIND', `While setting bind mount configuration: while parsing "${text}": ${what}`, {
    path: text,
    hint,
  });
}

function imageSource(text: string): RuntimeError {
  return bad(
    text,
    'images as sources are not supported yet',
    'bind a directory, or lay the image over the root by --overlay',
  );
}

/** Splits at `separator` where no backslash stands before it; the backslashes stay. */
function splitUnescaped(text: string, separator: string): string[] {
  const words = [''];
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    const next = text[i + 1];
    if (char === '\\' && (next === ':' || next === ',')) words[words.length - 1] += char + text[++i];
    else if (char === separator) words.push('');
    else words[words.length - 1] += char;
  }
  return words;
}

function withoutEscapes(text: string): string {
  return text.replace(/\\([:,])/g, '$1');
}

/** Fields of one line of RFC 4180: a quoted field may hold commas, a doubled quote is one. */
export function splitCsv(text: string): string[] {
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"\s*|([^",][^,]*|))(,|$)/y;
  while (field.lastIndex <= text.length) {
    const match = field.exec(text);
    if (!match) throw bad(text, 'its quotes do not match');
    fields.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] ?? '').trim());
    if (match[3] === '') break;
  }
  return fields.filter((word) => word !== '');
}
