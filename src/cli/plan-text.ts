/** A launch plan for people to read: the namespaces, the steps by number, the program. */

/** The fields of a plan that are printed in a form of their own. */
interface PrintablePlan {
  mode?: number | null;
  namespaces?: object | null;
  steps?: readonly object[] | null;
  program?: { script?: string | null } | null;
}

const MODES = ['in place', 'child', 'instance', 'join'];
const MODE_NAMES = ['IN_PLACE', 'CHILD', 'INSTANCE', 'JOIN'];

/** The plan as text: one line a step, with its number as errors name it. */
export function planText(plan: PrintablePlan): string {
  const { mode, namespaces, steps, program, ...rest } = plan;
  const { script, ...programRest } = program ?? {};
  const lines = [`mode        ${MODES[mode ?? 0]}`];
  for (const [name, value] of Object.entries({ namespaces, ...rest })) {
    if (!isEmpty(value)) lines.push(`${name.padEnd(11)} ${formatFields(value)}`);
  }
  lines.push('steps');
  (steps ?? []).forEach((step, index) => {
    const [name, fields] = Object.entries(step).find(([, value]) => value !== null && value !== undefined) ?? ['?', {}];
    lines.push(`${String(index + 1).padStart(4)}  ${name} ${formatFields(fields)}`.trimEnd());
  });
  lines.push(`program     ${formatFields(programRest)}`);
  if (script)
    lines.push(
      'script',
      ...script
        .trimEnd()
        .split('\n')
        .map((line) => `      ${line}`.trimEnd()),
    );
  return `${lines.join('\n')}\n`;
}

/** The plan as JSON: bytes as text where they are text, else as base64; the mode by its name. */
export function planJson(plan: PrintablePlan): unknown {
  const printable = { ...plan, mode: MODE_NAMES[plan.mode ?? 0] };
  return JSON.parse(
    JSON.stringify(printable, (_, value: unknown) =>
      isBytes(value) ? bytesText(value) : value === null ? undefined : value,
    ),
  );
}

// JSON.stringify calls Buffer's toJSON before the replacer sees the value, so both forms are known here.
function isBytes(value: unknown): value is Uint8Array | { type: 'Buffer'; data: number[] } {
  return value instanceof Uint8Array || (value as { type?: unknown } | null)?.type === 'Buffer';
}

function bytesText(value: Uint8Array | { type: 'Buffer'; data: number[] }): string {
  const bytes = Buffer.from(value instanceof Uint8Array ? value : value.data);
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) && !/[\0-\x08]/.test(text) ? text : bytes.toString('base64');
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '' || value === 0) return true;
  if (value instanceof Uint8Array) return value.length === 0;
  return Array.isArray(value) && value.length === 0;
}

/** `source=/srv target=/srv readOnly`: the fields that say something. */
function formatFields(value: unknown): string {
  if (typeof value !== 'object' || value === null) return formatValue(value);
  return Object.entries(value)
    .filter(([, field]) => !isEmpty(field))
    .map(([name, field]) => (field === true ? name : `${name}=${formatValue(field)}`))
    .join(' ');
}

function formatValue(value: unknown): string {
  if (value instanceof Uint8Array) return `(${value.length} bytes)`;
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`;
  if (typeof value === 'object' && value !== null) return `{${formatFields(value)}}`;
  const text = String(value);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : JSON.stringify(text);
}
