// A tree as a squashfs at its final place in a file.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "image/tree.h"

namespace davit::image {

struct WriteOptions {
  uint16_t compressor = 6;  // its number in the superblock: zstd
  unsigned level = 3;       // 0: the compressor's own default
  uint32_t block_size = 131072;
  unsigned workers = 1;  // threads that compress
  uint32_t mtime = 0;    // of the file system
};

struct WriteResult {
  uint64_t size = 0;        // a multiple of 4096, as a mount wants it
  uint64_t bytes_used = 0;  // without the padding
  uint32_t inodes = 0;
};

// Writes to `fd` from `offset` on; whatever lies there is overwritten, and the file ends where the squashfs does.
// The tree is sorted; its inodes are changed while it is written.
Outcome write_squashfs(Tree* tree, ContentReader* content, int fd, uint64_t offset, const WriteOptions& options,
                       WriteResult* result);

}  // namespace davit::image
