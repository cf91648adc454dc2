import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../native';

/** Version of davit: the bundler writes it in; unbundled it is read from package.json. */
export function version(): string {
  const built = process.env.DAVIT_BUILD_VERSION;
  if (built !== undefined) return built;
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
