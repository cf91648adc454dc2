// Generates, from src/schema/*.proto:
//   src/schema/generated/NAME.js + .d.ts   static protobuf codecs for TypeScript
//   build/generated/davit_fields.h         field numbers and enum values for C++ (scripts/proto-fields.mjs)
// Nothing is written when the files are newer than their sources.
import { mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { isMain, newestMtime, oldestMtime, root, writeIfChanged } from './lib.mjs';
import { fieldsHeader } from './proto-fields.mjs';

const schemaDir = join(root, 'src/schema');
const outDir = join(schemaDir, 'generated');
const header = join(root, 'build/generated/davit_fields.h');

/** 64-bit fields are plain numbers: ticks, inodes, sizes and milliseconds all stay below 2^53. */
const options = [
  '--target', 'static-module', '--wrap', 'esm', '--dts', '--force-number', '--no-create', '--no-verify',
  '--no-convert', '--no-delimited', '--no-typeurl', '--no-service', '--no-beautify',
];

/** Generates the codecs and the header where they are missing or old; `force` always does. */
export async function codegen({ force = false } = {}) {
  const protos = readdirSync(schemaDir).filter((name) => name.endsWith('.proto')).sort().map((name) => join(schemaDir, name));
  const outputs = [header, ...protos.flatMap((proto) => ['.js', '.d.ts'].map((ext) => generatedPath(proto, ext)))];
  const inputs = [...protos, join(root, 'scripts/codegen.mjs'), join(root, 'scripts/proto-fields.mjs'), join(root, 'package-lock.json')];
  if (!force && oldestMtime(outputs) > newestMtime(inputs)) return;

  mkdirSync(outDir, { recursive: true });
  for (const proto of protos) await pbjs(proto);
  writeIfChanged(header, await fieldsHeader(protos), { touch: true });
}

function generatedPath(proto, ext) {
  return join(outDir, basename(proto, '.proto') + ext);
}

function pbjs(proto) {
  const { pbjs } = createRequire(import.meta.url)('protobufjs-cli');
  // A root of its own for each file: modules that share one overwrite each other's package.
  const args = [...options, '--root', `davit-${basename(proto, '.proto')}`, '--out', generatedPath(proto, '.js'), proto];
  return new Promise((resolve, reject) => {
    pbjs.main(args, (error) => (error ? reject(new Error(`pbjs ${proto}: ${error.message}`)) : resolve()));
  });
}

if (isMain(import.meta.url)) await codegen({ force: process.argv.includes('--force') });
