// A directory of the host as a tree.
#pragma once
#include <stdint.h>

#include <memory>
#include <vector>

#include "image/tree.h"
#include "sys/fd.h"

namespace davit::image {

struct ScanOptions {
  bool all_root = false;     // every file belongs to uid and gid 0
  bool xattrs = true;        // extended attributes are read
  uint64_t exclude_dev = 0;  // a file to leave out: the image being written may lie in its own source
  uint64_t exclude_ino = 0;
};

// Reads the tree below `directory`, which is opened by the caller. Sockets are left out and named in `notes`.
Outcome scan_directory(int directory, const ScanOptions& options, Tree* tree, std::vector<std::string>* notes);

// Content of the files of that tree. Every file is opened beneath the directory without following a link, and must
// still be the one that was scanned.
class DirectoryContent : public ContentReader {
 public:
  explicit DirectoryContent(int directory) : root_(directory) {}
  Outcome open(const Node* file) override;
  Outcome read(void* buffer, size_t size, size_t* got) override;
  Outcome skip_hole(uint64_t* size) override;

 private:
  Outcome enter(const Node* directory);

  struct Level {
    const Node* node;
    Fd fd;
  };
  int root_;                   // borrowed
  std::vector<Level> levels_;  // open directories, from below the root to the one used last
  Fd file_;
  bool sparse_ = false;  // it has fewer blocks than bytes
  const Node* node_ = nullptr;
};

}  // namespace davit::image
