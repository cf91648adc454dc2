/** What `inspect` shows of an image's metadata: the choice of parts, as text and as JSON, as the reference prints it. */
import type { AppAttributes, ImageAttributes } from './metadata';

export interface InspectChoice {
  /** Everything; `app` does not matter then. */
  all: boolean;
  listApps: boolean;
  /** Parts of this app instead of the image's. */
  app?: string;
  deffile: boolean;
  environment: boolean;
  helpfile: boolean;
  labels: boolean;
  runscript: boolean;
  startscript: boolean;
  test: boolean;
}

const APP_PARTS = ['environment', 'labels', 'runscript', 'startscript', 'test', 'helpfile'] as const;

/**
 * The chosen part of what is known.
 * @param isWhole it comes from the metadata of a SIF: then the list of apps has all about them, else their names alone
 * @param isApart the definition file does not come from the tree: then it is shown beside the parts of an app
 */
export function chooseAttributes(
  known: ImageAttributes,
  choice: InspectChoice,
  isWhole: boolean,
  isApart = true,
): ImageAttributes {
  if (choice.all) return known;
  const chosen: ImageAttributes = {};
  const { app } = choice;
  if (app === undefined) Object.assign(chosen, parts(known, choice));
  if (choice.deffile && (app === undefined || isApart)) chosen.deffile = known.deffile;
  if (choice.listApps && isWhole) {
    chosen.apps = known.apps;
    return chosen;
  }
  const apps = new Map<string, AppAttributes>();
  if (choice.listApps) for (const name of Object.keys(known.apps ?? {})) apps.set(name, {});
  if (app !== undefined && known.apps && Object.hasOwn(known.apps, app)) {
    apps.set(app, parts(known.apps[app] as AppAttributes, choice));
  }
  if (apps.size > 0) chosen.apps = Object.fromEntries(apps);
  return chosen;
}

function parts(known: AppAttributes, choice: InspectChoice): AppAttributes {
  return Object.fromEntries(APP_PARTS.filter((part) => choice[part]).map((part) => [part, known[part]]));
}

/** One part after the other, without a word about where it begins. */
export function inspectText(chosen: ImageAttributes, choice: InspectChoice): string {
  const { app, listApps } = choice;
  const lines = listApps ? Object.keys(chosen.apps ?? {}).sort(byBytes) : [];
  if (chosen.deffile) lines.push(chosen.deffile);
  const shown: AppAttributes =
    app === undefined ? chosen : chosen.apps && Object.hasOwn(chosen.apps, app) ? (chosen.apps[app] ?? {}) : {};
  for (const part of ['runscript', 'startscript', 'test', 'helpfile'] as const) {
    const text = shown[part];
    if (text) lines.push(text);
  }
  for (const [path, text] of sortedEntries(shown.environment)) lines.push(`=== ${path} ===`, text, '');
  for (const [name, value] of sortedEntries(shown.labels)) lines.push(`${name}: ${value}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** Indented by tabs; keys of maps sorted by their bytes, and what is empty left out. */
export function inspectJson(chosen: ImageAttributes): string {
  const attributes = object([
    ['apps', mapJson(chosen.apps, appJson)],
    ...partsJson(chosen, ['environment', 'labels', 'runscript', 'test', 'helpfile', 'deffile', 'startscript']),
  ]);
  const data = object([['attributes', attributes ?? '{}']]);
  return `${indented(
    object([
      ['data', data],
      ['type', '"container"'],
    ]) as string,
  )}\n`;
}

function appJson(app: AppAttributes): string {
  return object(partsJson(app, APP_PARTS)) ?? '{}';
}

function partsJson(known: ImageAttributes, names: readonly Exclude<keyof ImageAttributes, 'apps'>[]): Member[] {
  return names.map((name): Member => {
    const value = known[name];
    return [name, typeof value === 'object' ? mapJson(value, text) : value ? text(value) : undefined];
  });
}

type Member = [name: string, json: string | undefined];

/** `undefined` for an object without members. */
function object(members: Member[]): string | undefined {
  const present = members.filter(([, json]) => json !== undefined);
  return present.length === 0 ? undefined : `{${present.map(([name, json]) => `${text(name)}:${json}`).join(',')}}`;
}

function mapJson<T>(map: Record<string, T> | undefined, json: (value: T) => string): string | undefined {
  return object(sortedEntries(map).map(([name, value]): Member => [name, json(value)]));
}

/** As Go writes strings: safe inside HTML. */
function text(value: string): string {
  const coded = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, coded);
}

/** Compact JSON with line breaks and tabs. Not JSON.stringify: that puts keys that look like numbers first. */
function indented(json: string): string {
  let depth = 0;
  const line = () => `\n${'\t'.repeat(depth)}`;
  return json.replace(/"(?:[^"\\]|\\.)*"|\{\}|[{},:]/g, (token) => {
    if (token === '{') {
      depth++;
      return `{${line()}`;
    }
    if (token === '}') {
      depth--;
      return `${line()}}`;
    }
    if (token === ',') return `,${line()}`;
    return token === ':' ? ': ' : token;
  });
}

function sortedEntries<T>(map: Record<string, T> | undefined): [string, T][] {
  return Object.entries(map ?? {}).sort(([a], [b]) => byBytes(a, b));
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * The attributes in the text of `inspect-metadata.json`.
 * @throws Error whose message says what is wrong with it
 */
export function parseMetadata(json: string): ImageAttributes {
  const root: unknown = JSON.parse(json);
  const data = isMap(root) ? root.data : undefined;
  const attributes = isMap(data) ? data.attributes : undefined;
  if (!isMap(root) || !isOptionalMap(data) || !isOptionalMap(attributes)) throw new Error('not metadata of an image');
  const known = (attributes ?? {}) as Record<string, unknown>;
  checkParts(known);
  if (!isOptionalMap(known.apps)) throw new Error('"apps" is no map');
  for (const app of Object.values(known.apps ?? {})) {
    if (!isMap(app)) throw new Error('an app is no map');
    checkParts(app);
  }
  return known as ImageAttributes;
}

function checkParts(known: Record<string, unknown>): void {
  for (const name of ['environment', 'labels']) {
    const map = known[name];
    const isGood = isOptionalMap(map) && Object.values(map ?? {}).every((value) => typeof value === 'string');
    if (!isGood) throw new Error(`"${name}" is no map of texts`);
  }
  for (const name of ['runscript', 'startscript', 'test', 'helpfile', 'deffile']) {
    if (!['string', 'undefined'].includes(typeof (known[name] ?? undefined))) throw new Error(`"${name}" is no text`);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOptionalMap(value: unknown): value is Record<string, unknown> | null | undefined {
  return value === undefined || value === null || isMap(value);
}
