#include "image/fd_file.h"

#include <errno.h>
#include <sqfs/error.h>
#include <unistd.h>

#include "sys/fd.h"

namespace davit::image {
namespace {

FdFile* self_of(sqfs_file_t* file) { return reinterpret_cast<FdFile*>(file); }

int fail(FdFile* file, int err) {
  file->err = err;
  return SQFS_ERROR_IO;
}

int read_at(sqfs_file_t* interface, sqfs_u64 offset, void* buffer, size_t size) {
  FdFile* file = self_of(interface);
  if (offset > file->size || size > file->size - offset) return SQFS_ERROR_OUT_OF_BOUNDS;
  auto* out = static_cast<uint8_t*>(buffer);
  while (size > 0) {
    ssize_t n = retry([&] { return pread(file->fd, out, size, static_cast<off_t>(file->base + offset)); });
    if (n < 0) return fail(file, errno);
    if (n == 0) return SQFS_ERROR_OUT_OF_BOUNDS;  // the file became shorter
    out += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
  }
  return 0;
}

int write_at(sqfs_file_t* interface, sqfs_u64 offset, const void* buffer, size_t size) {
  FdFile* file = self_of(interface);
  if (!file->writable) return fail(file, EBADF);
  const auto* in = static_cast<const uint8_t*>(buffer);
  while (size > 0) {
    ssize_t n = retry([&] { return pwrite(file->fd, in, size, static_cast<off_t>(file->base + offset)); });
    if (n < 0) return fail(file, errno);
    in += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
    if (offset > file->size) file->size = offset;
  }
  return 0;
}

sqfs_u64 get_size(const sqfs_file_t* interface) { return reinterpret_cast<const FdFile*>(interface)->size; }

int truncate(sqfs_file_t* interface, sqfs_u64 size) {
  FdFile* file = self_of(interface);
  if (!file->writable) return fail(file, EBADF);
  if (retry([&] { return ftruncate(file->fd, static_cast<off_t>(file->base + size)); }) != 0) return fail(file, errno);
  file->size = size;
  return 0;
}

void destroy(sqfs_object_t*) {}  // lies in its owner

// Readers copy their file for every thread; pread(2) lets all share one.
sqfs_object_t* copy(const sqfs_object_t* original) {
  const auto* file = reinterpret_cast<const FdFile*>(original);
  return file->writable ? nullptr : const_cast<sqfs_object_t*>(original);
}

}  // namespace

void fd_file_init(FdFile* file, int fd, uint64_t base, uint64_t size, bool writable) {
  *file = {};
  file->interface.base.destroy = destroy;
  file->interface.base.copy = copy;
  file->interface.read_at = read_at;
  file->interface.write_at = write_at;
  file->interface.get_size = get_size;
  file->interface.truncate = truncate;
  file->fd = fd;
  file->base = base;
  file->size = size;
  file->writable = writable;
}

}  // namespace davit::image
