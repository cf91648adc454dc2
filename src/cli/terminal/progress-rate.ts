/** How fast work goes on, lately: what was there already when it began, and what happened long ago, does not count. */
const WINDOW_MS = 5_000;
/** Earlier, one chunk more or less makes all the difference. */
const LEAST_MS = 250;

export class Rate {
  private readonly samples: { ms: number; bytes: number }[] = [];

  add(ms: number, bytes: number): void {
    const { samples } = this;
    const last = samples.at(-1);
    // A download that begins anew counts from there.
    if (last && bytes < last.bytes) samples.length = 0;
    // Between the first and the last a few are enough.
    if (samples.length > 1 && last && ms - last.ms < LEAST_MS) samples.pop();
    samples.push({ ms, bytes });
    while (samples.length > 2 && ms - (samples[1]?.ms ?? 0) >= WINDOW_MS) samples.shift();
  }

  /** Bytes per second; `undefined` while that cannot be told. */
  at(ms: number): number | undefined {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    if (!first || !last || ms - first.ms < LEAST_MS) return undefined;
    return ((last.bytes - first.bytes) * 1000) / (ms - first.ms);
  }
}
