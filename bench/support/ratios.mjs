// The arithmetic of the regression check.

/**
 * For each user and operation the median of the rounds' ratios, and the ratio of the least values, which noise of the
 * machine can only raise.
 */
export function ratiosOf(rows) {
  const ratios = {};
  for (const { group, name, wall, wallRatio } of rows) {
    const base = rows.find((row) => row.group === group);
    if (base.name === name) continue;
    ratios[group] ??= {};
    ratios[group][name] = { median: rounded(wallRatio.median), least: rounded(wall.min / base.wall.min) };
  }
  return ratios;
}

/** Rows of what was found beside what was stored; what has not been stored is new, and never worse. */
export function compare(found, before, tolerance) {
  return Object.entries(found).flatMap(([who, operations]) =>
    Object.entries(operations).map(([what, now]) => {
      const then = before[who]?.[what];
      const isWorse = then && now.median > then.median * tolerance && now.least > then.least * tolerance;
      return { who, what, now, then, verdict: then ? (isWorse ? 'worse' : 'as before') : 'new' };
    }),
  );
}

function rounded(value) {
  return Math.round(value * 1000) / 1000;
}
