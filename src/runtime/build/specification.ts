/** BUILD SPEC: a URI, an image, or a definition file. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../errors';
import { parseBuildArg, parseBuildArgFile } from '../../formats/definition/arguments';
import type { Definition } from '../../formats/definition/definition';
import { looksLikeDefinition, parseDefinition } from '../../formats/definition/parse';
import { type InspectedImage, inspectImage } from '../image/open';
import { imageScheme } from '../image/uri';
import { type BuildOptions, SECTION_NAMES } from './bundle/options';

export type Specification =
  | { kind: 'uri'; scheme: string; reference: string }
  | { kind: 'image'; inspected: InspectedImage }
  | { kind: 'definition'; definition: Definition };

const HEAD_BYTES = 65536;
/** A definition is kept in the image, in one piece. */
const MAX_DEFINITION_BYTES = 1 << 20;

/** @throws RuntimeError DEFINITION, OPTION, and what inspectImage throws */
export function readSpecification(options: BuildOptions, onWarning: (text: string) => void): Specification {
  const { source } = options;
  checkSections(options);
  const scheme = imageScheme(source);
  if (scheme !== undefined) return { kind: 'uri', scheme, reference: source };
  if (isDefinition(source, options)) return { kind: 'definition', definition: read(options, onWarning) };
  try {
    return { kind: 'image', inspected: inspectImage(source) };
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const { code, hint, errno, path } = error;
    // Apptainer's words: what is not there may as well have been meant as a definition file.
    const missing = `unable to open file ${source}: open ${source}: no such file or directory`;
    const message = errno === 'ENOENT' ? missing : error.message;
    throw new RuntimeError(code, `Unable to build from ${source}: ${message}`, { hint, errno, path });
  }
}

function checkSections({ sections }: BuildOptions): void {
  const unknown = sections?.find((name) => !SECTION_NAMES.includes(name));
  if (unknown === undefined) return;
  throw new RuntimeError('OPTION', `no section "${unknown}"`, {
    path: '--section',
    hint: `use ${SECTION_NAMES.join(', ')}`,
  });
}

/** A small regular file without zero bytes whose lines begin as those of a definition do. */
function isDefinition(path: string, { json }: BuildOptions): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    const fd = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(Math.min(HEAD_BYTES, fstatSync(fd).size));
      const text = bytes.toString('utf8', 0, readSync(fd, bytes));
      // An empty file, or one with comments alone, is no image either; a definition's errors are the better ones.
      const empty = path.endsWith('.def') && !text.includes('\0');
      return json ? text.trimStart().startsWith('{') : empty || looksLikeDefinition(text);
    } finally {
      closeSync(fd);
    }
  } catch {
    return false; // whoever opens it as an image says why
  }
}

function read(options: BuildOptions, onWarning: (text: string) => void): Definition {
  const { source, warnUnusedBuildArgs } = options;
  const text = readText(source, 'definition file');
  const args = buildArguments(options, onWarning);
  try {
    const { definition, unused, warnings } = parseDefinition(text, source, args);
    for (const warning of warnings) onWarning(warning);
    checkUnused(unused, warnUnusedBuildArgs ?? false, onWarning);
    return definition;
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'DEFINITION') throw error;
    const { code, message, hint, path } = error;
    throw new RuntimeError(code, `Unable to build from ${source}: ${message}`, { hint, path });
  }
}

function readText(path: string, what: string): string {
  try {
    if (statSync(path).size > MAX_DEFINITION_BYTES) {
      throw new RuntimeError('DEFINITION', `the ${what} "${path}" is larger than ${MAX_DEFINITION_BYTES} bytes`, {
        path,
      });
    }
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    const errno = errnoOf(cause);
    throw new RuntimeError('DEFINITION', `read the ${what} "${path}": ${errno ?? String(cause)}`, {
      path,
      errno,
      cause,
    });
  }
}

/** Those of `--build-arg` beat those of `--build-arg-file`. */
function buildArguments(
  { buildArgs = [], buildArgFile }: BuildOptions,
  onWarning: (text: string) => void,
): Map<string, string> {
  const skipped = (line: string): void =>
    onWarning(`Skipping "${line}" in build arg file: "${line}" is not a key=value pair`);
  const values =
    buildArgFile === undefined
      ? new Map<string, string>()
      : parseBuildArgFile(readText(buildArgFile, 'build arg file'), skipped);
  for (const text of buildArgs) values.set(...parseBuildArg(text));
  return values;
}

function checkUnused(unused: string[], warn: boolean, onWarning: (text: string) => void): void {
  if (unused.length === 0) return;
  const names = unused.join(', ');
  if (warn) onWarning(`Unused build args: ${names}`);
  else {
    const text = `unused build args: ${names}. Use option --warn-unused-build-args to show a warning instead of a fatal message`;
    throw new RuntimeError('OPTION', text, { path: '--build-arg' });
  }
}
