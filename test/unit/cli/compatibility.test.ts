import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BEGIN, compatibilityTables, END } from '../../../src/cli/help/compatibility';
import { allFlags } from '../../../src/cli/flags';

const path = join(__dirname, '../../../docs/compatibility.md');

/** `UPDATE_DOCS=1 npm run test:unit` writes the tables anew. */
it('docs/compatibility.md has every flag as the table has it', () => {
  const text = readFileSync(path, 'utf8');
  const [before, after] = [text.slice(0, text.indexOf(BEGIN)), text.slice(text.indexOf(END) + END.length + 1)];
  if (process.env.UPDATE_DOCS) writeFileSync(path, before + compatibilityTables() + after);
  expect(readFileSync(path, 'utf8')).toBe(before + compatibilityTables() + after);
  const tables = compatibilityTables();
  for (const flag of allFlags()) expect(tables).toContain(`\`--${flag.name}\``);
});
