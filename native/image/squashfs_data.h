// The first part of a squashfs: the contents of files, compressed by libsquashfs' threads while they are handed over.
#pragma once
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/frag_table.h>
#include <sqfs/super.h>
#include <stdint.h>

#include <memory>
#include <string_view>

#include "image/compressor.h"
#include "image/fd_file.h"
#include "image/tree.h"

namespace davit::image {

struct WriteOptions {
  uint16_t compressor = 6;  // its number in the superblock: zstd
  unsigned level = 3;       // 0: the compressor's own default
  uint32_t block_size = 131072;
  unsigned workers = 1;  // threads that compress
  uint32_t mtime = 0;    // of the file system
};

// Calls return 0 or an SQFS_ERROR, for which failure() has the words. One file at a time: begin_file, append and
// append_zeros as often as needed, end_file. The tree, to which the inodes belong, must outlive this object.
class SquashfsData {
 public:
  // Writes to `fd`, which is borrowed, from `offset` on.
  SquashfsData(Tree* tree, int fd, uint64_t offset, const WriteOptions& options) : tree_(tree), options_(options) {
    fd_file_init(&file_, fd, offset, 0, true);
  }
  ~SquashfsData();
  SquashfsData(const SquashfsData&) = delete;
  SquashfsData& operator=(const SquashfsData&) = delete;

  int start();
  int begin_file(Inode* inode);
  int append(const void* data, size_t size);
  int append_zeros(uint64_t size);
  int end_file();
  // Waits until all is on its way to the file.
  int finish();

  Outcome failure(std::string_view step, int code, std::string_view object) const;

  // For the tables that follow.
  sqfs_file_t* file() { return &file_.interface; }
  uint64_t end() const { return file_.size; }
  sqfs_super_t* super() { return &super_; }
  sqfs_compressor_t* compressor() { return compressor_.get(); }
  sqfs_frag_table_t* fragments() { return fragments_.get(); }

 private:
  int start_processor();

  template <typename T>
  using Owned = std::unique_ptr<T, SqfsDeleter>;

  Tree* tree_;
  const WriteOptions options_;
  FdFile file_ = {};
  sqfs_super_t super_ = {};
  Owned<sqfs_compressor_t> compressor_;
  Owned<sqfs_compressor_t> decompressor_;
  Owned<sqfs_block_writer_t> block_writer_;
  Owned<sqfs_frag_table_t> fragments_;
  Owned<sqfs_block_processor_t> processor_;  // after what it uses, so that it is destroyed first
};

}  // namespace davit::image
