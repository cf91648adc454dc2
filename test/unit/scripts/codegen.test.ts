import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { davit } from '../../../src/schema/generated/launch';
import { davit as recordModule } from '../../../src/schema/generated/record';

const launchProto = resolve('src/schema/launch.proto');

describe('generated codecs', () => {
  it('write what another reader of the schema reads', () => {
    const plan = {
      format: 1,
      mode: davit.Mode.INSTANCE,
      steps: [{ bind: { source: '/a', target: '/b', readOnly: true } }, { pivotRoot: {} }],
    };
    const bytes = davit.LaunchPlan.encode(plan).finish();
    const reader = protobuf.loadSync(launchProto).lookupType('davit.LaunchPlan');
    const read = reader.toObject(reader.decode(bytes), { enums: Number });
    expect(read).toEqual(plan);
  });

  it('keep 64-bit fields exact up to 2^53', () => {
    const startTime = Number.MAX_SAFE_INTEGER;
    const bytes = recordModule.InstanceRecord.encode({ name: 'web', pidStartTime: startTime }).finish();
    expect(recordModule.InstanceRecord.decode(bytes).pidStartTime).toBe(startTime);
  });
});

describe('davit_fields.h', () => {
  it('has the number of every field of the launch plan', () => {
    const header = readFileSync(resolve('build/generated/davit_fields.h'), 'utf8');
    const plan = new protobuf.Root().loadSync(launchProto, { keepCase: true }).lookupType('davit.LaunchPlan');
    const block = /namespace davit::fields::LaunchPlan \{\n([^}]*)\}/.exec(header)?.[1] ?? '';
    const numbers = Object.fromEntries(
      [...block.matchAll(/constexpr unsigned (\w+) = (\d+);/g)].map(([, name, id]) => [name, Number(id)]),
    );
    expect(numbers.davit_version).toBe(2);
    expect(Object.values(numbers).sort()).toEqual(plan.fieldsArray.map((field) => field.id).sort());
  });
});
