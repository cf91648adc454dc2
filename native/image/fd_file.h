// libsquashfs' file interface over a part of an open file: from `base` up to `size` bytes. The descriptor is borrowed.
#pragma once
#include <sqfs/io.h>
#include <sqfs/predef.h>
#include <stdint.h>

namespace davit::image {

struct FdFile {
  sqfs_file_t interface;  // first member: libsquashfs hands back a pointer to it
  int fd;
  uint64_t base;
  uint64_t size;
  bool writable;
  int err;  // errno of the last call that failed
};

// `size`: of the part that is there, when reading; 0 when writing.
void fd_file_init(FdFile* file, int fd, uint64_t base, uint64_t size, bool writable);

}  // namespace davit::image
