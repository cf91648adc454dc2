/** Times as people write them: 10m, 1h30m, 90s, as Go's programs take them, and days. */

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A thousand years: whatever is longer is a slip. */
const LONGEST_MS = 365_000 * 86_400_000;

/** Milliseconds, or `undefined` for what is no time. Only 0 needs no unit. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d{1,12}(\.\d{1,9})?(ms|[smhd]))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)([a-z]+)/g))
    sum += Number(number) * (UNITS_MS[unit as string] ?? 0);
  return sum > LONGEST_MS ? undefined : Math.round(sum);
}

/** `1h30m`, `9m58s`, `0s`: whole seconds, rounded up. */
export function formatDuration(ms: number): string {
  let left = Math.ceil(ms / 1000) * 1000;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's']) {
    const length = UNITS_MS[unit] as number;
    if (left >= length) text += `${Math.floor(left / length)}${unit}`;
    left %= length;
  }
  return text || '0s';
}
