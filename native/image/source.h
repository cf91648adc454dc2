// An opened source of files: a directory or a squashfs, its tree read.
#pragma once
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "image/scan_directory.h"
#include "image/squashfs_reader.h"
#include "image/tree.h"

namespace davit::image {

struct Source {
  Tree tree;
  std::unique_ptr<ContentReader> content;
  SquashfsReader* squashfs = nullptr;  // `content`, when it is one
  Fd directory;
  std::vector<std::string> notes;  // what was left out, in words

  Outcome open_directory(const char* path, const ScanOptions& options);
  // `name` stands in failures.
  Outcome open_squashfs(const char* path, uint64_t offset, uint64_t size, bool xattrs, std::string name);
};

}  // namespace davit::image
