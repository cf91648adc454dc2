#include "image/squashfs_limits.h"

#include <sqfs/block.h>

namespace davit::image {

uint64_t metadata_room(sqfs_file_t* file, uint64_t start, uint64_t end) {
  constexpr unsigned size_mask = 0x7fff;
  uint64_t room = 0;
  while (room < max_metadata_bytes && start < end) {
    uint8_t header[2];
    if (file->read_at(file, start, header, sizeof header) != 0) break;
    unsigned size = (header[0] | (header[1] << 8U)) & size_mask;
    if (size == 0 || size > SQFS_META_BLOCK_SIZE) break;
    room += SQFS_META_BLOCK_SIZE;
    start += sizeof header + size;
  }
  return room;
}

}  // namespace davit::image
