import { RuntimeError } from '../../errors';

/** Where images come from that are not files, by scheme. */
const WITH_SLASHES = ['docker', 'library', 'oras', 'http', 'https', 'ipfs', 'ipns', 'shub', 'instance'];
const BARE = ['docker-daemon', 'docker-archive', 'oci', 'oci-archive'];

/**
 * The scheme of an image reference that is a URI; `undefined` for a file name, also one that has a colon in it.
 * `docker-archive:` and its kin take a path and need no slashes.
 */
export function imageScheme(reference: string): string | undefined {
  const colon = reference.indexOf(':');
  if (colon < 1) return undefined;
  const scheme = reference.slice(0, colon).toLowerCase();
  if (BARE.includes(scheme)) return scheme;
  return WITH_SLASHES.includes(scheme) && reference.startsWith('//', colon + 1) ? scheme : undefined;
}

/**
 * The file name that `pull` chooses: the last part of the path and the first tag; for web servers the last part as it is.
 * Archives and layouts go by the same rule, which names `docker-archive:a.tar` `a.tar_latest.sif`.
 */
export function defaultName(reference: string): string {
  const rest = reference.slice(reference.indexOf(':') + 1);
  const last = rest.slice(rest.lastIndexOf('/') + 1);
  if (/^https?:/.test(reference)) return last;
  const [name, tags = 'latest'] = last.split(':');
  return `${name}_${tags.split(',')[0]}.sif`;
}

/** A text in which the URLs have no user and password any more: for what others read, too. */
export function withoutLogin(text: string): string {
  return text.replace(/\b(https?:\/\/)[^\s/?#"]*@/gi, '$1');
}

/** The error for an image that is not fetched here, or from nowhere. */
export function unsupportedUri(scheme: string, reference: string): RuntimeError {
  if (scheme === 'shub') {
    return new RuntimeError('IMAGE_UNSUPPORTED', `shub:// images are gone: Singularity Hub was shut down in 2021`, {
      path: reference,
      hint: 'look for the image in another registry, or rebuild it from its definition file',
    });
  }
  if (scheme === 'instance') {
    return new RuntimeError('IMAGE_UNSUPPORTED', `"${reference}" names a running instance, not an image`, {
      path: reference,
    });
  }
  if (scheme === 'ipfs' || scheme === 'ipns') {
    const text = `images from ${scheme}: are not supported yet: "${reference}"`;
    return new RuntimeError('IMAGE_UNSUPPORTED', text, {
      path: reference,
      hint: 'fetch the file with the program ipfs, and use that',
    });
  }
  return new RuntimeError('IMAGE_UNSUPPORTED', `"${withoutLogin(reference)}" is an address, not an image file`, {
    path: reference,
    hint: `"davit pull image.sif ${withoutLogin(reference)}" makes a file of it`,
  });
}
