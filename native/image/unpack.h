// A squashfs tree as files in a directory.
#pragma once
#include <string>
#include <vector>

#include "image/squashfs_reader.h"
#include "image/tree.h"

namespace davit::image {

struct UnpackOptions {
  // As root: owners, all mode bits, extended attributes, device nodes. Otherwise every file belongs to the caller,
  // set-id bits are dropped, device nodes left out, and directories stay writable for their owner.
  bool faithful = false;
};

// Fills `directory`, which is empty and opened by the caller. Every name is created relative to its directory's
// descriptor and must not exist yet, so that nothing can lead outside.
Outcome unpack_tree(const Tree& tree, SquashfsReader* content, int directory, const UnpackOptions& options,
                    std::vector<std::string>* notes);

}  // namespace davit::image
