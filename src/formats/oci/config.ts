/** Image configurations: what a layer stack is for, and how it wants to be run (OCI image specification, config.md). */
import { RuntimeError } from '../../errors';
import { requireDigest } from './digest';
import { isObject, type JsonObject, optionalString, parseObject, stringList, stringMap } from './json';

export interface ImageConfig {
  architecture?: string;
  variant?: string;
  os?: string;
  /** RFC 3339, as it stands there. */
  created?: string;
  /** Digests of the uncompressed layers, lowest first. */
  diffIds: string[];
  /** Each as NAME=VALUE; not every word of it need be valid. */
  env: string[];
  entrypoint: string[];
  cmd: string[];
  labels: Record<string, string>;
  /** The object `config` as it stands there: what `oci-config.json` holds. */
  raw: JsonObject;
}

/** @throws RuntimeError IMAGE_FORMAT */
export function decodeConfig(bytes: Uint8Array): ImageConfig {
  const json = parseObject(bytes, 'the image configuration');
  const config = isObject(json.config) ? json.config : {};
  const rootfs = isObject(json.rootfs) ? json.rootfs : {};
  const diffIds = stringList(rootfs.diff_ids, 'diff_ids of the image configuration') ?? [];
  return {
    architecture: optionalString(json.architecture),
    variant: optionalString(json.variant),
    os: optionalString(json.os),
    created: optionalString(json.created),
    diffIds: diffIds.map((id) => requireDigest(id, 'diff_ids of the image configuration')),
    env: stringList(config.Env, 'Env of the image configuration') ?? [],
    entrypoint: stringList(config.Entrypoint, 'Entrypoint of the image configuration') ?? [],
    cmd: stringList(config.Cmd, 'Cmd of the image configuration') ?? [],
    labels: stringMap(config.Labels),
    raw: config,
  };
}

/** @throws RuntimeError IMAGE_FORMAT when manifest and configuration contradict each other */
export function checkLayerCount(config: ImageConfig, layers: number): void {
  if (config.diffIds.length === layers) return;
  const message = `the manifest has ${layers} layers, the image configuration ${config.diffIds.length}`;
  throw new RuntimeError('IMAGE_FORMAT', message);
}
