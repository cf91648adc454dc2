/** `/.singularity.d/labels.json`: a flat map of strings. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

export type Labels = Record<string, string>;

/** The labels in a file; what is not a map of strings counts as no labels. */
export function parseLabels(text: string | undefined): Labels {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
    return Object.fromEntries(
      Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    );
  } catch {
    return {};
  }
}

/** Sorted, indented by tabs, without a newline at the end: as other builders write the file. */
export function formatLabels(labels: Labels): string {
  return JSON.stringify(sorted(labels), undefined, '\t');
}

export function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** Date as it stands in `org.label-schema.build-date`: nothing is padded, the zone is always UTC. */
export function labelDate(date: Date): string {
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
  const day = [DAYS[date.getUTCDay()], date.getUTCDate(), MONTHS[date.getUTCMonth()], date.getUTCFullYear()];
  return [...day, time.join(':'), 'UTC'].join('_');
}

export interface BuildFacts {
  date: Date;
  arch: string;
  /** Version of davit. */
  version: string;
  /** What was built from, as the user named it. */
  from: string;
  /** Header of the definition file, when there is one: keys in lower case. */
  header?: Record<string, string>;
  help: boolean;
}

/** Labels that every build sets anew, over what the source had. */
export function buildLabels(facts: BuildFacts): Labels {
  const labels: Labels = {
    'org.label-schema.schema-version': '1.0',
    'org.label-schema.build-date': labelDate(facts.date),
    'org.label-schema.build-arch': facts.arch,
    'org.label-schema.usage.davit.version': facts.version,
  };
  for (const [key, value] of Object.entries(facts.header ?? { bootstrap: 'localimage', from: facts.from })) {
    labels[`org.label-schema.usage.singularity.deffile.${key}`] = value;
  }
  if (facts.help) {
    labels['org.label-schema.usage'] = '/.singularity.d/runscript.help';
    labels['org.label-schema.usage.apptainer.runscript.help'] = '/.singularity.d/runscript.help';
  }
  return labels;
}

/** Lines `name value` of the file that sections write labels to. */
export function parseLabelLines(text: string): [name: string, value: string][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', value = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
      return [name, value];
    });
}

/**
 * Adds the labels of a definition. One that is there already stays, unless `force`.
 * @returns names of those that stayed
 */
export function addLabels(labels: Labels, added: [name: string, value: string][], force: boolean): string[] {
  const kept = new Set<string>();
  const own = new Set<string>();
  for (const [name, value] of added) {
    const there = Object.hasOwn(labels, name) && !own.has(name);
    if (there && !force) kept.add(name);
    else {
      Object.defineProperty(labels, name, { value, enumerable: true, configurable: true, writable: true });
      own.add(name);
    }
  }
  return [...kept];
}
