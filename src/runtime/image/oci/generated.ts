/** What the configuration of an OCI image becomes in an image of ours (formats.md section 7). */
import type { NewEntry } from '../../../formats/container/tree';
import type { ImageConfig } from '../../../formats/oci/config';
import { ociEnvironment } from './environment';
import { ociRunscript } from './runscript';

export interface OciParts {
  /** Files below `/.singularity.d`; they replace what the layers have there. */
  entries: NewEntry[];
  /** Labels of the image; those of the build come over them. */
  labels: Record<string, string>;
  /** The object `oci-config.json` of the SIF. */
  configJson: string;
}

/** USER, WORKDIR, VOLUME, EXPOSE and HEALTHCHECK have no meaning for instances; they are in the object alone. */
export function ociParts(config: ImageConfig, base: { name: string; digest: string }): OciParts {
  const script = (name: string, content: string): NewEntry => ({
    path: `.singularity.d/${name}`,
    type: 'file',
    mode: 0o755,
    content,
    replace: true,
  });
  return {
    entries: [
      script('env/10-docker2singularity.sh', ociEnvironment(config.env)),
      script('runscript', ociRunscript(config)),
    ],
    labels: {
      ...config.labels,
      'org.opencontainers.image.base.name': base.name,
      'org.opencontainers.image.base.digest': base.digest,
    },
    configJson: JSON.stringify(config.raw),
  };
}
