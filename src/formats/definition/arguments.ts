/** Build arguments: `{{ NAME }}` in a definition file, and where their values come from. */
import { RuntimeError } from '../../errors';
import type { Line } from './definition';
import { definitionError } from './errors';

const REFERENCE = /\{\{\s*(\w+)\s*\}\}/g;
/** Values may hold references again, but not without end. */
const MAX_DEPTH = 64;
const MAX_EXPANSIONS = 10_000;
const MAX_LINE_LENGTH = 1 << 20;

/**
 * Splits `NAME=VALUE`; the value is everything behind the first `=`.
 * @throws RuntimeError OPTION
 */
export function parseBuildArg(text: string): [name: string, value: string] {
  const equals = text.indexOf('=');
  if (equals < 1) {
    const hint = 'write --build-arg NAME=VALUE';
    throw new RuntimeError('OPTION', `While processing the definition file: "${text}" is not a key=value pair`, {
      hint,
    });
  }
  return [text.slice(0, equals).trim(), text.slice(equals + 1)];
}

/**
 * Reads the lines `NAME=VALUE` of a build argument file. Blank lines and lines that begin with `#` are left out.
 * @param onSkipped gets other lines
 */
export function parseBuildArgFile(text: string, onSkipped: (line: string) => void): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (trimmed.indexOf('=') < 1) onSkipped(trimmed);
    else values.set(...parseBuildArg(trimmed));
  }
  return values;
}

/** The work on one line. */
interface Expansion {
  defaults: ReadonlyMap<string, string>;
  line: number;
  /** References that may still be replaced. */
  left: number;
}

/** Values for one stage: the caller's beat those of its `%arguments`. */
export class BuildArguments {
  private readonly used = new Set<string>();

  constructor(
    private readonly given: ReadonlyMap<string, string>,
    private readonly name: string,
  ) {}

  /** Names of the caller's arguments that no stage has asked for. */
  unused(): string[] {
    return [...this.given.keys()].filter((name) => !this.used.has(name));
  }

  /**
   * Puts the values into the lines of a stage. What stands behind a `#` stays as it is.
   * @param defaults the stage's `%arguments`
   * @throws RuntimeError DEFINITION for an argument without a value
   */
  substitute(lines: Line[], defaults: ReadonlyMap<string, string>): Line[] {
    return lines.flatMap((line) => {
      const hash = line.text.indexOf('#');
      const code = hash < 0 ? line.text : line.text.slice(0, hash);
      if (!code.includes('{{')) return [line];
      const expansion = { defaults, line: line.number, left: MAX_EXPANSIONS };
      const text = this.expand(code, expansion) + (hash < 0 ? '' : line.text.slice(hash));
      return text.split('\n').map((part) => ({ text: part, number: line.number }));
    });
  }

  private expand(text: string, expansion: Expansion, depth = 0): string {
    const { defaults, line } = expansion;
    const result = text.replace(REFERENCE, (_, name: string) => {
      if (expansion.left-- === 0 || depth > MAX_DEPTH) {
        throw definitionError(this.name, line, 'build arguments refer to each other');
      }
      const given = this.given.get(name);
      if (given !== undefined) {
        this.used.add(name);
        return given;
      }
      const value = defaults.get(name);
      if (value === undefined) throw this.undefinedError(name, line);
      return this.expand(value, expansion, depth + 1);
    });
    if (result.length > MAX_LINE_LENGTH) throw definitionError(this.name, line, 'build arguments make a line too long');
    return result;
  }

  private undefinedError(name: string, line: number): RuntimeError {
    const where = `--build-arg (--build-arg-file) or 'arguments' section`;
    const text = `build var ${name} is not defined through either ${where}`;
    return new RuntimeError('DEFINITION', `${text} (${this.name}:${line})`, {
      path: `${this.name}:${line}`,
      hint: `add --build-arg ${name}=VALUE`,
    });
  }
}
