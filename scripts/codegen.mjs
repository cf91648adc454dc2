// Generates, from src/schema/*.proto:
//   src/schema/generated/NAME.js + .d.ts   static protobuf codecs for TypeScript
//   build/generated/davit_fields.h         field numbers and enum values for C++ (scripts/proto-fields.mjs)
// Nothing is written when the files are newer than their sources.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { isMain, newestMtime, oldestMtime, root, writeIfChanged } from './lib.mjs';
import { fieldsHeader } from './proto-fields.mjs';

const schemaDir = join(root, 'src/schema');
const outDir = join(schemaDir, 'generated');
const header = join(root, 'build/generated/davit_fields.h');

/** 64-bit fields are plain numbers: ticks, inodes, sizes and milliseconds all stay below 2^53. */
const options = [
  '--target',
  'static-module',
  '--wrap',
  'esm',
  '--dts',
  '--force-number',
  '--no-create',
  '--no-verify',
  '--no-convert',
  '--no-delimited',
  '--no-typeurl',
  '--no-service',
  '--no-beautify',
];

/** Generates the codecs and the header where they are missing or old; `force` always does. */
export async function codegen({ force = false } = {}) {
  const protos = readdirSync(schemaDir)
    .filter((name) => name.endsWith('.proto'))
    .sort()
    .map((name) => join(schemaDir, name));
  const outputs = [header, ...protos.flatMap((proto) => ['.js', '.d.ts'].map((ext) => generatedPath(proto, ext)))];
  const inputs = [
    ...protos,
    join(root, 'scripts/codegen.mjs'),
    join(root, 'scripts/proto-fields.mjs'),
    join(root, 'package-lock.json'),
  ];
  if (!force && oldestMtime(outputs) > newestMtime(inputs)) return;

  mkdirSync(outDir, { recursive: true });
  for (const proto of protos) await pbjs(proto);
  for (const proto of protos) numbersOnly(generatedPath(proto, '.js'));
  keepDecoders('launch', ['LaunchReport']);
  writeIfChanged(header, await fieldsHeader(protos), { touch: true });
}

function generatedPath(proto, ext) {
  return join(outDir, basename(proto, '.proto') + ext);
}

function pbjs(proto) {
  const { pbjs } = createRequire(import.meta.url)('protobufjs-cli');
  // A root of its own for each file: modules that share one overwrite each other's package.
  const args = [
    ...options,
    '--root',
    `davit-${basename(proto, '.proto')}`,
    '--out',
    generatedPath(proto, '.js'),
    proto,
  ];
  return new Promise((resolve, reject) => {
    pbjs.main(args, (error) => (error ? reject(new Error(`pbjs ${proto}: ${error.message}`)) : resolve()));
  });
}

/** --force-number speaks to the types alone: without this the decoders return objects wherever `long` is installed. */
function numbersOnly(path) {
  const text = readFileSync(path, 'utf8');
  const [importLine] = text.match(/^import \$protobuf .*$/m) ?? [];
  if (!importLine) throw new Error(`${path}: the generator has changed, see numbersOnly`);
  writeFileSync(
    path,
    text.replace(importLine, `${importLine}\n\n$$protobuf.util.Long = null;\n$$protobuf.configure();`),
  );
}

/**
 * Drops the decoders that TypeScript never needs: plans are only written here and read by native code. Half of the
 * module, and 0.5 ms of every start.
 */
function keepDecoders(name, messages) {
  const script = /\n {8}(\w+)\.decode = function [\s\S]*?\n {8}\};\n/g;
  const declaration = /\n {8}\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s+static decode\([^\n]*: davit\.(\w+) & [^\n]*\n/g;
  for (const [ext, pattern] of [
    ['.js', script],
    ['.d.ts', declaration],
  ]) {
    const path = join(outDir, name + ext);
    const text = readFileSync(path, 'utf8');
    const kept = text.replace(pattern, (match, message) => (messages.includes(message) ? match : '\n'));
    const complete = messages.every((message) =>
      kept.match(new RegExp(`${message}.decode = |decode.*davit.${message}\\b`)),
    );
    if (kept === text || !complete) throw new Error(`${path}: the generator has changed, see keepDecoders`);
    writeFileSync(path, kept);
  }
}

if (isMain(import.meta.url)) await codegen({ force: process.argv.includes('--force') });
