// Compressors by their number in the superblock. libsquashfs has all but LZO, which we decode ourselves: its library is
// under the GPL.
#pragma once
#include <sqfs/compressor.h>
#include <sqfs/predef.h>
#include <stdint.h>

namespace davit::image {

struct SqfsDeleter {
  template <typename T>
  void operator()(T* object) const {
    sqfs_destroy(object);
  }
};

// Returns 0, or an SQFS_ERROR. The caller destroys *out.
int create_decompressor(uint16_t id, uint32_t block_size, sqfs_compressor_t** out);

// `level` 0: the compressor's own default.
int create_compressor(uint16_t id, uint32_t block_size, unsigned level, sqfs_compressor_t** out);

}  // namespace davit::image
