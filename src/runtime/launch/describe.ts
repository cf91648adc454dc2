/** A plan as text and as JSON: `--dry-run`. Not on the path of a launch. */
import { RECORD } from './join';
import { type LaunchPlan, MODE, type Step, stepKind, type Variable } from './plan';

const MODE_NAMES: Record<number, string> = {
  [MODE.inPlace]: 'in place (the launcher becomes the program)',
  [MODE.child]: 'child (a PID namespace; the launcher waits)',
  [MODE.instance]: 'instance (keeper and init stay)',
  [MODE.join]: 'join (the namespaces of a running instance)',
};
const LABEL_WIDTH = 18;
const CALLERS_DIRECTORY = "the caller's, else HOME of the instance, else /";

/** The plan for people: one line a step, numbered as errors number them. */
export function describePlan(plan: LaunchPlan): string {
  const lines = [
    `plan format ${plan.format}, davit ${plan.davitVersion}`,
    label('mode', MODE_NAMES[plan.mode ?? 0] ?? '?'),
  ];
  if (plan.namespaces) lines.push(...describeNamespaces(plan.namespaces));
  if (plan.join) lines.push(label('instance', `${plan.join.name} in ${plan.join.stateDir}`));
  if (plan.instance) lines.push(...describeInstance(plan.instance));
  lines.push('steps');
  for (const [index, step] of (plan.steps ?? []).entries()) lines.push(describeStep(index + 1, step));
  if (plan.program) lines.push(...describeProgram(plan.program));
  return `${lines.join('\n')}\n`;
}

/** The plan for programs: protobuf's own field names in camel case; bytes as base64, or as text where they are text. */
export function planToJson(plan: LaunchPlan): string {
  return JSON.stringify(plan, (_key, value: unknown) => plainValue(value), '\t');
}

function plainValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return plainBytes(value);
  // A Buffer has turned itself into { type: 'Buffer', data } before it gets here.
  const buffer = value as { type?: unknown; data?: unknown } | null;
  if (buffer !== null && typeof buffer === 'object' && buffer.type === 'Buffer' && Array.isArray(buffer.data)) {
    return plainBytes(Uint8Array.from(buffer.data as number[]));
  }
  return value;
}

function plainBytes(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  return /^[\t\n\x20-\x7e\x80-\uffef]*$/.test(text) ? text : Buffer.from(bytes).toString('base64');
}

function label(name: string, text: string): string {
  return `${name.padEnd(LABEL_WIDTH)} ${text}`;
}

function describeNamespaces(namespaces: NonNullable<LaunchPlan['namespaces']>): string[] {
  const { idMap, ...flags } = namespaces;
  const names = Object.entries(flags).filter(([, made]) => made === true);
  const lines = [label('namespaces', names.map(([name]) => name).join(', '))];
  if (idMap) lines.push(label('id map', describeIdMap(idMap)));
  return lines;
}

interface Range {
  inside?: number | null;
  outside?: number | null;
  count?: number | null;
}

function describeIdMap(map: { uid?: Range[] | null; gid?: Range[] | null; uidHelper?: string | null }): string {
  const ranges = (list: Range[] | null | undefined): string =>
    (list ?? []).map(({ inside, outside, count }) => `${inside}->${outside}x${count}`).join(' ');
  const helper = map.uidHelper ? `, by ${map.uidHelper}` : '';
  return `uid ${ranges(map.uid)}, gid ${ranges(map.gid)}${helper}`;
}

function describeInstance(instance: NonNullable<LaunchPlan['instance']>): string[] {
  const lines = [label('instance', `${instance.name} in ${instance.stateDir}`), label('logs', instance.logDir ?? '')];
  if (instance.pidFile) lines.push(label('pid file', instance.pidFile));
  if (instance.waitSeconds) lines.push(label('wait', `${instance.waitSeconds} s`));
  return lines;
}

function describeStep(number: number, step: Step): string {
  const kind = stepKind(step);
  const body = (step as Record<string, Record<string, unknown>>)[kind] ?? {};
  return `${String(number).padStart(4)} ${label(kind, describeBody(kind, body))}`.trimEnd();
}

function describeBody(kind: string, body: Record<string, unknown>): string {
  if (kind === 'bind') {
    const { source, target, ...rest } = body;
    return `${source} -> ${target}${describeFields(rest)}`;
  }
  if (kind === 'propagation') return body.private ? 'private' : 'slave';
  if (kind === 'session') return `${Number(body.sizeBytes) / (1024 * 1024)} MiB`;
  if (kind === 'userNamespace') return describeIdMap(body.idMap as Parameters<typeof describeIdMap>[0]);
  const { target, path, ...rest } = body;
  return `${target ?? path ?? ''}${describeFields(rest)}`.trim();
}

/** `name` for a flag that is set, `name=value` for the rest. */
function describeFields(fields: Record<string, unknown>): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === false || value === '') continue;
    text += value === true ? `, ${name}` : `, ${name} ${describeValue(name, value)}`;
  }
  return text.replace(/^, /, text.length > 2 ? ' ' : '');
}

function describeValue(name: string, value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} B`;
  if (name.toLowerCase().endsWith('mode')) return `0${Number(value).toString(8)}`;
  if (name === 'keepMask') return `0x${BigInt(value as number).toString(16)}`;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function describeProgram(program: NonNullable<LaunchPlan['program']>): string[] {
  const { workingDirectory, environment, script } = program;
  const fallbacks = (workingDirectory?.fallbacks ?? []).map((path) => `, else ${path}`).join('');
  const lines = [
    'program',
    label('  arguments', (program.arguments ?? []).map((word) => JSON.stringify(word)).join(' ')),
    label('  directory', workingDirectory?.ofCaller ? CALLERS_DIRECTORY : `${workingDirectory?.path}${fallbacks}`),
    label('  umask', program.setUmask ? `0${(program.umask ?? 0).toString(8).padStart(3, '0')}` : "the caller's"),
    label('  script', `${(script ?? '').split('\n').length - 1} lines, ${program.shell} for what is not interpreted`),
    label('  environment', environment?.onlyAllowed ? `only ${(environment.allow ?? []).join(' ')}` : "the caller's"),
  ];
  for (const variable of environment?.set ?? []) lines.push(`    ${variable.name}=${describeValueOf(variable)}`);
  return lines;
}

function describeValueOf({ value, fromHost, fromInstanceName, fromRecord }: Variable): string {
  if (fromHost) return `(the caller's ${fromHost})`;
  if (fromInstanceName) return '(name of the instance)';
  const field = Object.entries(RECORD).find(([, number]) => number === fromRecord)?.[0];
  return field === undefined ? JSON.stringify(value ?? '') : `(${field} in the record of the instance)`;
}
