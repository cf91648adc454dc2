// Generates, from src/schema/*.proto:
//   src/schema/generated/NAME.js + .d.ts   protobuf codecs for TypeScript (scripts/codec-modules.mjs)
//   build/generated/davit_fields.h         field numbers and enum values for C++ (scripts/proto-fields.mjs)
// Nothing is written when the files are newer than their sources.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { codecModule } from './codec-modules.mjs';
import { isMain, newestMtime, oldestMtime, root, writeIfChanged } from './lib.mjs';
import { fieldsHeader } from './proto-fields.mjs';

const schemaDir = join(root, 'src/schema');
const header = join(root, 'build/generated/davit_fields.h');

/** Generates the codecs and the header where they are missing or old; `force` always does. */
export async function codegen({ force = false } = {}) {
  const protos = readdirSync(schemaDir)
    .filter((name) => name.endsWith('.proto'))
    .sort()
    .map((name) => join(schemaDir, name));
  const outputs = [header, ...protos.flatMap((proto) => ['.js', '.d.ts'].map((ext) => generatedPath(proto, ext)))];
  const generators = ['codegen', 'codec-modules', 'proto-fields'].map((name) => join(root, `scripts/${name}.mjs`));
  const inputs = [...protos, ...generators, join(root, 'package-lock.json')];
  if (!force && oldestMtime(outputs) > newestMtime(inputs)) return;

  for (const proto of protos) {
    const { script, declarations } = await codecModule(proto);
    writeIfChanged(generatedPath(proto, '.js'), script, { touch: true });
    writeIfChanged(generatedPath(proto, '.d.ts'), declarations, { touch: true });
  }
  writeIfChanged(header, await fieldsHeader(protos), { touch: true });
}

function generatedPath(proto, ext) {
  return join(schemaDir, 'generated', basename(proto, '.proto') + ext);
}

if (isMain(import.meta.url)) await codegen({ force: process.argv.includes('--force') });
