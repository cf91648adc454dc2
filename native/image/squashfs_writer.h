// A tree as a squashfs at its final place in a file.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "image/counter.h"
#include "image/squashfs_data.h"
#include "image/tree.h"

namespace davit::image {

struct WriteResult {
  uint64_t size = 0;        // a multiple of 4096, as a mount wants it
  uint64_t bytes_used = 0;  // without the padding
  uint32_t inodes = 0;
};

// Writes to `fd` from `offset` on; whatever lies there is overwritten, and the file ends where the squashfs does.
// The tree is sorted; its inodes are changed while it is written.
Outcome write_squashfs(Tree* tree, ContentReader* content, int fd, uint64_t offset, const WriteOptions& options,
                       WriteResult* result, const WriteProgress& progress = {});

// The same, with the contents handed over to `data` before, except those that inodes carry in memory.
Outcome finish_squashfs(Tree* tree, SquashfsData* data, WriteResult* result);

}  // namespace davit::image
