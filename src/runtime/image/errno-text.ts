import { errnoOf } from '../../errors';

/** What strerror(3) says. */
const TEXTS: Record<string, string> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'file exists',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
  EIO: 'input/output error',
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EFBIG: 'file too large',
  EROFS: 'read-only file system',
  ETXTBSY: 'text file busy',
  ENXIO: 'no such device or address',
  EMFILE: 'too many open files',
};

/** A system error in words, as the reference ends its messages. */
export function errnoText(error: unknown): string {
  const errno = errnoOf(error);
  return (errno && TEXTS[errno]) ?? (error instanceof Error ? error.message : String(error));
}
